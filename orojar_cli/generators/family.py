"""What a family of networks offers to the rest of the house (no torch).

A family is a folder of this package whose `__init__.py` makes one FAMILY, and a line in `families.py`.  Reading, `inspect`, writing and
fine-tuning ask the registry, never a family by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from orojar_cli import lazily
from orojar_cli.containers.derived import DerivedRecord
from orojar_cli.containers.records import TensorRecord

if TYPE_CHECKING:
    from torch import nn

    from orojar_cli.generators.pickle_description import Describers

GENERATOR, CRITIC = "generator", "critic"
Read = tuple[Any, Mapping[str, TensorRecord | DerivedRecord]]
"""A checked configuration, and the network's tensors by our names with the shapes it implies."""
Stored = TypeVar("Stored")
Found = TypeVar("Found")


@dataclass(frozen=True)
class Reader(Generic[Stored, Found]):
    """How a family is read from one kind of container, or from one of the layouts it has there.

    `container` is the class of what the container gives: NetworkTree, TensorFlowNetwork, StateDicts.  `recognise` gives what of it is
    a network of the family, or None; `read` makes configuration and tensors of that and raises the CheckpointError for what is wrong,
    with the name of the place it is told.  `also` are further names of what is read, for messages.  `trained` finds the copy that training
    goes on with, beside averaged weights in a state dictionary, where it has no name of its own there.
    """

    container: type[Stored]
    recognise: Callable[[Stored], Found | None]
    read: Callable[[Found, str], Read]
    also: tuple[str, ...] = ()
    trained: Callable[[Stored], Found | None] | None = None


@dataclass(frozen=True)
class Family:
    """One family.

    `name` is what its configurations' `family` says; `config` is their class, whose `from_dict` is the inverse of `asdict`; `network` names
    what in the folder's `network.py` makes the network of a configuration; with `has_pickle_form` its `pickle_form.py` says (DESCRIBERS)
    how a .pkl describes the modules; `critics` tells whether the D beside its generators is one that is read; `beside`
    are names of files that belong to a checkpoint and lie beside it.  These two modules import
    torch, and are imported when a network is made or written.
    """

    name: str
    config: Any
    network: str
    readers: tuple[Reader[Any, Any], ...] = ()
    has_pickle_form: bool = False
    critics: bool = False
    role: str = GENERATOR
    beside: tuple[str, ...] = ()

    def made(self, config: Any) -> nn.Module:
        """The network of a configuration."""
        network: nn.Module = lazily.own(f"{self._folder}.network", self.network)(config)
        return network

    def describers(self) -> Describers:
        """How a .pkl describes the modules of its networks; nothing where it has no such form."""
        found: Describers = lazily.own(f"{self._folder}.pickle_form", "DESCRIBERS") if self.has_pickle_form else {}
        return found

    @property
    def _folder(self) -> str:
        """The folder its configuration is in, below this package."""
        return str(self.config.__module__.removeprefix("orojar_cli.").rpartition(".")[0])
