"""The explorer of a source: a page with a slider for each direction."""

from __future__ import annotations

from pathlib import Path

from orojar_cli.demonstration import is_demonstration
from orojar_cli.explore.app import Explorer, Names
from orojar_cli.explore.studio import OWN, Studio
from orojar_cli.operations.network import check_noise, quiet, say_white
from orojar_cli.operations.resolve import SEFA, Source
from orojar_cli.operations.traverse import shared_name
from orojar_cli.progress import Notice
from orojar_cli.runs.run import is_in_run, load_run


def explorer_of(
    found: Source, noise_mode: str = "const", *, apart: bool = False, own: str | None = None, notice: Notice = quiet
) -> Explorer:
    """The explorer of a source.  `apart` says that its network was named apart from its directions, `own` is the user's code."""
    check_noise(found.checkpoint, noise_mode, notice)
    say_white(found.checkpoint.generator, notice, "the page's pictures have")
    path, network = found.path, found.checkpoint.path
    arguments = [network] if path is None else [source_name(path)]
    if own is not None:
        arguments = [*arguments[: 0 if path is None else 1], "--generator", own]
    elif path is not None and apart:
        arguments += ["--network", network]
    names = Names(
        {OWN: arguments, SEFA: [*arguments, "--directions", SEFA]},
        checkpoint=shared_name(network),
        directions=None if path is None else shared_name(path),
    )
    # The demonstration belongs to the program, not to whoever runs it.
    bundled = path is not None and is_demonstration(path)
    kept, name = None if bundled else path, found.checkpoint.name
    return Explorer(Studio(found.checkpoint.generator, found.directions, kept, name=name, noise_mode=noise_mode), names)


def source_name(path: Path) -> str:
    """How a SOURCE argument names a direction set: by its run, where it is the one of the run."""
    return str(path.parent) if is_in_run(path) and load_run(path).directions == path else str(path)
