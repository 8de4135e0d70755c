"""The file under a checkpoint: opened once, recognised by its content, read by position."""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
import weakref
from pathlib import Path

from orojar_cli.containers.limits import DEFAULT_LIMITS, Limits
from orojar_cli.errors import DamagedCheckpointError, InputFileError, NotACheckpointError, UnsupportedCheckpointError

HEAD_BYTES = 512
_LFS = b"version https://git-lfs"
_ZIP = b"PK\x03\x04"
TORCH_STREAM = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."  # torch.save before its zip files
_NOT_PICKLES = (
    (b"\x1f\x8b", "gzip-compressed", "decompress it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it first"),
    (b"BZh", "bzip2-compressed", "decompress it first"),
    (b"\xfd7zXZ", "xz-compressed", "decompress it first"),
    (b"\x89HDF", "an HDF5 file", "pass a network .pkl"),
    (b"\x93NUMPY", "a numpy array", "pass a network .pkl"),
    (b"\x89PNG", "a PNG picture", "pass a network .pkl"),
    (b"\xff\xd8\xff", "a JPEG picture", "pass a network .pkl"),
    (b"GIF8", "a GIF picture", "pass a network .pkl"),
    (b"RIFF", "a media file", "pass a network .pkl"),
    (b"%PDF", "a PDF document", "pass a network .pkl"),
)


def printable(text: object, limit: int = 80) -> str:
    """`text` from a file made safe to print: ASCII without control characters, at most `limit` characters.

    What is neither text, number nor path is only named by its type: a nest of containers can be exponentially long.
    """
    if text is not None and not isinstance(text, (str, int, float, os.PathLike)):
        text = f"<{type(text).__name__}>"
    escaped = str(text)[: limit + 1].encode("ascii", "backslashreplace").decode()
    escaped = re.sub(r"[\x00-\x1f\x7f]", lambda match: f"\\x{ord(match[0]):02x}", escaped)
    return escaped if len(escaped) <= limit else escaped[: limit - 1] + "~"


class CheckpointFile:
    """A regular file held open for reading; nothing is mapped, decompressed or followed elsewhere."""

    def __init__(self, path: str | os.PathLike[str], limits: Limits = DEFAULT_LIMITS) -> None:
        """Raises InputFileError when there is no such readable regular file, UnsupportedCheckpointError when it is too large."""
        self.path = Path(path)
        shown = printable(self.path, 300)
        try:
            mode = os.stat(self.path).st_mode  # before opening: a pipe would wait for its writer
            if not stat.S_ISREG(mode):
                kind = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
                raise InputFileError(f"cannot read {shown}: it is {kind}; pass the checkpoint file itself")
            self._file = io.FileIO(self.path)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputFileError(f"cannot read {shown}: {reason}; check the path") from error
        self.close = weakref.finalize(self, self._file.close)
        self.status = os.fstat(self._file.fileno())
        self.size = self.status.st_size
        if self.size > limits.file_bytes:
            raise UnsupportedCheckpointError(
                f"not supported: {self.name} has {self.size} bytes, more than the limit of {limits.file_bytes}"
            )

    @property
    def name(self) -> str:
        return printable(self.path.name)

    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes at `offset`; raises DamagedCheckpointError where the file ends before them."""
        if offset + length > self.size:
            raise DamagedCheckpointError(
                f"damaged: {self.name} ends early (needs {length} bytes at byte {offset}, {max(self.size - offset, 0)} left); "
                "download it again"
            )
        self._file.seek(offset)
        data = self._file.read(length)
        while len(data) < length:  # a read is cut at 2 GiB, and a file can shrink while it is read
            piece = self._file.read(length - len(data))
            if not piece:
                raise DamagedCheckpointError(f"damaged: {self.name} became shorter while it was read")
            data += piece
        return data

    def read_into(self, buffer: memoryview, offset: int) -> None:
        """Fill `buffer` (bytes) from `offset` on; raises as `read` does."""
        self._file.seek(offset)
        done = 0
        while done < len(buffer):
            count = self._file.readinto(buffer[done:])
            if not count:
                raise DamagedCheckpointError(f"damaged: {self.name} became shorter while it was read")
            done += count

    def sha256(self) -> str:
        """SHA-256 of the whole file, in hexadecimal."""
        digest = hashlib.sha256()
        for offset in range(0, self.size, 1 << 22):
            digest.update(self.read(offset, min(1 << 22, self.size - offset)))
        return digest.hexdigest()

    def __enter__(self) -> CheckpointFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class MemoryFile:
    """Bytes that lie in a checkpoint in another form, to be read as if they were a file of its `name` and `size`."""

    def __init__(self, outer: CheckpointFile | MemoryFile, data: bytes) -> None:
        self.name: str = outer.name
        self.size: int = outer.size
        self._data = data

    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes at `offset`; raises DamagedCheckpointError where there are fewer."""
        if offset + length > len(self._data):
            raise DamagedCheckpointError(f"damaged: {self.name} ends early inside the bytes of a tensor; download it again")
        return self._data[offset : offset + length]

    def read_into(self, buffer: memoryview, offset: int) -> None:
        """Fill `buffer` (bytes) from `offset` on; raises as `read` does."""
        buffer[:] = self.read(offset, len(buffer))


def container_of(file: CheckpointFile) -> str:
    """ "pickle", "safetensors", "torch zip" or "torch stream", by content and never by name.

    Raises NotACheckpointError naming what the file is instead.
    """
    return container_of_head(file.read(0, min(file.size, HEAD_BYTES)), file.size, file.name)


def container_of_head(head: bytes, size: int, name: str) -> str:
    """The same from the first HEAD_BYTES bytes of a file of `size` bytes, which errors call `name`."""
    if not head:
        raise NotACheckpointError(f"not a checkpoint: {name} is empty; download it again")
    if head.startswith(_LFS):
        real = re.search(rb"\nsize (\d{1,15})", head)
        megabytes = f" ({int(real[1]) / 1e6:.0f} MB)" if real else ""
        raise NotACheckpointError(f"not a checkpoint: {name} is a git-lfs pointer, download the real file{megabytes}")
    if head.startswith(_ZIP):
        return "torch zip"
    if head.startswith(TORCH_STREAM):
        return "torch stream"
    for magic, what, advice in _NOT_PICKLES:
        if head.startswith(magic):
            raise NotACheckpointError(f"not a checkpoint: {name} is {what}; {advice}")
    if len(head) > 262 and head[257:262] == b"ustar":
        raise NotACheckpointError(f"not a checkpoint: {name} is a tar archive; unpack it first")
    if len(head) >= 10 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < size:
        return "safetensors"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(b"<"):
        raise NotACheckpointError(f"not a checkpoint: {name} is a web page (HTML or XML), download the file itself")
    if text.startswith((b"{", b"[")):
        raise NotACheckpointError(f"not a checkpoint: {name} is JSON text; pass a network .pkl")
    if head[0] != 0x80:
        raise NotACheckpointError(f"not a checkpoint: {name} is neither a pickle nor safetensors (it starts with {head[:4].hex(' ')})")
    return "pickle"
