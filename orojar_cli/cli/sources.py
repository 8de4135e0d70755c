"""From the words of the line to networks and directions: addresses with this machine's cache, the user's own code by its name."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orojar_cli.cli.console import progress_bar, say
from orojar_cli.cli.downloads import fetching
from orojar_cli.errors import OptionError

if TYPE_CHECKING:
    from orojar_cli.operations.network import Network
    from orojar_cli.operations.resolve import Source


def load_network(checkpoint: str | None, own: str | None, device: str) -> Network:
    """The network of a checkpoint's file, or of the user's own code."""
    from orojar_cli.cli.own_generator import load_own_generator
    from orojar_cli.operations.network import load

    if own is not None:
        return load_own_generator(own, device)
    return load(str(checkpoint), device, notice=say)


def load_source(
    source: str | None,
    *,
    directions: str | None = None,
    network: str | None = None,
    device: str,
    own: str | None = None,
    sha256: str | None = None,
    max_download: float | None = None,
) -> Source:
    """`resolve`, with what only a command line knows: the environment's cache and proxies, and `own`, the name of the user's code."""
    from orojar_cli.cli.own_generator import load_own_generator
    from orojar_cli.operations.resolve import resolve

    with progress_bar() as progress:
        return resolve(
            source,
            directions=directions,
            network=network,
            own=None if own is None else lambda: load_own_generator(own, device),
            own_name=own or "",
            device=device,
            fetching=fetching(sha256, max_download),
            progress=progress,
            notice=say,
        )


def load_material(
    source: str | None, dims: tuple[str, ...], *, directions: str | None, device: str, own: str | None, **named: Any
) -> Network | Source:
    """The network of a SOURCE with its directions where there are edits `dims`, else alone.

    Raises OptionError for directions without edits.
    """
    from orojar_cli.cli.own_generator import load_own_generator
    from orojar_cli.operations.resolve import resolve_network

    if dims:
        return load_source(source, directions=directions, device=device, own=own, **named)
    if directions is not None:
        raise OptionError("--directions without edits do nothing: give some, such as --dim 3:+2")
    fetched = fetching(named.pop("sha256"), named.pop("max_download"))
    maker = None if own is None else lambda: load_own_generator(own, device)
    with progress_bar() as progress:
        return resolve_network(source, own=maker, device=device, fetching=fetched, progress=progress, notice=say, **named)


def traverse_line(run: Path, own: str | None = None) -> str:
    """The command that shows the first dimension of a run, as a shell takes it."""
    return f"orojar traverse {shlex.quote(str(run))}{f' --generator {own}' if own else ''} --dim 0 --out walk.gif"
