"""The state dictionaries of a torch.save file, in the order in which training scripts' names make them worth trying."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orojar_cli.containers.records import PlainObject, TensorRecord
from orojar_cli.errors import DamagedCheckpointError

# In the order of preference: averaged weights first.
_AVERAGED = ("g_ema", "G_ema", "generator_ema", "params_ema", "avgG", "generator_smooth", "g_running")
_TRAINED = ("netG_state_dict", "netG", "g", "G", "generator", "state_dict", "model")
_CODES = {"float16": "e", "float32": "f", "float64": "d"}  # the struct module's
_CRITICS = ("d", "D", "discriminator")


Names = Callable[[dict[str, TensorRecord]], bool]
"""Whether these tensors, by name, are those of a layout."""


@dataclass(frozen=True, eq=False)
class StateDict:
    """The tensors of one network by name, without the prefix that data-parallel training adds; `keys` are the entries of the file's top
    level that it is made of, none where it is the whole file; `settings` the attributes of the configuration object that some training
    scripts keep beside their networks: plain data of any kind; `file` is the name of the file, which some scripts let say something."""

    tensors: dict[str, TensorRecord]
    keys: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    file: str = ""


class StateDicts:
    """What a torch.save file holds: `top` is its top level as stored, `known` the state dictionaries there by name, in file order.

    A file that is one state dictionary has it under the name "".  Training scripts that keep their networks together under "models" have
    them as if they lay at the top.
    """

    def __init__(self, value: Any, file: str = "") -> None:
        self.value = value
        self.top: dict[str, Any] = value if type(value) is dict else {}
        networks = self.top.get("models")
        if type(networks) is dict and not networks.keys() & self.top.keys():
            self.top = networks | {key: item for key, item in self.top.items() if key != "models"}
        whole = _tensors(self.top)
        tables = {"": whole} if whole is not None else {key: _tensors(item) for key, item in self.top.items()}
        beside = self.top.get("config")
        settings = beside.attributes if type(beside) is PlainObject else {}
        keyed = whole is None
        self.known = {key: StateDict(found, (key,) if keyed else (), settings, file) for key, found in tables.items() if found is not None}

    def generator(self, fits: Names) -> StateDict | None:
        """The first state dictionary that fits, averaged weights first; None where there is none."""
        return self._first((*_AVERAGED, *_TRAINED, *self.known), fits)

    def critic(self, fits: Names) -> StateDict | None:
        """The first state dictionary under a discriminator's usual names that fits; None where there is none."""
        return self._first(_CRITICS, fits)

    def rank(self, stored: StateDict) -> int:
        """Place of a generator in the order of preference, 0 for the first."""
        key = stored.keys[0] if stored.keys else ""
        return next((place for place, name in enumerate((*_AVERAGED, *_TRAINED, *self.known)) if name == key), len(self.top))

    def _first(self, names: Iterable[str], fits: Names) -> StateDict | None:
        return next((self.known[name] for name in names if name in self.known and fits(self.known[name].tensors)), None)


def _tensors(value: Any) -> dict[str, TensorRecord] | None:
    """`value` as a table of tensors, or None where it is something else."""
    if type(value) is not dict or not value or any(type(item) is not TensorRecord for item in value.values()):
        return None
    parallel = all(key.startswith("module.") for key in value)
    return {key.removeprefix("module.") if parallel else key: item for key, item in value.items()}


def small_values(record: TensorRecord, most: int = 1024) -> tuple[float, ...] | None:
    """The numbers of a tensor of at most `most` floating-point numbers in the order they are stored, or None where it is another kind."""
    code = _CODES.get(record.dtype)
    if code is None or record.numel > most:
        return None
    data, size = record.storage.data, record.storage.itemsize
    return struct.unpack(f"<{record.numel}{code}", data.file.read(data.offset + size * record.offset, size * record.numel))


def count(tensors: dict[str, TensorRecord], pattern: str, first: int = 0) -> int:
    """How many names of the pattern follow each other, from number `first` on."""
    return next(index for index in itertools.count() if pattern.format(first + index) not in tensors)


def tensor_shape(tensors: dict[str, TensorRecord], name: str, axes: int, where: str) -> tuple[int, ...]:
    """The shape of a tensor that must be there with so many axes; raises DamagedCheckpointError where it is not."""
    record = tensors.get(name)
    if record is None or len(record.shape) != axes:
        raise DamagedCheckpointError(f"damaged: {where}.{name} is missing or has another number of axes than {axes}")
    return record.shape
