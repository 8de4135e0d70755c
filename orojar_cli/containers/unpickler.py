"""An interpreter for the pickle opcodes that checkpoints use; it builds plain data and inert records and runs nothing.

Python's own unpickler is a virtual machine that calls whatever the file names.  This one knows a few dozen opcodes, a
fixed table of constructors (`constructors.py`) that return records of our own, and refuses the rest by name.
"""

from __future__ import annotations

import pickletools
import struct
from collections.abc import Callable
from typing import Any, ClassVar, TypeAlias

from orojar_cli.containers.cursor import Cursor
from orojar_cli.containers.file import CheckpointFile, MemoryFile, printable
from orojar_cli.containers.limits import Limits
from orojar_cli.containers.records import Token
from orojar_cli.errors import DamagedCheckpointError, UnsafeCheckpointError, UnsupportedCheckpointError

_OPCODE_NAMES = {opcode.code.encode("latin-1"): opcode.name for opcode in pickletools.opcodes}
_STOP = b"."
# What an instruction does to the machine that meets it; of Any, because each kind of machine has some of its own.
Instructions: TypeAlias = dict[bytes, Callable[[Any], None]]


class Budget:
    """What one file may still use, shared by its outer pickle and every pickle nested in it."""

    def __init__(self, limits: Limits, file_bytes: int) -> None:
        self.limits = limits
        self.opcodes = limits.opcodes
        self.storages = limits.storages
        self.blob_bytes = limits.blob_bytes_per_file_byte * file_bytes
        # How the last storage stream began: nearly all of a file begin with the same bytes, which need not be read again.
        self.storage_head = b""


