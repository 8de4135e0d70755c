"""Files that are written whole or not at all, and locks between processes."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

from orojar_cli.errors import OutputFileError


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is flushed to disk and renamed to `path`, on any failure removed.

    The temporary name keeps the suffix, because image libraries choose the format by it.
    Raises OutputFileError when the folder is missing or unwritable, `path` is a folder, or the disk is full.
    """
    path = Path(path)
    if path.is_dir():
        raise OutputFileError(f"cannot write {path}: it is a folder; name a file in it")
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")
    try:
        try:
            yield temporary
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
    except FileNotFoundError as error:
        raise OutputFileError(f"cannot write {path}: the folder {path.parent} does not exist; create it or choose another --out") from error
    except OSError as error:
        raise OutputFileError(f"cannot write {path}: {error.strerror or error}; nothing was left under that name") from error


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path`, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8 `text` to `path`, whole or not at all."""
    write_bytes(path, text.encode())


@contextlib.contextmanager
def locked(path: str | os.PathLike[str]) -> Iterator[None]:
    """Hold the lock file `path`, made if need be, while other processes that ask for it wait; it is free when this process ends.

    Raises OSError where the file cannot be made.
    """
    with open(path, "ab") as file:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            while True:
                with contextlib.suppress(OSError):  # gives up after ten seconds
                    msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
                    break
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield
