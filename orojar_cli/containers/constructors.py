"""Everything a checkpoint may name, and the inert record each name becomes.  Exact pairs, never prefixes."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable
from typing import Any, ClassVar

from orojar_cli.containers.cursor import Cursor
from orojar_cli.containers.file import CheckpointFile, MemoryFile, printable
from orojar_cli.containers.limits import DEFAULT_LIMITS, Limits
from orojar_cli.containers.names import RECONSTRUCTOR, has_objects, is_data, may_be_called
from orojar_cli.containers.records import (
    NUMBERS,
    OLDEST_NETWORKS,
    ArrayRecord,
    DtypeRecord,
    NetworkRecord,
    Opaque,
    PersistentRecord,
    PlainObject,
    SetRecord,
    Span,
    TensorRecord,
    Token,
    checked_tensor,
)
from orojar_cli.containers.storage import read_storage
from orojar_cli.containers.unpickler import Budget, Instructions, Machine
from orojar_cli.errors import DamagedCheckpointError, UnsafeCheckpointError, UnsupportedCheckpointError

# Texts, bytes, complex numbers, dates and spans of time: their bytes are never looked at.
_OTHER_DTYPES = re.compile(r"(?:[US]\d{1,6}|c8|c16|[Mm]8)\Z")
# What no dictionary of ours has as a key, and somebody's own may have: such items are left out.
_OTHER_KEYS = (type(None), bool, float, tuple, Span, Token, PlainObject, Opaque)
_SCALAR_FORMATS = {"f2": "<e", "f4": "<f", "f8": "<d", "b1": "<?"} | {
    f"{sign}{size}": f"<{letter if sign == 'i' else letter.upper()}"
    for sign in "iu"
    for size, letter in ((1, "b"), (2, "h"), (4, "i"), (8, "q"))
}


Constructor = Callable[["CheckpointMachine", tuple[Any, ...]], Any]


class CheckpointMachine(Machine):
    """The outer pickle of a checkpoint (protocols 2 to 5).

    Objects of classes that it does not know become inert too (`PlainObject`): a network file may keep beside its networks what only its
    own training code can use.  `names.py` says which names are data; a call of one is kept as what it was called with.
    """

    protocols: tuple[int, ...] = (2, 3, 4, 5)
    contents = "checkpoints"

    def __init__(self, cursor: Cursor, budget: Budget) -> None:
        self.classes: dict[tuple[str, str], Token] = {}
        super().__init__(cursor, budget)

    def constructors(self) -> dict[tuple[str, str], Constructor]:
        """What this kind of file may call, by name."""
        return CALLABLE

    def global_token(self, module: str, name: str) -> Token:
        """A known name, or one of data; what asks for something to be executed is refused."""
        known = _TOKENS.get((module, name))
        if known is not None and self.protocol == _ONLY_IN.get((module, name) if name == _FROM_BUFFER else module, self.protocol):
            return known
        if not is_data(module, name) or self.protocol != _ONLY_IN.get(module, self.protocol):
            raise self.never_needed(module, name)
        if (module, name) not in self.classes:
            self.classes[module, name] = Token(module, name)
        return self.classes[module, name]

    def never_needed(self, module: str, name: str) -> UnsafeCheckpointError:
        return UnsafeCheckpointError(
            f"refused: {self.file.name} uses {printable(f'{module}.{name}')}, which {self.contents} never need (byte {self.at}); "
            "the file may be malicious, nothing was executed"
        )

    def refused(self, what: str) -> UnsafeCheckpointError:
        return UnsafeCheckpointError(f"refused: {self.file.name} {what} (byte {self.at}); nothing was executed")

    def set_items(self, target: dict[str, Any], items: list[Any]) -> None:
        """As everywhere, but whole numbers are keys too, kept as texts: optimisers number their parameters.

        Items with other keys are left out: what is read has none.
        """
        items = [str(item) if index % 2 == 0 and type(item) is int else item for index, item in enumerate(items)]
        if len(items) % 2 == 0 and any(type(key) in _OTHER_KEYS for key in items[::2]) and type(self.stack[-1]) is dict:
            kept = [pair for pair in zip(items[::2], items[1::2], strict=True) if type(pair[0]) not in _OTHER_KEYS]
            items = [item for pair in kept for item in pair]
        owner = self.stack[-1]
        if type(owner) is PlainObject and any(type(key) is not str for key in items[::2]):
            owner.others += items  # a dictionary of somebody's own, such as the one from parameters to their averages
            return
        super().set_items(target, items)

    def top(self, kind: type) -> Any:
        """As everywhere; an object can be filled as a dictionary, whose items are its attributes, or as a list, a set or a tuple."""
        value = self.stack[-1] if len(self.stack) > (self.marks[-1] if self.marks else 0) else None
        if type(value) is PlainObject and kind in (dict, list):
            value.mapping = value.mapping or kind is dict
            return value.attributes if kind is dict else value.others
        return super().top(kind)

    def _text(self, length: int, limit: int | None = None) -> None:
        # Protocol 2 stores bytes as texts.
        super()._text(length, self.file.size if self.protocol == 2 else limit)

    def _stack_global(self) -> None:
        name, module = self.pop(), self.pop()
        if type(name) is not str or type(module) is not str or max(len(name), len(module)) > self.limits.name_characters:
            raise self.damaged("a name that is not a short text")
        self.push(self.global_token(module, name))

    def is_inert(self, token: Any) -> bool:
        """Whether a token stands for data of no kind that is read."""
        return type(token) is Token and self.classes.get((token.module, token.name)) is token

    def _reduce(self) -> None:
        arguments, token = self.pop(), self.pop()
        constructor = self.constructors().get((token.module, token.name)) if type(token) is Token else None
        if type(arguments) is not tuple or not (constructor or self.is_inert(token)):
            raise self.refused("calls something that is not a constructor")
        self.push(constructor(self, arguments) if constructor else self._called(token, arguments))

    def _called(self, token: Token, arguments: tuple[Any, ...]) -> PlainObject:
        """What a call of somebody's own class or function is kept as: nothing is called."""
        if not may_be_called(token.module, token.name, arguments):
            raise self.never_needed(token.module, token.name)
        if token.name == RECONSTRUCTOR:
            token = arguments[0]
            if not self.is_inert(token) or not has_objects(token.module):
                raise self.never_needed(token.module, token.name)
        return PlainObject(f"{token.module}.{token.name}", others=[arguments])

    def _newobj(self) -> None:
        arguments, token = self.pop(), self.pop()
        known = NEWABLE.get((token.module, token.name)) if type(token) is Token else None
        inert = self.is_inert(token) and has_objects(token.module)
        if type(arguments) is not tuple or not (inert or (known and not arguments)):
            raise self.refused("creates an object that is not data")
        self.push(known(self) if known else PlainObject(f"{token.module}.{token.name}", others=[arguments]))

    def _newobj_with_names(self) -> None:
        named = self.pop()
        if type(named) is not dict:
            raise self.damaged("an object with malformed arguments")
        self._newobj()
        if named and type(self.stack[-1]) is PlainObject:
            self.stack[-1].others.append(named)

    def _build(self) -> None:
        state = self.pop()
        target = self.pop()
        builder = _BUILDERS.get(type(target))
        if builder is None:
            raise self.refused("changes an object that is already made")
        builder(self, target, state)
        self.push(target)

    def _add_items(self) -> None:
        items = self.pop_mark()
        self.top(SetRecord)
        if any(type(item) in (dict, list, SetRecord) for item in items):
            raise self.damaged("a set of something that changes")

    def _frozen_set(self) -> None:
        self.pop_mark()
        self.push(SetRecord())

    def _of_protocol_5(self, opcode: bytes, instruction: Callable[[], None]) -> None:
        if self.protocol < 5:
            raise self.unknown(opcode)
        instruction()

    def _next_buffer(self) -> None:
        raise UnsupportedCheckpointError(
            f"not supported: {self.file.name} keeps its numbers in buffers outside the file; save it without them"
        )

    def _make_read_only(self) -> None:
        if not self.stack or type(self.stack[-1]) is not Span:
            raise self.damaged("an instruction needs bytes that are not there")

    instructions: ClassVar[Instructions] = Machine.instructions | {
        b"\x95": lambda machine: machine.cursor.open_frame(machine.cursor.unsigned(8)),
        b"G": lambda machine: machine.push(struct.unpack(">d", machine.cursor.take(8))[0]),
        b"\x8c": lambda machine: machine._text(machine.cursor.unsigned(1)),
        b"C": lambda machine: machine.push(machine.cursor.skip(machine.cursor.unsigned(1))),
        b"B": lambda machine: machine.push(machine.cursor.skip(machine.cursor.unsigned(4))),
        b")": lambda machine: machine.push(()),
        b"\x85": lambda machine: machine._tuple(1),
        b"\x86": lambda machine: machine._tuple(2),
        b"\x87": lambda machine: machine._tuple(3),
        b"e": Machine._append_marked,
        b"\x8f": lambda machine: machine.push(SetRecord()),
        b"\x90": _add_items,
        b"\x96": lambda machine: machine._of_protocol_5(b"\x96", lambda: machine.push(machine.cursor.skip(machine.cursor.unsigned(8)))),
        b"\x97": lambda machine: machine._of_protocol_5(b"\x97", machine._next_buffer),
        b"\x98": lambda machine: machine._of_protocol_5(b"\x98", machine._make_read_only),
        b"\x93": _stack_global,
        b"\x94": lambda machine: machine._memoize(len(machine.memo)),
        b"r": lambda machine: machine._memoize(machine.cursor.unsigned(4)),
        b"h": lambda machine: machine._recall(machine.cursor.unsigned(1)),
        b"j": lambda machine: machine._recall(machine.cursor.unsigned(4)),
        b"R": _reduce,
        b"\x81": _newobj,
        b"\x92": _newobj_with_names,
        b"\x91": _frozen_set,
        b"b": _build,
    }


