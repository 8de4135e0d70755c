"""What a SOURCE argument means: a run, a file in a run, a checkpoint, a direction set, or nothing."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orojar_cli.cli.console import say
from orojar_cli.runs import DEFAULT_OUTDIR

if TYPE_CHECKING:
    from orojar_cli.checkpoint.checkpoint import Checkpoint
    from orojar_cli.directions import DirectionSet


@dataclass(frozen=True)
class Source:
    """A loaded network with directions that fit it, and where the directions are kept (None: made just now)."""

    checkpoint: Checkpoint
    directions: DirectionSet
    path: Path | None


def direction_file(source: str | None, outdir: str | Path = DEFAULT_OUTDIR) -> Path | None:
    """The direction set a SOURCE names, or None where it is a checkpoint without one; says which was taken."""
    from orojar_cli.demonstration import demonstration
    from orojar_cli.runs import is_in_run, latest_run, load_run

    if source is None:
        run = latest_run(outdir)
        if run is None:
            say("no run yet: showing the bundled demonstration")
            return demonstration()[1]
        say(f"using the newest run, {run.path}")
        return run.directions
    path = Path(source)
    if path.suffix == ".safetensors" and _is_direction_set(path):
        return path
    if path.is_dir() or (path.suffix != ".pkl" and is_in_run(path)) or (is_in_run(path) and load_run(path).checkpoint == path):
        return load_run(path).directions
    return None


def load_source(source: str | None, *, directions: str | None, network: str | None, device: str) -> Source:
    """The network and directions of a SOURCE; with `directions` or `network` that part is taken from there instead.

    A checkpoint without directions gets SeFa's, computed on the spot.  Raises DirectionSetError when the two do not belong together.
    """
    from orojar_cli.checkpoint.checkpoint import load_checkpoint
    from orojar_cli.directions import load_directions

    path = Path(directions) if directions is not None else direction_file(source)
    if path is None:
        if source is None or network is not None:
            raise click.UsageError("name a run, a checkpoint or a direction set")
        loaded = load_checkpoint(source, device)
        say("no directions given: using SeFa's, from the weights")
        return Source(loaded, _sefa(loaded), None)
    found = load_directions(path)
    given = network or (source if directions is not None and source is not None else None)
    checkpoint = given or _checkpoint_of(path)
    loaded = load_checkpoint(checkpoint, device)
    found.check_fits(loaded.generator, loaded.sha256)
    return Source(loaded, found, path)


def _is_direction_set(path: Path) -> bool:
    from orojar_cli.directions import load_directions
    from orojar_cli.errors import DirectionSetError

    try:
        load_directions(path)
    except DirectionSetError:
        return False
    return True


def _checkpoint_of(directions: Path) -> Path:
    from orojar_cli.demonstration import demonstration
    from orojar_cli.runs import is_in_run, load_run

    if is_in_run(directions):
        run = load_run(directions)
        if directions.name == "rotation.safetensors":
            return Path(run.manifest["checkpoint"]["path"])
        return run.checkpoint
    checkpoint, bundled = demonstration()
    if directions.resolve() == bundled.resolve():
        return checkpoint
    raise click.UsageError(f"{directions} is not in a run: name its network with --network ckpt.pkl")


def _sefa(loaded: Checkpoint) -> DirectionSet:
    from orojar_cli.directions import Settings, sefa

    class_index = 0 if loaded.generator.c_dim else None
    found = sefa(loaded.generator, Settings(space="w", whiten=False, class_index=class_index))
    return dataclasses.replace(found, checkpoint=loaded.sha256)
