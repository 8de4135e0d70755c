"""The explorer of a source: a page with a slider for each direction."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orojar_cli.demonstration import DEMO, is_demonstration
from orojar_cli.directions.direction_set import load_directions
from orojar_cli.errors import OptionError, OrojarError
from orojar_cli.explore.app import Explorer, Names, Room
from orojar_cli.explore.choices import FILE, Choices
from orojar_cli.explore.settings import Saved, state_for
from orojar_cli.explore.studio import OWN, Studio
from orojar_cli.fetch.address import is_address
from orojar_cli.operations.network import check_noise, draw_in_float16, quiet, say_white
from orojar_cli.operations.resolve import SEFA, Source, named_by, resolve
from orojar_cli.operations.traverse import shared_name
from orojar_cli.pictures.recipe import direction_identity
from orojar_cli.progress import Notice
from orojar_cli.runs.run import DEFAULT_OUTDIR, is_in_run, load_run, runs_with_directions

_MOST_OFFERED = 200


def explorer_of(
    found: Source,
    noise_mode: str = "const",
    *,
    apart: bool = False,
    own: str | None = None,
    saved: Saved | None = None,
    look: Mapping[str, Any] | None = None,
    library: Library | None = None,
    notice: Notice = quiet,
) -> Explorer:
    """The explorer of a source.  `apart` says that its network was named apart from its directions, `own` is the user's code.

    `saved` settings are shown to begin with; `look` says how strengths and films are shown (`unit`, `center`); sources of `library` can
    be opened from the page.  Raises InputFileError for settings of another network or of other directions.
    """
    check_noise(found.checkpoint, noise_mode, notice)
    say_white(found.checkpoint.generator, notice, "the page's pictures have")
    room = room_of(found, noise_mode, apart=apart, own=own)
    start = None
    if saved is not None:
        start, left_out = state_for(saved, room.studio.sets())
        for told in left_out:
            notice(f"the page shows {told}")
    return Explorer(room.studio, room.names, room.choices, library, start=start, look=look)


def room_of(found: Source, noise_mode: str = "const", *, apart: bool = False, own: str | None = None) -> Room:
    """What the page shows of a source."""
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
    studio = Studio(found.checkpoint.generator, found.directions, kept, name=name, noise_mode=noise_mode)
    return Room(studio, names, Choices(found.directions.checkpoint, None if kept is None else kept.with_name(FILE)))


@dataclass(frozen=True)
class Library:
    """What can be opened from the page: the runs in a folder, the demonstration, and what somebody at this machine names.

    Nothing is fetched, and no code is run: what is elsewhere or the user's own is named when the program is started.  With `fp16`
    networks that were trained in float16 are drawn in it.
    """

    device: str
    noise_mode: str = "const"
    outdir: Path = Path(DEFAULT_OUTDIR)
    fp16: bool = False

    def offered(self) -> list[dict[str, str]]:
        """The newest runs with directions, and the demonstration."""
        runs = runs_with_directions(self.outdir)[:_MOST_OFFERED]
        titles = [f"{run.path.name}: {run.manifest['command']} of {Path(run.manifest['checkpoint']['path']).name}" for run in runs]
        listed = [{"name": str(run.path), "title": title} for run, title in zip(runs, titles, strict=True)]
        return [*listed, {"name": DEMO, "title": "the bundled demonstration"}]

    def opened(self, name: str) -> Room:
        """A source, loaded.  Raises OptionError for an address, and what `resolve` raises."""
        if not name or not name.isprintable():
            raise OptionError("name a run, a checkpoint or a direction set on this machine")
        if is_address(name):
            raise OptionError("addresses are opened by the terminal: orojar explore ADDRESS")
        found = resolve(name, device=self.device, outdir=self.outdir)
        if self.fp16:
            with contextlib.suppress(OptionError):
                draw_in_float16(found.checkpoint)
        return room_of(found, self.noise_mode)

    def belonging(self, sha256: str, identity: str) -> str | None:
        """The name of an offered source with this network and these directions."""
        for entry in self.offered():
            try:
                path = named_by(entry["name"], self.outdir).path
                found = None if path is None else load_directions(path)
            except OrojarError:
                continue
            if found is not None and found.checkpoint == sha256 and direction_identity(found) == identity:
                return entry["name"]
        return None


def source_name(path: Path) -> str:
    """How a SOURCE argument names a direction set: by its run, where it is the one of the run."""
    return str(path.parent) if is_in_run(path) and load_run(path).directions == path else str(path)
