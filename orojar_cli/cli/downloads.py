"""What the command line says about fetching: the environment's proxies, and where this machine keeps downloads."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from orojar_cli.cli.console import progress_bar, say
from orojar_cli.errors import OptionError

if TYPE_CHECKING:
    from orojar_cli.fetch.address import Fetching


def cache_folder() -> Path:
    """The folder for downloads: where this platform's programs keep what can be fetched again."""
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"]) / "orojar"
    if sys.platform == "win32" and os.environ.get("LOCALAPPDATA"):
        return Path(os.environ["LOCALAPPDATA"]) / "orojar" / "Cache"
    return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "orojar"


def fetching(sha256: str | None = None, max_gigabytes: float | None = None) -> Fetching:
    """How checkpoints are had on this machine, with the proxies of the environment."""
    from urllib.request import getproxies

    from orojar_cli.fetch.address import Fetching

    if max_gigabytes is not None and not math.isfinite(max_gigabytes):
        raise OptionError(f"--max-download {max_gigabytes} is not a number of gigabytes; leave it out for the most that is read")
    return Fetching(cache_folder(), getproxies(), sha256, None if max_gigabytes is None else int(max_gigabytes * 1e9))


def local_file(checkpoint: str, sha256: str | None = None, max_gigabytes: float | None = None) -> str:
    """The path of a checkpoint named on the line: its own, the downloaded file's, or the bundled one's for "demo"; verified where a
    SHA-256 is given.  Imports no torch."""
    from orojar_cli.demonstration import DEMO, demonstration

    name = str(demonstration()[0]) if checkpoint == DEMO else checkpoint
    with progress_bar() as progress:
        return fetching(sha256, max_gigabytes).local_file(name, progress, say)


def shown_arguments(arguments: list[str] | None = None) -> list[str]:
    """The command line as run.json keeps it: addresses without what may be secret in them."""
    from orojar_cli.fetch.address import is_address
    from orojar_cli.fetch.transfer import shown_url

    shown = []
    for argument in sys.argv[1:] if arguments is None else arguments:
        option, equals, value = argument.partition("=") if argument.startswith("--") else ("", "", argument)
        shown.append(f"{option}{equals}{shown_url(value)}" if is_address(value) else argument)
    return shown
