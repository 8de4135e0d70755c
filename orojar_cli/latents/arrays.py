"""Arrays of numbers that other tools write: .npy, .npz, .pt (torch.save) and .safetensors, read without unpickling anything."""

from __future__ import annotations

import lzma
import math
import os
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import torch
from torch import Tensor

from orojar_cli.containers.file import CheckpointFile, printable
from orojar_cli.containers.records import ArrayRecord, TensorRecord
from orojar_cli.containers.tensors import stored_tensor
from orojar_cli.containers.value import read_value
from orojar_cli.errors import CheckpointError, InputFileError

# 7000 pictures' ws of a 1024x1024 network in float32.
LARGEST = 256 << 20
_MEMBERS = 64
_LARGEST_DIRECTORY = 1 << 16
_END, _END_64 = struct.Struct("<4s4H2LH"), struct.Struct("<4sLQL")
_NUMPY, _ZIP = b"\x93NUMPY", b"PK\x03\x04"
_KINDS = {torch.float16, torch.bfloat16, torch.float32, torch.float64}
# Whatever a malformed archive, a truncated stream or a hostile array header can raise.
_DAMAGED = (
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    RuntimeError,
    SyntaxError,
    MemoryError,
    tokenize.TokenError,
)


def read_arrays(path: str | os.PathLike[str], *names: str) -> dict[str, Tensor]:
    """The floating-point arrays in a file, float32, by name; "" is the name of one that is the whole file.

    With `names` only arrays of these names are read where the file has any of them.  Tables inside tables, texts, whole numbers and
    pictures are left out.  Sizes are checked before memory is taken, and nothing is unpickled.
    Raises InputFileError for a file that is something else, damaged or too large, and for arrays that are empty, no real numbers, or
    hold numbers that are not finite; UnsafeCheckpointError for one that asks for something to be executed.
    """
    name = Path(path).name
    try:
        with open(path, "rb") as file:
            head = file.read(8)
            if head.startswith(_NUMPY):
                found = {"": _array(file, os.fstat(file.fileno()).st_size, name)}
            elif head.startswith(_ZIP) and _is_npz(file):
                found = _archive(file, name, names)
            else:
                found = _tensors(path, name, names)
    except OSError as error:
        raise InputFileError(f"cannot read {path}: {error.strerror or error}; check the path") from error
    for key, tensor in found.items():
        if not bool(torch.isfinite(tensor).all()):
            raise InputFileError(f"{name} holds numbers that are not finite{_called(key)}; make it again")
    return found


def _called(key: str) -> str:
    return f" ({printable(key, 40)})" if key else ""


def _tensors(path: str | os.PathLike[str], name: str, names: tuple[str, ...]) -> dict[str, Tensor]:
    """What a torch.save file, a pickle or .safetensors holds at its top."""
    file = CheckpointFile(path)
    try:
        container, value = read_value(file)
    except CheckpointError as error:
        if error.exit_code == 3:
            raise
        raise InputFileError(f"{name} is not a readable file of arrays: {error}") from error
    value = value[0] if container == "safetensors" else value
    table = value if type(value) is dict else {"": value}
    numbers = {key: item for key, item in table.items() if type(item) in (TensorRecord, ArrayRecord) and _is_float(item)}
    wanted = {key: item for key, item in numbers.items() if key in names} or numbers
    if not wanted:
        raise InputFileError(f"{name} holds no array of floating-point numbers")
    if sum(item.numel for item in wanted.values() if isinstance(item, TensorRecord)) * 4 > LARGEST:
        raise InputFileError(f"{name} holds more than {LARGEST >> 20} MiB of numbers")
    return {key: stored_tensor(item).float() if isinstance(item, TensorRecord) else _numpy(item) for key, item in wanted.items()}