def _persistent(machine: CheckpointMachine, arguments: tuple[Any, ...]) -> PersistentRecord:
    if len(arguments) != 1 or type(arguments[0]) is not dict:
        raise machine.damaged("a network object without its description")
    return PersistentRecord(arguments[0], machine.at)


def _storage(machine: CheckpointMachine, arguments: tuple[Any, ...]) -> Any:
    if len(arguments) != 1 or type(arguments[0]) is not Span:
        raise machine.damaged("a tensor without its bytes")
    return read_storage(arguments[0], machine.budget)


def _encoded(machine: CheckpointMachine, arguments: tuple[Any, ...]) -> Span:
    """Bytes that protocol 2 stores as a text of as many characters."""
    if len(arguments) != 2 or type(arguments[0]) is not str or arguments[1] != "latin1":
        raise machine.refused("encodes a text in another way than bytes are stored")
    machine.budget.blob_bytes -= len(arguments[0])  # one text could be decoded again and again
    if machine.budget.blob_bytes < 0:
        raise UnsafeCheckpointError(f"refused: {machine.file.name} reads its tensors' bytes over and over; no checkpoint does")
    try:
        data = arguments[0].encode("latin1")
    except UnicodeEncodeError as error:
        raise machine.damaged("bytes stored as a text with characters that are none") from error
    return Span(MemoryFile(machine.file, data), 0, len(data))


