"""A position in a stretch of a file that never passes its end, nor the end of the current pickle frame."""

from __future__ import annotations

from orojar_cli.containers.file import CheckpointFile, MemoryFile
from orojar_cli.containers.records import Span
from orojar_cli.errors import DamagedCheckpointError

_WINDOW = 1 << 16


class Cursor:
    """Reads [start, stop) of a file through a small window; large byte strings are passed over, not read."""

    def __init__(self, file: CheckpointFile | MemoryFile, start: int, stop: int) -> None:
        self.file = file
        self.position = start
        self.stop = stop
        self._frame_end: int | None = None
        self._bound = stop  # of the frame, or of the stretch
        self._window = b""
        self._window_start = start

    @property
    def remaining(self) -> int:
        return self.stop - self.position

    @property
    def in_frame(self) -> bool:
        """Whether a frame is open that does not end here."""
        return self._frame_end not in (None, self.position)

    def _beyond(self, length: int) -> DamagedCheckpointError:
        if length > self.remaining:
            return self._ends_early(f"needs {length} bytes at byte {self.position}, {self.remaining} left")
        return DamagedCheckpointError(f"damaged: {self.file.name} has an instruction that straddles its frame at byte {self.position}")

    def _ends_early(self, how: str) -> DamagedCheckpointError:
        return DamagedCheckpointError(f"damaged: {self.file.name} ends early ({how}); download it again")

    def _fill(self, start: int, length: int) -> int:
        """Where the `length` bytes at `start` lie in the window, which is moved to hold them."""
        at = start - self._window_start
        if at + length > len(self._window):
            self._window = self.file.read(start, min(max(length, _WINDOW), self.stop - start))
            self._window_start, at = start, 0
        return at

    def opcode(self) -> bytes:
        """The byte an instruction begins with.  Only here may a frame end: an instruction that begins in a frame lies in it whole."""
        start = self.position
        if start == self._frame_end:
            self._frame_end, self._bound = None, self.stop
        at = start - self._window_start
        # What `take` does, without the call: files have tens of thousands of instructions.
        if start < self._bound and at < len(self._window):
            self.position = start + 1
            return self._window[at : at + 1]
        return self.take(1)

    def take(self, length: int) -> bytes:
        """The next `length` bytes."""
        start = self.position
        if start + length > self._bound:
            raise self._beyond(length)
        at = start - self._window_start
        if at + length > len(self._window):
            at = self._fill(start, length)
        self.position = start + length
        return self._window[at : at + length]

    def follows(self, expected: bytes) -> bool:
        """Whether `expected` comes next; if so it is passed."""
        start = self.position
        if start + len(expected) > self._bound:
            return False
        at = self._fill(start, len(expected))
        if not self._window.startswith(expected, at):
            return False
        self.position = start + len(expected)
        return True

    def skip(self, length: int) -> Span:
        """The next `length` bytes as a Span, left in the file."""
        start = self.position
        if start + length > self._bound:
            raise self._beyond(length)
        self.position = start + length
        return Span(self.file, start, length)

    def unsigned(self, length: int) -> int:
        """A little-endian unsigned integer of `length` bytes."""
        return int.from_bytes(self.take(length), "little")

    def line(self, limit: int) -> bytes:
        """The bytes up to a newline, which must come within `limit` bytes."""
        ahead = min(limit + 1, self.remaining)
        at = self._fill(self.position, ahead)
        end = self._window.find(b"\n", at, at + ahead)
        if end < 0 and ahead > limit:
            raise DamagedCheckpointError(f"damaged: {self.file.name} has a name longer than {limit} characters at byte {self.position}")
        return self.take(end - at + 1 if end >= 0 else ahead + 1)[:-1]

    def open_frame(self, length: int) -> None:
        """Begin a frame of `length` bytes; frames neither nest nor reach past the end."""
        if self._frame_end is not None:
            raise DamagedCheckpointError(f"damaged: {self.file.name} has a frame inside a frame at byte {self.position}")
        if length > self.remaining:
            raise self._ends_early(f"a frame of {length} bytes at byte {self.position}, {self.remaining} left")
        self._frame_end = self._bound = self.position + length
