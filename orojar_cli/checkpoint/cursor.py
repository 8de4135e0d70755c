"""A position in a stretch of a file that never passes its end, nor the end of the current pickle frame."""

from __future__ import annotations

from orojar_cli.checkpoint.records import Span
from orojar_cli.checkpoint.source import CheckpointFile
from orojar_cli.errors import DamagedCheckpointError

_WINDOW = 1 << 16


class Cursor:
    """Reads [start, stop) of a file through a small window; large byte strings are passed over, not read."""

    def __init__(self, file: CheckpointFile, start: int, stop: int) -> None:
        self.file = file
        self.position = start
        self.stop = stop
        self.frame_end: int | None = None
        self._window = b""
        self._window_start = start

    @property
    def remaining(self) -> int:
        return self.stop - self.position

    def _advance(self, length: int) -> int:
        start, end = self.position, self.position + length
        if end > self.stop:
            raise DamagedCheckpointError(
                f"damaged: {self.file.name} ends early (needs {length} bytes at byte {start}, {self.remaining} left); download it again"
            )
        if self.frame_end is not None:
            if end > self.frame_end:
                raise DamagedCheckpointError(f"damaged: {self.file.name} has an instruction that straddles its frame at byte {start}")
            if end == self.frame_end:
                self.frame_end = None
        self.position = end
        return start

    def take(self, length: int) -> bytes:
        """The next `length` bytes."""
        start = self._advance(length)
        at = start - self._window_start
        if at < 0 or at + length > len(self._window):
            self._window = self.file.read(start, min(max(length, _WINDOW), self.stop - start))
            self._window_start, at = start, 0
        return self._window[at : at + length]

    def skip(self, length: int) -> Span:
        """The next `length` bytes as a Span, left in the file."""
        return Span(self.file, self._advance(length), length)

    def unsigned(self, length: int) -> int:
        """A little-endian unsigned integer of `length` bytes."""
        return int.from_bytes(self.take(length), "little")

    def line(self, limit: int) -> bytes:
        """The bytes up to a newline, which must come within `limit` bytes."""
        out = bytearray()
        while (byte := self.take(1)) != b"\n":
            out += byte
            if len(out) > limit:
                raise DamagedCheckpointError(f"damaged: {self.file.name} has a name longer than {limit} characters at byte {self.position}")
        return bytes(out)

    def open_frame(self, length: int) -> None:
        """Begin a frame of `length` bytes; frames neither nest nor reach past the end."""
        if self.frame_end is not None:
            raise DamagedCheckpointError(f"damaged: {self.file.name} has a frame inside a frame at byte {self.position}")
        if length > self.remaining:
            raise DamagedCheckpointError(
                f"damaged: {self.file.name} ends early (a frame of {length} bytes at byte {self.position}, {self.remaining} left); "
                "download it again"
            )
        self.frame_end = self.position + length if length else None