def _tensor(machine: CheckpointMachine, arguments: tuple[Any, ...]) -> TensorRecord:
    if len(arguments) != 6 or type(arguments[4]) is not bool:
        raise machine.damaged("a tensor with unexpected arguments")
    storage, offset, shape, stride, _, hooks = arguments
    _refuse_hooks(machine, hooks)
    where = f"{machine.file.name}: the tensor at byte {machine.at}"
    return checked_tensor(storage, offset, shape, stride, max_dimensions=machine.limits.dimensions, where=where)


def _parameter(machine: CheckpointMachine, arguments: tuple[Any, ...]) -> TensorRecord:
    if len(arguments) != 3 or type(arguments[0]) is not TensorRecord or type(arguments[1]) is not bool:
        raise machine.damaged("a parameter with unexpected arguments")
    _refuse_hooks(machine, arguments[2])
    return arguments[0]


def _parameter_with_state(machine: CheckpointMachine, arguments: tuple[Any, ...]) -> TensorRecord:
    """A parameter to which somebody's code gave attributes, which are not read."""
    if len(arguments) != 4 or type(arguments[0]) is not TensorRecord:
        raise machine.never_needed("torch._utils", "_rebuild_parameter_with_state")
    return _parameter(machine, arguments[:3])


def _tensor_of_a_type(machine: CheckpointMachine, arguments: tuple[Any, ...]) -> TensorRecord:
    """A tensor with attributes, or of a class of its own: the plain one that it is made from."""
    kinds: dict[str, Constructor] = {"_rebuild_tensor_v2": _tensor, "_rebuild_parameter": _parameter}
    function = arguments[0] if len(arguments) == 4 else None
    if type(function) is not Token or function.module != "torch._utils" or function.name not in kinds:
        raise machine.never_needed("torch._tensor", "_rebuild_from_type_v2")
    if type(arguments[1]) is not Token or type(arguments[2]) is not tuple:
        raise machine.never_needed("torch._tensor", "_rebuild_from_type_v2")
    return kinds[function.name](machine, arguments[2])


def _refuse_hooks(machine: CheckpointMachine, hooks: Any) -> None:
    if type(hooks) is not dict or hooks:
        raise UnsafeCheckpointError(f"refused: {machine.file.name} attaches hooks to a tensor (byte {machine.at}); nothing was executed")


def _ordered_dict(machine: CheckpointMachine, arguments: tuple[Any, ...]) -> dict[str, Any]:
    if arguments:
        raise machine.damaged("an OrderedDict with arguments")
    return {}


