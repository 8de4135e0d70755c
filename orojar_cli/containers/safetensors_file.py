""".safetensors files read as records: the header is checked here, the numbers stay in the file."""

from __future__ import annotations

import json
import math
from typing import Any

from orojar_cli.containers.file import CheckpointFile, printable
from orojar_cli.containers.records import Span, StorageRecord, TensorRecord
from orojar_cli.errors import DamagedCheckpointError, UnsupportedCheckpointError

_HEADER_LIMIT = 16 << 20
_DTYPES = {
    "F16": ("float16", 2),
    "BF16": ("bfloat16", 2),
    "F32": ("float32", 4),
    "F64": ("float64", 8),
    "BOOL": ("bool", 1),
    "U8": ("uint8", 1),
    "I8": ("int8", 1),
    "I16": ("int16", 2),
    "I32": ("int32", 4),
    "I64": ("int64", 8),
}
# Kinds of numbers that the format has and networks of this field do not.
_OTHERS = {"U16", "U32", "U64", "F8_E4M3", "F8_E5M2", "C64"}


def read_safetensors(file: CheckpointFile) -> tuple[dict[str, TensorRecord], dict[str, str]]:
    """(tensors by name, metadata texts).  Offsets must follow each other without holes and cover the file exactly."""

    def damaged(what: str) -> DamagedCheckpointError:
        return DamagedCheckpointError(f"damaged: {file.name}: {what}; download or write it again")

    length = int.from_bytes(file.read(0, 8), "little")
    if length > _HEADER_LIMIT:
        raise damaged(f"a header of {length} bytes")
    try:
        header = json.loads(file.read(8, length).decode(), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise damaged("the header is not JSON") from error
    if type(header) is not dict:
        raise damaged("the header is not a table")
    metadata = header.pop("__metadata__", {})
    if type(metadata) is not dict or any(type(value) is not str for value in metadata.values()):
        raise damaged("the metadata are not texts")
    tensors: dict[str, TensorRecord] = {}
    spans: list[tuple[int, int]] = []
    for name, entry in header.items():
        dtype, shape, offsets = _checked_entry(entry)
        if dtype is None:
            raise damaged(f"tensor {printable(name)} is malformed")
        if dtype in _OTHERS:
            raise UnsupportedCheckpointError(f"not supported: {file.name} holds numbers of the kind {printable(dtype, 20)}")
        begin, end = offsets
        numel, (kind, itemsize) = math.prod(shape), _DTYPES[dtype]
        if end - begin != numel * itemsize:
            raise damaged(f"tensor {printable(name)} has another size than its shape needs")
        spans.append((begin, end))
        stride = tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
        storage = StorageRecord(kind, itemsize, numel, Span(file, 8 + length + begin, end - begin))
        tensors[name] = TensorRecord(storage, 0, tuple(shape), stride)
    at = 0
    for begin, end in sorted(spans):
        if begin != at:
            raise damaged("tensors overlap or leave holes")
        at = end
    if 8 + length + at != file.size:
        raise damaged(f"{file.size} bytes where {8 + length + at} are declared")
    return tensors, metadata


def encoded_header(entries: dict[str, tuple[str, list[int], int]], metadata: dict[str, str]) -> bytes:
    """What stands before the numbers of a .safetensors file; `entries` are (dtype, shape, bytes) by name, in the order of the numbers.

    Written here because the safetensors package orders the metadata by chance, and equal contents should give equal files.
    """
    header: dict[str, Any] = {"__metadata__": metadata}
    at = 0
    for name, (dtype, shape, size) in entries.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    return len(encoded).to_bytes(8, "little") + encoded


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a name occurs twice")
    return table


def _checked_entry(entry: Any) -> tuple[Any, Any, Any]:
    if type(entry) is dict and set(entry) == {"dtype", "shape", "data_offsets"}:
        dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        whole = type(shape) is list and type(offsets) is list and all(type(n) is int and n >= 0 for n in (*shape, *offsets))
        if type(dtype) is str and dtype in {*_DTYPES, *_OTHERS} and whole and len(shape) <= 8 and len(offsets) == 2:
            return dtype, shape, offsets
    return None, None, None
