"""The families of networks: where each is, and what all of them together can do (no torch until a network is made)."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

from orojar_cli import lazily
from orojar_cli.containers.state_dict import StateDicts
from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.generators.family import GENERATOR, Family, Read, Reader

if TYPE_CHECKING:
    from torch import nn

    from orojar_cli.generators.pickle_description import Describers

# One line a folder.  The order is that of preference where two families recognise the same network.
_FOLDERS = (
    "stylegan2",
    "stylegan3",
    "styleganxl",
    "lucidrains",
    "progan",
    "simplegan",
    "dcgan",
    "biggan",
    "stylegan1",
    "critic",
)
# Imported here and now: reading a file imports nothing.
FAMILIES: tuple[Family, ...] = tuple(lazily.own(f"generators.{folder}", "FAMILY") for folder in _FOLDERS)


class Match(NamedTuple):
    """A network that a family has recognised as one of its own."""

    reader: Reader[Any, Any]
    found: Any

    def read(self, where: str) -> Read:
        """Its configuration and tensors, checked."""
        return self.reader.read(self.found, where)

    def trained(self, stored: StateDicts) -> Match | None:
        """The copy of it in a file of state dictionaries that training goes on with; None where there is none."""
        find = self.reader.trained
        found = find(stored) if find is not None else self.reader.recognise(stored.trained(self.found))
        return None if found is None else Match(self.reader, found)


def matches(stored: object, role: str = GENERATOR) -> list[Match]:
    """What the families recognise in `stored`, which a container gave."""
    return [
        Match(reader, found)
        for family in FAMILIES
        if family.role == role
        for reader in family.readers
        if reader.container is type(stored) and (found := reader.recognise(stored)) is not None
    ]


def readable(container: type) -> tuple[str, ...]:
    """The names of the generators that are read from a kind of container."""
    known = [(family, reader) for family in FAMILIES if family.role == GENERATOR for reader in family.readers]
    names = [name for family, reader in known if reader.container is container for name in (family.name, *reader.also)]
    return tuple(dict.fromkeys(names))


def family_of(config: Any) -> Family:
    """The family of a configuration."""
    return next(family for family in FAMILIES if family.config is type(config))


def empty_network(config: Any) -> nn.Module:
    """The network of a configuration on the meta device: every tensor has its shape and no memory."""
    import torch

    with torch.device("meta"):
        return family_of(config).made(config)


def has_pickle_form(config: Any) -> bool:
    """Whether a .pkl can be written of a network with this configuration; a user's own has no family, and no form."""
    return any(family.config is type(config) and family.has_pickle_form for family in FAMILIES)


def describers() -> Describers:
    """How a .pkl describes the modules of all families that have such a form."""
    return {module: describe for family in FAMILIES for module, describe in family.describers().items()}


def config_to_dict(config: Any) -> dict[str, Any]:
    """A JSON-serialisable dictionary of a configuration's options, for file metadata."""
    return asdict(config)


def config_from_dict(options: Any, role: str = GENERATOR) -> Any:
    """The inverse of config_to_dict; raises TypeError, KeyError, ValueError or UnsupportedCheckpointError for other options.

    Critics do not say their family where there was but one.
    """
    name = options["family"] if role == GENERATOR or "family" in options else role
    for family in FAMILIES:
        if family.role == role and family.name == name:
            return family.config.from_dict(options)
    raise UnsupportedCheckpointError(f"not supported: the {role} family {ascii(name)[:60]}")
