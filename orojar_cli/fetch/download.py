"""Checkpoints by address: downloaded once into a cache, under a size limit, resumed after a break.

A file by address is `CACHE/<hash of the address>/<its name>`, with `complete.json` beside it; while it is under way, `partial` and
`partial.json`.  What has arrived is read by nothing but the inert reader, like any other file.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from orojar_cli import __version__
from orojar_cli.containers.file import CheckpointFile
from orojar_cli.containers.limits import DEFAULT_LIMITS, Limits
from orojar_cli.errors import OptionError, OutputFileError, UnsafeCheckpointError
from orojar_cli.fetch.partial import PARTIAL, STATE, PartialDownload
from orojar_cli.fetch.transfer import Client, checked_url, shown_url
from orojar_cli.files import locked, write_text
from orojar_cli.progress import Progress

_COMPLETE, _LOCK = "complete.json", "lock"


@dataclass(frozen=True)
class Download:
    """A whole file in the cache.  `url` is the address without query; `etag` what the server called this version of the file."""

    path: Path
    url: str
    sha256: str
    size: int
    etag: str | None
    fetched: str
    cached: bool = True

    @classmethod
    def of(cls, path: Path) -> Download | None:
        """What is known of a file in a cache, or None where `path` is no complete download."""
        try:
            known = json.loads((path.parent / _COMPLETE).read_text())
            found = cls(path, str(known["url"]), str(known["sha256"]), int(known["size"]), known["etag"], str(known["fetched"]))
            return found if known["file"] == path.name and path.stat().st_size == found.size else None
        except (OSError, ValueError, KeyError, TypeError):
            return None


def fetch(
    url: str,
    cache: str | os.PathLike[str],
    *,
    sha256: str | None = None,
    max_bytes: int = DEFAULT_LIMITS.file_bytes,
    proxies: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    starting: Callable[[int | None], None] | None = None,
    timeout: float = 30.0,
    pause: float = 1.0,
) -> Download:
    """The file at `url`, from the folder `cache` if it is there, else downloaded.

    `starting(size or None)` is called when the file starts to arrive, `progress("downloading", bytes, size or bytes)` as it does.  After a
    break it goes on from the last byte, `pause` seconds later, as long as every attempt gains some.  Processes wait for each other.
    Raises OptionError for an address or hash that is none, DownloadError where the file cannot be had or is larger than `max_bytes`,
    NotACheckpointError for a web page and the like, OutputFileError where the cache cannot be written, and UnsafeCheckpointError,
    the file removed, where its SHA-256 is not `sha256`.
    """
    url = checked_url(url)
    wanted = None if sha256 is None else checked_sha256(sha256)
    folder = Path(cache) / hashlib.sha256(url.encode()).hexdigest()[:20]
    path = folder / _file_name(url)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / _LOCK):
            found = Download.of(path)
            if found is not None:
                if wanted is not None:
                    _verify(path, shown_url(url), wanted)
                return found
            client = Client(url, proxies or {}, f"orojar/{__version__}", timeout)
            transfer = PartialDownload(client, folder, max_bytes, wanted is not None, progress, starting)
            etag = transfer.run(pause)
            digest = _verify(folder / PARTIAL, shown_url(url), wanted)
            os.replace(folder / PARTIAL, path)
            (folder / STATE).unlink(missing_ok=True)
            fetched = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            found = Download(path, shown_url(url), digest, path.stat().st_size, etag, fetched, cached=False)
            known = asdict(found) | {"file": path.name}
            del known["path"], known["cached"]
            write_text(folder / _COMPLETE, json.dumps(known, indent=2) + "\n")
            return found
    except OSError as error:
        raise OutputFileError(f"cannot keep downloads in {cache}: {error.strerror or error}") from error


def checked_sha256(text: str) -> str:
    """A SHA-256 in lower-case hexadecimal; raises OptionError for other text."""
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text.strip()):
        raise OptionError("a SHA-256 is 64 hexadecimal digits")
    return text.strip().lower()


def verify_file(path: str | os.PathLike[str], sha256: str) -> None:
    """Raise UnsafeCheckpointError unless the file's SHA-256 is `sha256`; the file stays where it is."""
    with CheckpointFile(path) as file:
        digest, wanted = file.sha256(), checked_sha256(sha256)
        if digest != wanted:
            raise UnsafeCheckpointError(f"refused: {file.name} has the SHA-256 {digest}, not {wanted} as asked for")


def _verify(path: Path, shown: str, wanted: str | None) -> str:
    """The SHA-256 of a file of the cache, which is removed where it is not the wanted one."""
    with CheckpointFile(path, Limits(file_bytes=1 << 62)) as file:
        digest = file.sha256()
    if wanted is not None and digest != wanted:
        for name in (path.name, _COMPLETE, STATE):
            (path.parent / name).unlink(missing_ok=True)
        raise UnsafeCheckpointError(
            f"refused: {shown} has the SHA-256 {digest}, not {wanted} as asked for; the downloaded file was removed"
        )
    return digest


def _file_name(url: str) -> str:
    """A readable name from the address's last part, without anything a file system could misunderstand."""
    last = urllib.parse.unquote(urllib.parse.urlsplit(url).path.rstrip("/").rpartition("/")[2])
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", last).strip("-.")
    stem, dot, suffix = name.rpartition(".")
    name = f"{stem[:60]}.{suffix[:12]}" if dot else name[:60]
    # The names of the files beside it are taken, and run.json would make the folder a run.
    return f"checkpoint-{name.replace('.json', '-json')}" if name in ("", PARTIAL, _LOCK) or name.endswith(".json") else name
