"""torch.save files, zip and older streams, read by the inert machinery: plain containers and tensor records, nothing else."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Any, ClassVar

from orojar_cli.containers.constructors import ANYWHERE, CheckpointMachine, Constructor, opaque
from orojar_cli.containers.cursor import Cursor
from orojar_cli.containers.file import CheckpointFile
from orojar_cli.containers.limits import DEFAULT_LIMITS, Limits
from orojar_cli.containers.records import Opaque, Span, StorageRecord, Token
from orojar_cli.containers.unpickler import Budget, Instructions
from orojar_cli.containers.zip_directory import read_zip_directory
from orojar_cli.errors import CheckpointError, DamagedCheckpointError, UnsafeCheckpointError

_VERSION = 1001
_STORAGES = {
    "FloatStorage": ("float32", 4),
    "HalfStorage": ("float16", 2),
    "BFloat16Storage": ("bfloat16", 2),
    "DoubleStorage": ("float64", 8),
    "LongStorage": ("int64", 8),
    "IntStorage": ("int32", 4),
    "ShortStorage": ("int16", 2),
    "CharStorage": ("int8", 1),
    "ByteStorage": ("uint8", 1),
    "BoolStorage": ("bool", 1),
}
_STORAGE_TOKENS = {("torch", name): Token("torch", name) for name in _STORAGES}
# Arrays and random states beside the networks are not read.
_CALLABLE: dict[tuple[str, str], Constructor] = ANYWHERE | {
    (module, name): opaque("a numpy value")
    for module, name in (
        ("_codecs", "encode"),
        ("numpy", "dtype"),
        ("numpy.core.multiarray", "scalar"),
        ("numpy._core.multiarray", "scalar"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
    )
}
# What protocol 2 has; the outer pickles of network files have more.
_OPCODES = b"(NJKMX}]suatqcGhjrRQb)e\x81\x85\x86\x87\x88\x89\x8a"
_KEY = re.compile(r"[0-9]{1,20}\Z")
_Locate = Callable[[str, str, int], Span]  # key, storage type, number of elements


class TorchMachine(CheckpointMachine):
    """The pickle of a torch.save file (protocol 2): state dictionaries of tensors over storages that lie elsewhere in the file."""

    protocols = (2,)
    contents = "weights"

    def __init__(self, cursor: Cursor, budget: Budget, locate: _Locate) -> None:
        self.locate = locate
        self.storages: dict[str, StorageRecord] = {}
        super().__init__(cursor, budget)

    def constructors(self) -> dict[tuple[str, str], Constructor]:
        return _CALLABLE

    def global_token(self, module: str, name: str) -> Token:
        return _STORAGE_TOKENS.get((module, name)) or super().global_token(module, name)

    def _build(self) -> None:
        # A state dictionary carries the version numbers of its modules as an attribute; what is not read has a state that is not.
        known = len(self.stack) > 1 and (type(self.stack[-2]), type(self.stack[-1]))
        if known == (dict, dict) or (known and known[0] is Opaque):
            self.pop()
        else:
            super()._build()

    def _persistent_id(self) -> None:
        identity = self.pop()
        if type(identity) is tuple and len(identity) == 4 and identity[0] == "module" and self.is_inert(identity[1]):
            # Older files keep the source text of a module's class beside it.
            self.push(identity[1])
            return
        if type(identity) is not tuple or len(identity) not in (5, 6) or (len(identity) == 6 and identity[5] is not None):
            raise self.damaged("a malformed storage description")
        tag, kind, key, location, numel = identity[:5]
        if type(tag) is not str or tag != "storage" or type(kind) is not Token or kind.module != "torch" or type(location) is not str:
            raise self.damaged("a malformed storage description")
        if type(key) is not str or not _KEY.match(key) or type(numel) is not int or numel < 0:
            raise self.damaged("a malformed storage description")
        dtype, itemsize = _STORAGES[kind.name]
        known = self.storages.get(key)
        if known is None:
            self.budget.storages -= 1
            if self.budget.storages < 0:
                raise UnsafeCheckpointError(f"refused: {self.file.name} has more than {self.limits.storages} storages")
            known = self.storages[key] = StorageRecord(dtype, itemsize, numel, self.locate(key, kind.name, numel))
        if (known.dtype, known.numel) != (dtype, numel):
            raise self.damaged(f"storage {key} is described in two ways")
        self.push(known)

    instructions: ClassVar[Instructions] = {
        opcode: function
        for opcode, function in (CheckpointMachine.instructions | {b"b": _build, b"Q": _persistent_id}).items()
        if opcode in _OPCODES
    }


def read_torch_zip(file: CheckpointFile, limits: Limits = DEFAULT_LIMITS) -> Any:
    """The value in a torch.save zip file, as plain data and tensor records; raises the four CheckpointError classes and nothing else."""
    entries = read_zip_directory(file, limits)
    order = entries.get("byteorder")
    if order is not None and (order.length != 6 or order.read() != b"little"):
        raise DamagedCheckpointError(f"damaged: {file.name} holds numbers that are not little-endian")

    def locate(key: str, kind: str, numel: int) -> Span:
        span, size = entries.get(f"data/{key}"), numel * _STORAGES[kind][1]
        if span is None or span.length != size:
            found = "is missing" if span is None else f"has {span.length} bytes"
            raise DamagedCheckpointError(f"damaged: {file.name}: storage {key} of {size} bytes {found}; download it again")
        return span

    data = entries["data.pkl"]
    cursor = Cursor(file, data.offset, data.offset + data.length)
    value = _run(TorchMachine(cursor, Budget(limits, file.size), locate))
    if cursor.remaining:
        raise DamagedCheckpointError(f"damaged: {file.name} has {cursor.remaining} bytes behind the end of its pickle")
    return value


def read_torch_stream(file: CheckpointFile, limits: Limits = DEFAULT_LIMITS) -> Any:
    """The value in an older torch.save file: a few pickles, then every storage's element count and elements; raises as the zip's."""
    budget = Budget(limits, file.size)

    def damaged(what: str) -> DamagedCheckpointError:
        return DamagedCheckpointError(f"damaged: {file.name}: {what}; download it again")

    def pickles(locate: _Locate) -> tuple[TorchMachine, Any, Any]:
        """(machine behind the last pickle, value, list of storage keys)."""
        machine = TorchMachine(Cursor(file, 0, file.size), budget, locate)
        magic, version, system = (_run(machine) for _ in range(3))
        if type(magic) is not int or type(version) is not int or version != _VERSION:
            raise damaged("an unknown stream version")
        if type(system) is not dict or system.get("little_endian") is not True:
            raise damaged("numbers that are not little-endian")
        return machine, _run(machine), _run(machine)

    # The storages lie behind the pickle that describes them, so it is read twice: for their sizes, then with their places known.
    kinds: dict[str, tuple[str, int]] = {}

    def note(key: str, kind: str, numel: int) -> Span:
        kinds[key] = kind, numel
        return Span(file, 0, 0)

    machine, _, keys = pickles(note)
    if type(keys) is not list or len(keys) != len(kinds) or any(type(key) is not str for key in keys) or set(keys) != set(kinds):
        raise damaged("the list of storages does not fit the tensors")
    places: dict[str, Span] = {}
    at = machine.cursor.position
    for key in keys:
        kind, numel = kinds[key]
        (written,) = struct.unpack("<q", file.read(at, 8))
        size = numel * _STORAGES[kind][1]
        if written != numel or at + 8 + size > file.size:
            raise damaged(f"storage {key} should have {numel} elements")
        places[key] = Span(file, at + 8, size)
        at += 8 + size
    if at != file.size:
        raise damaged(f"{file.size - at} bytes behind its end")
    return pickles(lambda key, kind, numel: places[key])[1]


def _run(machine: TorchMachine) -> Any:
    try:
        return machine.run()
    except CheckpointError:
        raise
    except (RecursionError, MemoryError, OverflowError, UnicodeError, ValueError) as error:
        raise DamagedCheckpointError(f"damaged: {machine.file.name} cannot be read ({type(error).__name__})") from error