def _set(machine: CheckpointMachine, arguments: tuple[Any, ...]) -> SetRecord:
    # The list is neither copied nor scanned: one shared list can be passed twenty thousand times.
    if len(arguments) != 1 or type(arguments[0]) is not list:
        raise machine.damaged("a set with unexpected arguments")
    return SetRecord()


def _dtype(machine: CheckpointMachine, arguments: tuple[Any, ...]) -> DtypeRecord:
    if len(arguments) != 3 or type(arguments[0]) is not str or arguments[1] is not False or arguments[2] is not True:
        raise machine.damaged("a numpy dtype with unexpected arguments")
    if arguments[0] not in NUMBERS and not _OTHER_DTYPES.match(arguments[0]):
        raise UnsafeCheckpointError(
            f"refused: {machine.file.name} uses the numpy dtype {printable(arguments[0])!r}, which is not plain numbers"
        )
    return DtypeRecord(arguments[0])


def _build_dtype(machine: CheckpointMachine, dtype: DtypeRecord, state: Any) -> None:
    if not dtype.is_number and not dtype.built:
        # No dtype of numpy is ever made of it.
        dtype.built = True
        return
    # Anything but these exact values (flags above all) can turn bytes into pointers in numpy's own reader.
    plain = type(state) is tuple and len(state) == 8 and [type(item) for item in state] == [int, str] + [type(None)] * 3 + [int] * 3
    if dtype.built or not plain or state[0] != 3 or state[1] not in ("<", "|") or state[5:] != (-1, -1, 0):
        raise UnsafeCheckpointError(f"refused: {machine.file.name} forges a numpy dtype (byte {machine.at}); nothing was executed")
    dtype.built = True


def _scalar(machine: CheckpointMachine, arguments: tuple[Any, ...]) -> float | int | bool | Opaque:
    if len(arguments) != 2 or type(arguments[0]) is not DtypeRecord or not arguments[0].built or type(arguments[1]) is not Span:
        raise machine.damaged("a numpy scalar with unexpected arguments")
    dtype, span = arguments
    if not dtype.is_number:
        return Opaque("a numpy value")
    if span.length != dtype.itemsize:
        raise machine.damaged("a numpy scalar of the wrong size")
    return struct.unpack(_SCALAR_FORMATS[dtype.code], span.read())[0]


def _array(machine: CheckpointMachine, arguments: tuple[Any, ...]) -> ArrayRecord:
    if len(arguments) == 3:
        token, shape, code = arguments
        zero = type(shape) is tuple and len(shape) == 1 and type(shape[0]) is int and shape[0] == 0
        if token is _TOKENS[_NDARRAY] and zero and type(code) is Span and code.length == 1 and code.read() == b"b":
            return ArrayRecord()
    raise machine.damaged("a numpy array with unexpected arguments")


def _build_array(machine: CheckpointMachine, array: ArrayRecord, state: Any) -> None:
    if array.built or type(state) is not tuple or len(state) != 5:
        raise machine.damaged("a numpy array with unexpected state")
    version, shape, dtype, fortran_order, data = state
    if type(version) is not int or version != 1 or type(shape) is not tuple or len(shape) > machine.limits.dimensions:
        raise machine.damaged("a numpy array with unexpected state")
    if any(type(size) is not int or size < 0 for size in shape) or type(fortran_order) is not bool:
        raise machine.damaged("a numpy array of impossible shape")
    if type(dtype) is not DtypeRecord or not dtype.built or type(data) is not Span:
        raise machine.damaged("a numpy array without plain numbers")
    if dtype.is_number and math.prod(shape) * dtype.itemsize != data.length:
        raise machine.damaged("a numpy array whose shape and bytes differ")
    array.shape, array.dtype, array.fortran_order, array.data = shape, dtype, fortran_order, data


def _from_buffer(machine: CheckpointMachine, arguments: tuple[Any, ...]) -> ArrayRecord:
    """An array of protocol 5: bytes, dtype, shape and order."""
    if len(arguments) != 4 or type(arguments[3]) is not str or arguments[3] not in ("C", "F"):
        raise machine.damaged("a numpy array with unexpected arguments")
    data, dtype, shape, order = arguments
    array = ArrayRecord()
    _build_array(machine, array, (1, shape, dtype, order == "F", data))
    return array


def _build_network(machine: CheckpointMachine, network: NetworkRecord, state: Any) -> None:
    if network.state is not None or type(state) is not dict:
        raise machine.damaged("a network object with unexpected state")
    network.state = state


