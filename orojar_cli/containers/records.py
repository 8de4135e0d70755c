"""Inert stand-ins for what a pickle describes: plain data, never the objects themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from orojar_cli.containers.file import CheckpointFile, MemoryFile
from orojar_cli.errors import DamagedCheckpointError

_LARGEST = 2**63 - 1


class Span(NamedTuple):
    """Bytes that stay in the file until somebody asks for them."""

    file: CheckpointFile | MemoryFile
    offset: int
    length: int

    def read(self) -> bytes:
        """The bytes; raises DamagedCheckpointError when the file has been cut short meanwhile."""
        return self.file.read(self.offset, self.length)


@dataclass(frozen=True, eq=False)
class Token:
    """A name the file mentions.  It is compared with the allow-list and never looked up."""

    module: str
    name: str


NUMBERS = frozenset(("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"))


@dataclass(eq=False)
class DtypeRecord:
    """A numpy dtype: code such as "f4", usable once its state has been checked (`built`)."""

    code: str
    built: bool = False

    @property
    def is_number(self) -> bool:
        """Whether it is of plain numbers; arrays of texts, dates and complex numbers are kept, and not read."""
        return self.code in NUMBERS

    @property
    def itemsize(self) -> int:
        return int(self.code[1:])


@dataclass(eq=False)
class ArrayRecord:
    """A numpy array: C-ordered or Fortran-ordered little-endian data in the file."""

    shape: tuple[int, ...] = ()
    dtype: DtypeRecord | None = None
    fortran_order: bool = False
    data: Span | None = None

    @property
    def built(self) -> bool:
        return self.data is not None


@dataclass(frozen=True, eq=False)
class StorageRecord:
    """A flat typed buffer: `data` are exactly `numel` elements of `dtype` ("float32", …)."""

    dtype: str
    itemsize: int
    numel: int
    data: Span


@dataclass(frozen=True, eq=False)
class TensorRecord:
    """A strided view of a storage, checked to lie inside it and not to overlap itself."""

    storage: StorageRecord
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def dtype(self) -> str:
        return self.storage.dtype

    @property
    def numel(self) -> int:
        count = 1
        for size in self.shape:
            count *= size
        return count


@dataclass(eq=False)
class PlainObject:
    """An object of a class that is never looked up: the name it is given in the file, and its attributes as plain data.

    What it is filled with as a dictionary are attributes too (`mapping`); whatever else it is given, such as the arguments of the call that
    would make it, is in `others`.
    """

    name: str
    attributes: dict[str, Any] = field(default_factory=dict)
    others: list[Any] = field(default_factory=list)
    mapping: bool = False


def as_table(value: Any) -> Any:
    """The dictionary behind an object of somebody's own class of dictionaries; everything else as it is."""
    return value.attributes if type(value) is PlainObject and value.mapping else value


@dataclass(frozen=True, eq=False)
class Opaque:
    """Something whose content no network needs, such as the state of a random generator: what it is, in words."""

    what: str


class SetRecord:
    """A set; what is in it never matters to a network."""


@dataclass(frozen=True, eq=False)
class PersistentRecord:
    """A network object of the PyTorch-era container: `meta` as written, at byte `position`."""

    meta: dict[str, Any]
    position: int


OLDEST_NETWORKS = "tfutil"


@dataclass(eq=False)
class NetworkRecord:
    """A network object of the TensorFlow-era container; `state` is None until BUILD has set it.

    `module` is where its class lived: "dnnlib.tflib.network", and in the files of 2018 "tfutil".
    """

    position: int
    module: str
    state: dict[str, Any] | None = field(default=None)


def checked_tensor(storage: Any, offset: Any, shape: Any, stride: Any, *, max_dimensions: int, where: str) -> TensorRecord:
    """A TensorRecord whose extent, in exact integers, lies inside its storage and addresses each element once.

    Accepts any dense layout (contiguous, channels_last); refuses negative, overlapping or out-of-bounds views.
    """
    if type(storage) is not StorageRecord:
        raise DamagedCheckpointError(f"damaged: {where} has no storage")
    if type(offset) is not int or offset < 0 or type(shape) is not tuple or type(stride) is not tuple:
        raise DamagedCheckpointError(f"damaged: {where} has a malformed size, stride or offset")
    if len(shape) != len(stride) or len(shape) > max_dimensions:
        raise DamagedCheckpointError(f"damaged: {where} has {len(shape)} sizes and {len(stride)} strides")
    if any(type(value) is not int or not 0 <= value <= _LARGEST for value in (*shape, *stride)):
        raise DamagedCheckpointError(f"damaged: {where} has a size or stride that is not a whole number from 0 up")
    record = TensorRecord(storage, offset, shape, stride)
    if record.numel == 0:
        return record
    if offset + sum((size - 1) * step for size, step in zip(shape, stride, strict=True)) >= storage.numel:
        raise DamagedCheckpointError(f"damaged: {where} reaches outside its storage of {storage.numel} elements")
    expected = 1
    for step, size in sorted((step, size) for step, size in zip(stride, shape, strict=True) if size > 1):
        if step != expected:
            raise DamagedCheckpointError(f"damaged: {where} has strides that leave gaps or overlap")
        expected *= size
    return record