def _is_float(item: TensorRecord | ArrayRecord) -> bool:
    if isinstance(item, TensorRecord):
        return item.numel > 0 and getattr(torch, item.dtype) in _KINDS
    return item.dtype is not None and item.dtype.is_number and item.dtype.code[0] == "f" and math.prod(item.shape) > 0


def _numpy(item: ArrayRecord) -> Tensor:
    """An array of a pickle."""
    assert item.dtype is not None and item.data is not None
    flat = np.frombuffer(item.data.read(), f"<{item.dtype.code}")
    return _float32(flat.reshape(item.shape, order="F" if item.fortran_order else "C"))


def _float32(array: np.ndarray) -> Tensor:
    with np.errstate(over="ignore"):
        return torch.from_numpy(np.array(array, np.float32, order="C"))


@contextmanager
def _named(name: str) -> Iterator[None]:
    try:
        yield
    except _DAMAGED as error:
        raise InputFileError(
            f"{name} is not a readable .npy or .npz ({type(error).__name__}); pass the file of a tool that wrote it"
        ) from error


def _array(file: IO[bytes], size: int, name: str) -> Tensor:
    """The array of a .npy file of `size` bytes."""
    with _named(name):
        file.seek(0)
        shape, dtype = _array_header(file)
    _check(name, "", shape, dtype, size)
    with _named(name):
        file.seek(0)
        return _float32(np.lib.format.read_array(file, allow_pickle=False))


def _archive(file: IO[bytes], name: str, names: tuple[str, ...]) -> dict[str, Tensor]:
    """The arrays of an .npz file."""
    with _named(name):
        archive = zipfile.ZipFile(file)
        members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
        if len(members) > _MEMBERS:
            raise zipfile.BadZipFile
    wanted = {key: member for key, member in members.items() if key in names} or members
    found: dict[str, Tensor] = {}
    for key, member in wanted.items():
        if member.file_size > LARGEST:
            raise InputFileError(
                f"{name} holds a {printable(key, 40)!r} of {member.file_size >> 20} MiB; at most {LARGEST >> 20} MiB are read"
            )
        with _named(name), archive.open(member) as stream:
            shape, dtype = _array_header(stream)
        if dtype.kind != "f" and key not in names:
            continue
        _check(name, key, shape, dtype, member.file_size)
        with _named(name), archive.open(member) as stream:
            found[key] = _float32(np.lib.format.read_array(stream, allow_pickle=False))
    if not found:
        raise InputFileError(f"{name} holds no array of floating-point numbers")
    return found


def _is_npz(file: IO[bytes]) -> bool:
    """Whether a zip archive is one as numpy writes them; a directory so large that reading it would take memory is refused."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _END.size - _END_64.size))
    tail = file.read().rjust(_END.size + _END_64.size, b"\0")
    signature, *_, length, start, comment = _END.unpack(tail[_END_64.size :])
    if signature != b"PK\5\6" or comment or tail.startswith(b"PK\6\7") or length > _LARGEST_DIRECTORY:
        # torch.save's archives have as many entries as they like: their own reader decides.
        return not _has_data_pickle(file)
    file.seek(start)
    return b"/data.pkl" not in file.read(length)


def _has_data_pickle(file: IO[bytes]) -> bool:
    file.seek(0)
    return b"/data.pkl" in file.read(512)


def _array_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, _, dtype = readers[np.lib.format.read_magic(file)](file)
    return shape, dtype


def _check(name: str, key: str, shape: tuple[int, ...], dtype: np.dtype, size: int) -> None:
    if dtype.kind != "f" or dtype.itemsize not in (2, 4, 8):
        raise InputFileError(f"{name}{_called(key)} is {dtype}; arrays of floats of 16, 32 or 64 bits are read")
    # An array larger than its file would be taken from memory before the file turns out short.
    if math.prod(shape) * dtype.itemsize > min(size, LARGEST) or any(side < 1 for side in shape):
        raise InputFileError(f"{name} is damaged: an array of shape {list(shape)}{_called(key)} does not fit in its {size} bytes")
