"""Checkpoints named by address or by path: the file on this machine."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from orojar_cli.containers.limits import DEFAULT_LIMITS
from orojar_cli.fetch.download import fetch, verify_file
from orojar_cli.fetch.transfer import shown_url
from orojar_cli.progress import Progress


def is_address(text: str) -> bool:
    """Whether a checkpoint is named by an address (of any scheme) and not by a path."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text.strip()) is not None


def default_cache() -> Path:
    """Where downloads are kept unless the caller says otherwise."""
    return Path.home() / ".cache" / "orojar"


@dataclass(frozen=True)
class Fetching:
    """How files are had: `cache` the folder for downloads, `proxies` by scheme, `sha256` what the file named must hash to, `max_bytes`
    the largest download (None: the most that is read)."""

    cache: Path = field(default_factory=default_cache)
    proxies: Mapping[str, str] = field(default_factory=dict)
    sha256: str | None = None
    max_bytes: int | None = None

    def local_file(self, name: str, progress: Progress | None = None, notice: Callable[[str], None] | None = None) -> str:
        """The path of a checkpoint: itself, or the downloaded file where it is an address; verified where a SHA-256 is given.

        `notice` is told what is downloaded and where it is kept.  Raises what `fetch` and `verify_file` raise.
        """
        if not is_address(name):
            if self.sha256 is not None:
                verify_file(name, self.sha256)
            return name

        def say(line: str) -> None:
            if notice is not None:
                notice(line)

        def starting(size: int | None) -> None:
            say(f"downloading {shown_url(name)}" + (f" ({size / 1e6:.1f} MB)" if size is not None else ""))

        def kilobytes(stage: str, done: int, total: int) -> None:
            if progress is not None:
                progress(f"{stage}, kB", done // 1000, max(1, total // 1000))

        found = fetch(
            name,
            self.cache,
            sha256=self.sha256,
            max_bytes=DEFAULT_LIMITS.file_bytes if self.max_bytes is None else self.max_bytes,
            proxies=self.proxies,
            progress=kilobytes,
            starting=starting,
        )
        cached = f"using {found.path}, fetched {found.fetched[:10]}; delete it to download it again"
        say(cached if found.cached else f"kept as {found.path}")
        return str(found.path)
