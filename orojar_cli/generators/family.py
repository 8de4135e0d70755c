"""What a family of networks offers to the rest of the house (no torch).

A family is a folder of this package whose `__init__.py` makes one FAMILY, and a line in `families.py`.  Reading, `inspect`, writing and
fine-tuning ask the registry, never a family by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

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
    with the name of the place it is told.  `also` are further names of what is read, for messages.
    """

    container: type[Stored]
    recognise: Callable[[Stored], Found | None]
    read: Callable[[Found, str], Read]
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Family:
    """One family.  Only `network` and `pickle_form` import torch, when they are called.

    `name` is what its configurations' `family` says; `config` is their class, whose `from_dict` is the inverse of `asdict`; `network`
    makes the network of a configuration; `pickle_form` says how a .pkl describes its modules, None where it has no such form;
    `critics` whether the D beside its generators is one that is read.
    """

    name: str
    config: Any
    network: Callable[[Any], nn.Module]
    readers: tuple[Reader[Any, Any], ...] = ()
    pickle_form: Callable[[], Describers] | None = None
    critics: bool = False
    role: str = GENERATOR
