"""Checkpoints named by address on the command line, and where this machine keeps downloads."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from orojar_cli.cli.console import progress_bar, say


def is_address(text: str) -> bool:
    """Whether a checkpoint is named by an address (of any scheme) and not by a path."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text.strip()) is not None


def cache_folder() -> Path:
    """The folder for downloads: where this platform's programs keep what can be fetched again."""
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"]) / "orojar"
    if sys.platform == "win32" and os.environ.get("LOCALAPPDATA"):
        return Path(os.environ["LOCALAPPDATA"]) / "orojar" / "Cache"
    return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "orojar"


def local_file(checkpoint: str, sha256: str | None = None, max_gigabytes: float | None = None) -> str:
    """The path of a checkpoint: itself, or the downloaded file where it is an address; verified where a SHA-256 is given.

    The proxies of the environment are used.  Raises what `fetch` and `verify_file` raise.
    """
    from urllib.request import getproxies

    from orojar_cli.containers.limits import DEFAULT_LIMITS
    from orojar_cli.fetch.download import fetch, verify_file
    from orojar_cli.fetch.transfer import shown_url

    if not is_address(checkpoint):
        if sha256 is not None:
            verify_file(checkpoint, sha256)
        return checkpoint

    def starting(size: int | None) -> None:
        say(f"downloading {shown_url(checkpoint)}" + (f" ({size / 1e6:.1f} MB)" if size is not None else ""))

    with progress_bar() as progress:
        found = fetch(
            checkpoint,
            cache_folder(),
            sha256=sha256,
            max_bytes=DEFAULT_LIMITS.file_bytes if max_gigabytes is None else int(max_gigabytes * 1e9),
            proxies=getproxies(),
            progress=lambda stage, done, total: progress(f"{stage}, kB", done // 1000, max(1, total // 1000)),
            starting=starting,
        )
    say(f"using {found.path}, fetched {found.fetched[:10]}; delete it to download it again" if found.cached else f"kept as {found.path}")
    return str(found.path)


def shown_arguments(arguments: list[str]) -> list[str]:
    """The command line as run.json keeps it: addresses without what may be secret in them."""
    from orojar_cli.fetch.transfer import shown_url

    shown = []
    for argument in arguments:
        option, equals, value = argument.partition("=") if argument.startswith("--") else ("", "", argument)
        shown.append(f"{option}{equals}{shown_url(value)}" if is_address(value) else argument)
    return shown