def _build_plain(machine: CheckpointMachine, target: PlainObject, state: Any) -> None:
    # Other states than a dictionary are what only the class itself understands.
    if type(state) is dict and not target.mapping:
        target.attributes = state
    else:
        target.others.append(state)


def _size(machine: CheckpointMachine, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(arguments) != 1 or type(arguments[0]) not in (tuple, list) or any(type(size) is not int for size in arguments[0]):
        raise machine.refused("makes a torch.Size of something else than numbers")
    return tuple(arguments[0])


def _device(machine: CheckpointMachine, arguments: tuple[Any, ...]) -> Opaque:
    name = arguments[0] if arguments else None
    if len(arguments) > 2 or type(name) is not str or not _DEVICE.match(name):
        raise machine.refused("makes a torch.device of something else than its name")
    return Opaque("a device")


def opaque(what: str) -> Constructor:
    """A constructor of what is not read."""
    record = Opaque(what)
    return lambda machine, arguments: record


_NDARRAY = ("numpy", "ndarray")
_DEVICE = re.compile(r"[a-z]{2,16}(:[0-9]{1,3})?\Z")
# What every kind of checkpoint may hold.
ANYWHERE: dict[tuple[str, str], Constructor] = {
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): _persistent,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch", "device"): _device,
    ("torch", "Size"): _size,
    ("collections", "OrderedDict"): _ordered_dict,
    ("builtins", "set"): _set,
    ("__builtin__", "set"): _set,
    ("dnnlib.util", "EasyDict"): _ordered_dict,
    ("dnnlib", "EasyDict"): _ordered_dict,
    ("torch._utils", "_rebuild_parameter_with_state"): _parameter_with_state,
    ("torch._tensor", "_rebuild_from_type_v2"): _tensor_of_a_type,
}
# Protocol 2 knows no bytes, and Python's modules by their old names.
_FROM_BUFFER = "_frombuffer"
# What a single protocol needs, by module or by name in it.
_ONLY_IN: dict[Any, int] = {
    "__builtin__": 2,
    "_codecs": 2,
    "copy_reg": 2,
    ("numpy.core.numeric", _FROM_BUFFER): 5,
    ("numpy._core.numeric", _FROM_BUFFER): 5,
}
CALLABLE: dict[tuple[str, str], Constructor] = ANYWHERE | {
    ("torch.storage", "_load_from_bytes"): _storage,
    ("_codecs", "encode"): _encoded,
    ("numpy", "dtype"): _dtype,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("numpy.core.multiarray", "_reconstruct"): _array,
    ("numpy._core.multiarray", "_reconstruct"): _array,
    ("numpy.core.numeric", _FROM_BUFFER): _from_buffer,
    ("numpy._core.numeric", _FROM_BUFFER): _from_buffer,
}

NEWABLE: dict[tuple[str, str], Callable[[CheckpointMachine], Any]] = {
    ("dnnlib.util", "EasyDict"): lambda machine: {},
    ("dnnlib", "EasyDict"): lambda machine: {},
    ("dnnlib.tflib.network", "Network"): lambda machine: NetworkRecord(machine.at, "dnnlib.tflib.network"),
    ("tfutil", "Network"): lambda machine: NetworkRecord(machine.at, OLDEST_NETWORKS),
    # Training scripts keep their command line in the checkpoint.
    ("argparse", "Namespace"): lambda machine: PlainObject("argparse.Namespace"),
}
# Numbers' types, which attributes of modules name.
_TYPES = ("float16", "bfloat16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool")

# One token per name, however often a file mentions it.
_TOKENS = {pair: Token(*pair) for pair in (*CALLABLE, *NEWABLE, _NDARRAY, *(("torch", name) for name in _TYPES))}

_BUILDERS: dict[type, Callable[[CheckpointMachine, Any, Any], None]] = {
    DtypeRecord: _build_dtype,
    ArrayRecord: _build_array,
    NetworkRecord: _build_network,
    PlainObject: _build_plain,
}


def read_pickle(file: CheckpointFile, limits: Limits = DEFAULT_LIMITS) -> Any:
    """The one value in a checkpoint pickle, as plain data and inert records.

    Raises the four CheckpointError classes and nothing else.
    """
    cursor = Cursor(file, 0, file.size)
    try:
        value = CheckpointMachine(cursor, Budget(limits, file.size)).run()
    except (RecursionError, MemoryError, OverflowError, UnicodeError, ValueError) as error:
        raise DamagedCheckpointError(f"damaged: {file.name} cannot be read ({type(error).__name__})") from error
    if cursor.remaining:
        raise DamagedCheckpointError(f"damaged: {file.name} has {cursor.remaining} bytes behind its end")
    return value
