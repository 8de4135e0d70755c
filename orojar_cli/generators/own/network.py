"""The user's own generator where a checkpoint could stand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from orojar_cli.errors import OwnCodeError
from orojar_cli.generators.own.adapt import adapt
from orojar_cli.generators.own.object import weights_sha256
from orojar_cli.generators.own.running import own_code


@dataclass(frozen=True)
class OwnNetwork:
    """An object of the user's code behind the protocol: `name` is what it is called (on the command line package.module:factory),
    `sha256` that of its weights.  It has no file and no critic."""

    name: str
    generator: Any
    sha256: str
    device: torch.device
    critic: None = None

    @property
    def path(self) -> str:
        """There is no file: the name."""
        return self.name

    @property
    def run_name(self) -> str:
        """What a run of it is called after."""
        return self.name.replace(".", "-")

    def record(self) -> dict[str, str]:
        """What run.json keeps of it."""
        return {"path": self.name, "sha256": self.sha256, "generator": self.name}


def own_network(
    thing: Any,
    name: str = "",
    device: str | torch.device = "cpu",
    notice: Callable[[str], None] | None = None,
    *,
    attribute: str = "",
    freeze: bool = False,
) -> OwnNetwork:
    """The network that `thing` is, or makes when it is called: torch modules and objects with a `z_dim` are taken as they are.

    `name` is what errors and runs call it, `attribute` what it is called in its module; `freeze` is for objects that nobody else uses,
    and what it does stands at `adapt`.  `notice` is told where exact Jacobians cannot be taken through it.
    Raises OwnCodeError where it does not offer what `adapt` needs.
    """
    name = name or getattr(thing, "__name__", type(thing).__name__)
    attribute = attribute or name
    if not isinstance(thing, torch.nn.Module) and (isinstance(thing, type) or not hasattr(thing, "z_dim")):
        if not callable(thing):
            raise OwnCodeError(f"{name}: {attribute} is a {type(thing).__name__}; it must be a function or class that makes a generator")
        with own_code(name, f"{attribute}()"):
            thing = thing()
    sha256 = weights_sha256(thing, name)
    generator = adapt(thing, name, device, freeze=freeze)
    generator.identity = sha256
    if not generator.forward_mode and notice is not None:
        notice(f"exact Jacobians cannot be taken through {name}: central differences are used, which are less exact")
    return OwnNetwork(name, generator, sha256, torch.device(device))
