"""The state dictionaries of a torch.save file, in the order in which training scripts' names make them worth trying."""

from __future__ import annotations

import copy
import itertools
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from orojar_cli.containers.records import PlainObject, TensorRecord, as_table
from orojar_cli.errors import DamagedCheckpointError

# In the order of preference: averaged weights first.
_AVERAGED = ("g_ema", "G_ema", "generator_ema", "params_ema", "avgG", "generator_smooth", "g_running")
_TRAINED = ("netG_state_dict", "netG", "g", "G", "generator", "state_dict", "model")
_CODES = {"float16": "e", "bfloat16": "f", "float32": "f", "float64": "d"}  # the struct module's
_CRITICS = ("d", "D", "discriminator")
# What wrappers of modules put before every name.
_WRAPPERS = ("module.", "_orig_mod.", "_fsdp_wrapped_module.")
# Networks inside one another: how deep they are looked for, and among how many names.
_DEPTH, _PARTS = 3, 64


Names = Callable[[dict[str, TensorRecord]], bool]
"""Whether these tensors, by name, are those of a layout."""


@dataclass(frozen=True, eq=False)
class StateDict:
    """The tensors of one network by name, without prefixes that all of them share; `keys` are the entries of the file's top level that
    it is made of, none where it is the whole file; `settings` the attributes of the configuration object that some training scripts keep
    beside their networks: plain data of any kind; `file` is the name of the file, which some scripts let say something; `name` where it
    lies, as in `StateDicts.known`; `shared` are names of tensors that the file keeps for several networks together."""

    tensors: dict[str, TensorRecord]
    keys: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    file: str = ""
    name: str = ""
    shared: tuple[str, ...] = ()


class StateDicts:
    """What a torch.save file holds: `top` is its top level as stored, `known` the state dictionaries there by name, in file order.

    A file that is one state dictionary has it under the name "".  What stands below a common first name in a state dictionary, such as
    "decoder" in that of an encoder, is one too: "state_dict.decoder".  Training scripts that keep their networks together under "models"
    have them as if they lay at the top.
    """

    def __init__(self, value: Any, file: str = "") -> None:
        self.value = value
        self.top: dict[str, Any] = value if type(value) is dict else {}
        networks = as_table(self.top.get("models"))
        if type(networks) is dict and not networks.keys() & self.top.keys():
            self.top = networks | {key: item for key, item in self.top.items() if key != "models"}
        whole = _tensors(self.top)
        tables = {"": whole} if whole is not None else {key: _tensors(item) for key, item in self.top.items()}
        beside = self.top.get("config")
        settings = beside.attributes if type(beside) is PlainObject else {}
        keyed = whole is None
        self.known: dict[str, StateDict] = {}
        for key, table in tables.items():
            for name, found in _parts(key, table or {}):
                self.known[name] = StateDict(found, (key,) if keyed else (), settings, file, name)

    def generator(self, fits: Names) -> StateDict | None:
        """The first state dictionary that fits, averaged weights first; None where there is none."""
        return next((self.known[name] for name in sorted(self.known, key=_preference) if fits(self.known[name].tensors)), None)

    def trained(self, averaged: StateDict) -> StateDicts:
        """The file without what is no training copy of these averaged weights, by its name."""
        view = copy.copy(self)
        last = averaged.name.rpartition(".")[2]
        view.known = {name: each for name, each in self.known.items() if last in _AVERAGED and name.rpartition(".")[2] in _TRAINED}
        return view

    def critic(self, fits: Names) -> StateDict | None:
        """The first state dictionary under a discriminator's usual names that fits; None where there is none."""
        names = (name for usual in _CRITICS for name in self.known if name.rpartition(".")[2] == usual)
        return next((self.known[name] for name in names if fits(self.known[name].tensors)), None)

    def rank(self, stored: StateDict) -> tuple[int, int]:
        """Place of a generator in the order of preference, the least for the first."""
        return _preference(stored.name)


def _preference(name: str) -> tuple[int, int]:
    """Where a state dictionary's name stands in the order of preference: what the name says, then how deep it lies."""
    usual = (*_AVERAGED, *_TRAINED)
    last = name.rpartition(".")[2]
    return usual.index(last) if last in usual else len(usual), name.count(".")


def _parts(name: str, tensors: dict[str, TensorRecord], depth: int = 0) -> Iterator[tuple[str, dict[str, TensorRecord]]]:
    """The table itself and those below a common first name in it, by name."""
    if tensors:
        yield name, tensors
    below: dict[str, dict[str, TensorRecord]] = {}
    for key, record in tensors.items() if depth < _DEPTH else ():
        first, dot, rest = key.partition(".")
        if dot and not first.isdecimal():
            below.setdefault(first, {})[rest] = record
    if len(below) <= _PARTS:
        for first, part in below.items():
            yield from _parts(f"{name}.{first}" if name else first, _unwrapped(part), depth + 1)


def _tensors(value: Any) -> dict[str, TensorRecord] | None:
    """`value` as a table of tensors, or None where it is something else."""
    value = as_table(value)
    if type(value) is not dict or not value or any(type(item) is not TensorRecord for item in value.values()):
        return None
    return _unwrapped(value)


def _unwrapped(tensors: dict[str, TensorRecord]) -> dict[str, TensorRecord]:
    """The tensors without the prefixes that wrappers of modules give to all names."""
    for prefix in _WRAPPERS * 2:
        if all(key.startswith(prefix) for key in tensors):
            tensors = {key.removeprefix(prefix): record for key, record in tensors.items()}
    return tensors


def small_values(record: TensorRecord, most: int = 1024) -> tuple[float, ...] | None:
    """The numbers of a tensor of at most `most` floating-point numbers in the order they are stored, or None where it is another kind."""
    code = _CODES.get(record.dtype)
    if code is None or record.numel > most:
        return None
    data, size = record.storage.data, record.storage.itemsize
    stored = data.file.read(data.offset + size * record.offset, size * record.numel)
    if record.dtype == "bfloat16":  # the upper half of a float32
        stored = b"".join(b"\0\0" + stored[at : at + 2] for at in range(0, len(stored), 2))
    return struct.unpack(f"<{record.numel}{code}", stored)


def count(tensors: dict[str, TensorRecord], pattern: str, first: int = 0) -> int:
    """How many names of the pattern follow each other, from number `first` on."""
    return next(index for index in itertools.count() if pattern.format(first + index) not in tensors)


def tensor_shape(tensors: dict[str, TensorRecord], name: str, axes: int, where: str) -> tuple[int, ...]:
    """The shape of a tensor that must be there with so many axes; raises DamagedCheckpointError where it is not."""
    record = tensors.get(name)
    if record is None or len(record.shape) != axes:
        raise DamagedCheckpointError(f"damaged: {where}.{name} is missing or has another number of axes than {axes}")
    return record.shape
