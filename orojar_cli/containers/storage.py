"""The flat buffers inside a checkpoint: legacy torch.save streams of one storage each.

Such a stream is five small protocol-2 pickles (magic number, version, system information, a persistent id that describes
the storage, the list of keys), an element count, and the raw elements.
"""

from __future__ import annotations

import struct
from typing import Any, ClassVar

from orojar_cli.containers.cursor import Cursor
from orojar_cli.containers.file import printable
from orojar_cli.containers.records import Span, StorageRecord, Token
from orojar_cli.containers.unpickler import Budget, Instructions, Machine
from orojar_cli.errors import DamagedCheckpointError, UnsafeCheckpointError

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001
_DTYPES = {
    "FloatStorage": ("float32", 4),
    "HalfStorage": ("float16", 2),
    "BFloat16Storage": ("bfloat16", 2),
    "DoubleStorage": ("float64", 8),
    "LongStorage": ("int64", 8),
    "IntStorage": ("int32", 4),
    "BoolStorage": ("bool", 1),
}
_TOKENS = {name: Token("torch", name) for name in _DTYPES}


class StorageMachine(Machine):
    """The pickles at the head of a storage stream: plain values, storage type names and one persistent id."""

    protocols = (2,)

    def global_token(self, module: str, name: str) -> Token:
        token = _TOKENS.get(name) if module == "torch" else None
        if token is not None:
            return token
        raise UnsafeCheckpointError(
            f"refused: a tensor in {self.file.name} uses {printable(f'{module}.{name}')}, which tensors never need (byte {self.at}); "
            "the file may be malicious, nothing was executed"
        )

    def _persistent_id(self) -> None:
        self.push(_PersistentId(self.pop()))

    instructions: ClassVar[Instructions] = Machine.instructions | {b"Q": _persistent_id}


class _PersistentId:
    def __init__(self, value: Any) -> None:
        self.value = value


def read_storage(span: Span, budget: Budget) -> StorageRecord:
    """The storage described by the torch.save stream in `span`; its elements stay in the file.

    Raises UnsafeCheckpointError for names or amounts no tensor needs, DamagedCheckpointError where the declared and the
    stored sizes differ.
    """
    budget.storages -= 1
    budget.blob_bytes -= span.length
    if budget.storages < 0 or budget.blob_bytes < 0:
        raise UnsafeCheckpointError(f"refused: {span.file.name} reads its tensors' bytes over and over; no checkpoint does")
    end = span.offset + span.length
    header = Cursor(span.file, span.offset, min(end, span.offset + budget.limits.storage_header_bytes))
    machine = StorageMachine(header, budget)

    def damaged(what: str) -> DamagedCheckpointError:
        return DamagedCheckpointError(f"damaged: {span.file.name}: {what} in the tensor data at byte {span.offset}")

    def value(kind: type) -> Any:
        result = machine.run()
        if type(result) is not kind:
            raise damaged(f"a {type(result).__name__} where a {kind.__name__} belongs")
        return result

    if span.length < 2 or span.file.read(span.offset, 1) != b"\x80":
        raise UnsafeCheckpointError(
            f"refused: {span.file.name} nests something else than tensor data at byte {span.offset}; it was not opened"
        )
    if not budget.storage_head or not header.follows(budget.storage_head):
        if value(int) != _MAGIC or value(int) != _VERSION:
            raise damaged("an unknown stream version")
        if value(dict).get("little_endian") is not True:
            raise damaged("data that is not little-endian")
        budget.storage_head = span.file.read(span.offset, header.position - span.offset)
    identity = value(_PersistentId).value
    if type(identity) is not tuple or len(identity) != 6:
        raise damaged("a malformed storage description")
    tag, storage_type, key, location, numel, view = identity
    if type(tag) is not str or tag != "storage" or type(storage_type) is not Token or type(key) is not str or type(location) is not str:
        raise damaged("a malformed storage description")
    if view is not None or type(numel) is not int or numel < 0:
        raise damaged("a malformed storage size")
    keys = value(list)
    if len(keys) != 1 or type(keys[0]) is not str or keys[0] != key:
        raise damaged("a storage that is listed but not stored")
    dtype, itemsize = _DTYPES[storage_type.name]
    (written,) = struct.unpack("<q", header.take(8))
    if written != numel or end - header.position != numel * itemsize:
        raise damaged(f"{numel} elements declared, {written} written, {end - header.position} bytes present")
    return StorageRecord(dtype, itemsize, numel, Span(span.file, header.position, numel * itemsize))