class Machine:
    """The part shared by the outer pickle and the small pickles inside storage blobs: stack, marks, memo, plain values."""

    protocols: tuple[int, ...] = ()

    def __init__(self, cursor: Cursor, budget: Budget) -> None:
        self.cursor = cursor
        self.file: CheckpointFile | MemoryFile = cursor.file
        self.budget = budget
        self.limits = budget.limits
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: list[Any] = []
        self.at = cursor.position
        self.protocol = 0

    def run(self) -> Any:
        """Interpret one pickle and return the single value it leaves; the cursor stands behind its STOP."""
        self.stack, self.marks, self.memo = [], [], []
        if self.cursor.opcode() != b"\x80":
            raise self.damaged("no pickle begins here")
        self._protocol()
        cursor, budget, instructions = self.cursor, self.budget, self.instructions
        while True:
            self.at = cursor.position
            opcode = cursor.opcode()
            if opcode == _STOP:
                break
            budget.opcodes -= 1
            if budget.opcodes < 0:
                raise UnsafeCheckpointError(
                    f"refused: {self.file.name} has more than {self.limits.opcodes} pickle instructions; no checkpoint needs so many"
                )
            instruction = instructions.get(opcode)
            if instruction is None:
                raise self.unknown(opcode)
            instruction(self)
        if len(self.stack) != 1 or self.marks or self.cursor.in_frame:
            raise self.damaged("the pickle does not end with exactly one value")
        return self.stack[0]

    def damaged(self, what: str) -> DamagedCheckpointError:
        return DamagedCheckpointError(f"damaged: {self.file.name}: {what} (byte {self.at})")

    def _protocol(self) -> None:
        protocol = self.protocol = self.cursor.unsigned(1)
        if protocol not in self.protocols:
            first, last = self.protocols[0], self.protocols[-1]
            accepted = str(first) if first == last else f"{first} to {last}"
            raise UnsupportedCheckpointError(
                f"not supported: {self.file.name} uses pickle protocol {protocol}; checkpoints use {accepted}; save it again so"
            )

    def unknown(self, opcode: bytes) -> Exception:
        name = _OPCODE_NAMES.get(opcode)
        if name is None:
            return self.damaged(f"0x{opcode.hex()} is no pickle instruction")
        return UnsafeCheckpointError(
            f"refused: {self.file.name} uses the pickle instruction {name}, which checkpoints never need (byte {self.at}); "
            "nothing was executed"
        )

    def push(self, value: Any) -> None:
        if len(self.stack) + len(self.marks) >= self.limits.stack_values:
            raise UnsafeCheckpointError(f"refused: {self.file.name} stacks more than {self.limits.stack_values} values (byte {self.at})")
        self.stack.append(value)

    def pop(self) -> Any:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise self.damaged("an instruction takes a value that is not there")
        return self.stack.pop()

    def pop_mark(self) -> list[Any]:
        """All values above the last MARK, which is removed too."""
        if not self.marks:
            raise self.damaged("an instruction needs a mark that is not there")
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def top(self, kind: type) -> Any:
        """The value on top, which must be exactly of type `kind`."""
        if len(self.stack) <= (self.marks[-1] if self.marks else 0) or type(self.stack[-1]) is not kind:
            raise self.damaged(f"an instruction needs a {kind.__name__} that is not there")
        return self.stack[-1]

    def _mark(self) -> None:
        if len(self.marks) >= self.limits.open_marks:
            raise UnsafeCheckpointError(f"refused: {self.file.name} nests more than {self.limits.open_marks} levels (byte {self.at})")
        self.marks.append(len(self.stack))

    def _memoize(self, index: int) -> None:
        # Python's pickler numbers its memo one by one; a gap or an overwritten slot is a trick (or 2**31 slots of memory).
        if index != len(self.memo):
            raise self.damaged(f"memo entry {index} is out of order")
        if index >= self.limits.memo_entries:
            raise UnsafeCheckpointError(f"refused: {self.file.name} memorises more than {self.limits.memo_entries} values")
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise self.damaged("an instruction memorises a value that is not there")
        self.memo.append(self.stack[-1])

    def _recall(self, index: int) -> None:
        if index >= len(self.memo):
            raise self.damaged(f"memo entry {index} is missing")
        self.push(self.memo[index])

    def _long(self) -> None:
        length = self.cursor.unsigned(1)
        if length > self.limits.integer_bytes:
            raise self.damaged(f"an integer of {length} bytes")
        self.push(int.from_bytes(self.cursor.take(length), "little", signed=True))

    def _text(self, length: int, limit: int | None = None) -> None:
        if length > (limit or self.limits.text_bytes):
            raise UnsafeCheckpointError(f"refused: {self.file.name} holds a text of {length} bytes (byte {self.at})")
        try:
            self.push(self.cursor.take(length).decode())
        except UnicodeDecodeError as error:
            raise self.damaged("a text is not UTF-8") from error

    def set_items(self, target: dict[str, Any], items: list[Any]) -> None:
        """Add key, value, key, value… with keys that are short texts, each once: a repeated key could change what was checked."""
        if len(items) % 2:
            raise self.damaged("a dictionary key without a value")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(key) is not str or len(key) > self.limits.key_characters:
                raise self.damaged("a dictionary key is not a short text")
            if key in target:
                raise self.damaged(f"dictionary key {printable(key)!r} occurs twice")
            target[key] = value

    def _set_item(self) -> None:
        value = self.pop()
        key = self.pop()
        self.set_items(self.top(dict), [key, value])

    def _set_marked_items(self) -> None:
        items = self.pop_mark()
        self.set_items(self.top(dict), items)

    def _append(self) -> None:
        value = self.pop()
        self.top(list).append(value)

    def _append_marked(self) -> None:
        values = self.pop_mark()
        self.top(list).extend(values)

    def _tuple(self, count: int) -> None:
        values = [self.pop() for _ in range(count)]
        self.push(tuple(reversed(values)))

    def global_token(self, module: str, name: str) -> Token:
        """The token for a name the file mentions; subclasses refuse the names they do not know."""
        raise NotImplementedError

    def _global(self) -> None:
        try:
            module, name = (self.cursor.line(self.limits.name_characters).decode() for _ in range(2))
        except UnicodeDecodeError as error:
            raise self.damaged("a name is not UTF-8") from error
        self.push(self.global_token(module, name))

    instructions: ClassVar[Instructions] = {
        b"(": _mark,
        b"N": lambda machine: machine.push(None),
        b"\x88": lambda machine: machine.push(True),
        b"\x89": lambda machine: machine.push(False),
        b"J": lambda machine: machine.push(struct.unpack("<i", machine.cursor.take(4))[0]),
        b"K": lambda machine: machine.push(machine.cursor.unsigned(1)),
        b"M": lambda machine: machine.push(machine.cursor.unsigned(2)),
        b"\x8a": _long,
        b"X": lambda machine: machine._text(machine.cursor.unsigned(4)),
        b"}": lambda machine: machine.push({}),
        b"]": lambda machine: machine.push([]),
        b"s": _set_item,
        b"u": _set_marked_items,
        b"a": _append,
        b"t": lambda machine: machine.push(tuple(machine.pop_mark())),
        b"q": lambda machine: machine._memoize(machine.cursor.unsigned(1)),
        b"c": _global,
    }
