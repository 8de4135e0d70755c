"""Plain values and named constructors -> pickle opcodes (protocol 4), written by hand so that no code is ever looked up."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, BinaryIO

_MARK, _REDUCE, _BUILD, _MEMOIZE, _STOP = b"(", b"R", b"b", b"\x94", b"."


@dataclass(frozen=True)
class Name:
    """A module's attribute, as text."""

    module: str
    name: str


@dataclass(frozen=True, eq=False)
class Call:
    """What the reader gets by calling `function` with `arguments`, and setting `state` where there is one."""

    function: Name
    arguments: tuple[Any, ...]
    state: Any = None


@dataclass(frozen=True, eq=False)
class Once:
    """A value that is written where it occurs first and recalled where it occurs again: one object for the reader."""

    value: Any


@dataclass(frozen=True, eq=False)
class EmptySet:
    """A set without elements."""


class PickleWriter:
    """Writes values to a stream; texts and names that occur again are recalled from the memo."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._memo: dict[Any, int] = {}

    def dump(self, value: Any) -> None:
        """One whole pickle of `value`: None, bool, int, float, str, bytes, tuple, list, dict, Name, Call, Once or EmptySet."""
        self._stream.write(b"\x80\x04")
        self._write(value)
        self._stream.write(_STOP)

    def _write(self, value: Any) -> None:
        kind, out = type(value), self._stream.write
        if value is None or kind is bool:
            out({None: b"N", True: b"\x88", False: b"\x89"}[value])
        elif kind is int:
            out(self._integer(value))
        elif kind is float:
            out(b"G" + struct.pack(">d", value))
        elif kind is bytes:
            out(b"C" + bytes([len(value)]) if len(value) < 256 else b"B" + struct.pack("<I", len(value)))
            out(value)
        elif kind is str or kind is Name:
            self._remembered(value)
        elif kind is tuple or kind is list:
            self._sequence(value)
        elif kind is dict:
            out(b"}")
            if value:
                out(_MARK)
                for key, item in value.items():
                    self._write(key)
                    self._write(item)
                out(b"u")
        elif kind is Call:
            self._write(value.function)
            self._write(value.arguments)
            out(_REDUCE)
            if value.state is not None:
                self._write(value.state)
                out(_BUILD)
        elif kind is Once:
            self._once(value)
        elif kind is EmptySet:
            out(b"\x8f")
        else:
            raise TypeError(f"cannot write a {kind.__name__}")

    @staticmethod
    def _integer(value: int) -> bytes:
        if 0 <= value < 256:
            return b"K" + bytes([value])
        if -(2**31) <= value < 2**31:
            return b"J" + struct.pack("<i", value)
        return b"\x8a\x08" + value.to_bytes(8, "little", signed=True)

    def _sequence(self, value: tuple[Any, ...] | list[Any]) -> None:
        if type(value) is list:
            self._stream.write(b"]")
        if value or type(value) is list:
            self._stream.write(_MARK)
            for item in value:
                self._write(item)
        self._stream.write(b"e" if type(value) is list else b"t" if value else b")")

    def _recalled(self, value: str | Name | Once) -> bool:
        index = self._memo.get(value)
        if index is not None:
            self._stream.write(b"h" + bytes([index]) if index < 256 else b"j" + struct.pack("<I", index))
        return index is not None

    def _once(self, value: Once) -> None:
        if not self._recalled(value):
            self._write(value.value)
            self._memo[value] = len(self._memo)
            self._stream.write(_MEMOIZE)

    def _remembered(self, value: str | Name) -> None:
        if self._recalled(value):
            return
        if isinstance(value, Name):
            self._write(value.module)
            self._write(value.name)
            self._stream.write(b"\x93")
        else:
            data = value.encode()
            self._stream.write(b"\x8c" + bytes([len(data)]) if len(data) < 256 else b"X" + struct.pack("<I", len(data)))
            self._stream.write(data)
        self._memo[value] = len(self._memo)
        self._stream.write(_MEMOIZE)
