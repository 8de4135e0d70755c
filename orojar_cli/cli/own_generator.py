"""--generator package.module:factory: the user's own code, named on their own command line.

The one module of orojar that imports code by name.  The name comes from the command line and from nowhere else: not from a checkpoint,
not from a direction set, not from a run.json.
"""

from __future__ import annotations

import importlib
import os
import re
import shlex
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from orojar_cli.cli.console import say

if TYPE_CHECKING:
    import torch

_SPEC = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


@dataclass(frozen=True)
class OwnNetwork:
    """The user's generator where a checkpoint could stand: `name` is package.module:factory, `sha256` that of its weights."""

    name: str
    generator: Any
    sha256: str
    device: torch.device

    @property
    def path(self) -> str:
        """There is no file: the name."""
        return self.name


class GeneratorName(click.ParamType):
    """package.module:factory."""

    name = "package.module:factory"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not _SPEC.fullmatch(value):
            self.fail(f"{value!r} is not package.module:factory, such as mygan:make for make() in mygan.py", param, ctx)
        return value


def load_own_generator(name: str, device: str) -> OwnNetwork:
    """Import the module, call its factory, and put what it returns behind orojar's protocol.

    The current folder comes first in the search for modules, as with `python -m`.  Raises OwnCodeError.
    """
    import torch

    from orojar_cli.errors import OwnCodeError
    from orojar_cli.generators.own.adapt import adapt
    from orojar_cli.generators.own.object import weights_sha256
    from orojar_cli.generators.own.running import own_code

    module_name, _, attribute = name.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        with own_code(name, f"importing {module_name}"):
            found: Any = importlib.import_module(module_name)
    except OwnCodeError as error:
        missing = getattr(error.__cause__, "name", None)
        if isinstance(error.__cause__, ModuleNotFoundError) and f"{module_name}.".startswith(f"{missing}."):
            raise OwnCodeError(f"{name}: there is no module {missing} in this folder or among the installed packages") from error
        raise
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise OwnCodeError(f"{name}: {module_name} has no {attribute} (it is read from {getattr(found, '__file__', 'memory')})")
        found = getattr(found, part)
    if not isinstance(found, torch.nn.Module):  # a module that is ready is taken as it is
        if not callable(found):
            raise OwnCodeError(f"{name}: {attribute} is a {type(found).__name__}; it must be a function or class that makes a generator")
        with own_code(name, f"{attribute}()"):
            found = found()
    sha256 = weights_sha256(found, name)
    generator = adapt(found, name, device, freeze=True)
    generator.identity = sha256
    if not generator.forward_mode:
        say(f"exact Jacobians cannot be taken through {name}: central differences are used, which are less exact")
    return OwnNetwork(name, generator, sha256, torch.device(device))


def ask_for_generator(run: str, name: object) -> str:
    """What to type for a run made with --generator.  The name stands in a file, so it is shown and not followed."""
    shown = name if isinstance(name, str) and len(name) <= 120 and name.isascii() and _SPEC.fullmatch(name) else "package.module:factory"
    return (
        f"{run} was made with its maker's own generator, code that orojar runs only when you name it; if you trust that code: "
        f"orojar traverse {shlex.quote(run)} --generator {shown}"
    )
