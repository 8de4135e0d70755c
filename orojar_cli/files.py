"""Files that are written whole or not at all, and locks between processes."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from orojar_cli.errors import OutputFileError

# What a killed process left beside its result is removed by the next that writes there, once it cannot be at work any more.
_STALE = 24 * 3600.0
_SEEN: set[Path] = set()
_UNFINISHED = re.compile(r"[0-9a-f]{8}\Z")


def written_file(path: str | os.PathLike[str]) -> Path:
    """The file that writing to `path` replaces: itself, or what a symbolic link leads to.  To be asked before long work.

    Raises OutputFileError where it could not be written: a folder, a device, or in a folder that is missing or may not be written.
    """
    try:
        found = Path(os.path.realpath(path)) if os.path.islink(path) else Path(path)
        if found.is_dir():
            raise OutputFileError(f"cannot write {path}: it is a folder; name a file in it")
        if found.exists() and not found.is_file():
            raise OutputFileError(f"cannot write {path}: it is no ordinary file; choose another name")
        os.stat(found.parent)
    except FileNotFoundError as error:
        raise OutputFileError(
            f"cannot write {path}: the folder {found.parent} does not exist; create it or choose another --out"
        ) from error
    except OSError as error:
        raise OutputFileError(f"cannot write {path}: {error.strerror or error}") from error
    if not found.parent.is_dir():
        raise OutputFileError(f"cannot write {path}: Not a directory: {found.parent}")
    if not os.access(found.parent, os.W_OK | os.X_OK):
        raise OutputFileError(f"cannot write {path}: the folder {found.parent} may not be written; choose another --out")
    return found


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is flushed to disk and renamed to `path`, on any failure removed.

    The temporary name keeps the suffix, because image libraries choose the format by it.  A symbolic link stays, and what it leads to
    is replaced.  Raises OutputFileError as `written_file` does, and when the disk is full.
    """
    found = written_file(path)
    _remove_stale(found)
    temporary = found.with_name(f".{found.stem}.{secrets.token_hex(4)}{found.suffix}")
    try:
        try:
            yield temporary
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
            os.replace(temporary, found)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
    except FileNotFoundError as error:
        raise OutputFileError(
            f"cannot write {path}: the folder {found.parent} does not exist; create it or choose another --out"
        ) from error
    except OSError as error:
        raise OutputFileError(f"cannot write {path}: {error.strerror or error}; nothing was left under that name") from error


def _remove_stale(path: Path) -> None:
    """Remove what killed processes left of this file a day ago or earlier; looked for once a folder, of which some get 100,000 files."""
    if path.parent in _SEEN:
        return
    _SEEN.add(path.parent)
    start, end = f".{path.stem}.", path.suffix
    with contextlib.suppress(OSError):
        for entry in os.scandir(path.parent):
            name = entry.name
            ours = name.startswith(start) and name.endswith(end) and _UNFINISHED.match(name[len(start) : len(name) - len(end)])
            if ours and entry.is_file(follow_symlinks=False) and time.time() - entry.stat(follow_symlinks=False).st_mtime > _STALE:
                os.unlink(entry.path)


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
