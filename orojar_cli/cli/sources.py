"""What a SOURCE argument means: a run, a file in a run, a checkpoint, a direction set, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orojar_cli.cli.console import say
from orojar_cli.cli.downloads import is_address, local_file
from orojar_cli.runs.run import DEFAULT_OUTDIR

if TYPE_CHECKING:
    from orojar_cli.checkpoint.checkpoint import Checkpoint
    from orojar_cli.cli.own_generator import OwnNetwork
    from orojar_cli.directions import DirectionSet


# In place of a direction set's name: SeFa's, made from the weights on the spot.
SEFA = "sefa"


@dataclass(frozen=True)
class Source:
    """A loaded network with directions that fit it, and where the directions are kept (None: made just now).

    `checkpoint` is a Checkpoint, or with --generator an OwnNetwork.
    """

    checkpoint: Any
    directions: DirectionSet
    path: Path | None


def load_network(checkpoint: str | None, own: str | None, device: str) -> Checkpoint | OwnNetwork:
    """The network of a checkpoint, or of the user's own code."""
    from orojar_cli.checkpoint.checkpoint import load_checkpoint
    from orojar_cli.cli.own_generator import load_own_generator

    if own is not None:
        return load_own_generator(own, device)
    loaded = load_checkpoint(str(checkpoint), device)
    if loaded.assumptions:
        say(
            f"{loaded.name} does not say everything of its network; assumed: {', '.join(loaded.assumptions)} "
            "(orojar convert --assume NAME=VALUE says otherwise)"
        )
    return loaded


def run_name(network: Checkpoint | OwnNetwork) -> str:
    """What the run of a network is called after: the file, or module and factory."""
    from orojar_cli.cli.own_generator import OwnNetwork

    return network.name.replace(".", "-") if isinstance(network, OwnNetwork) else network.path


def recorded(network: Checkpoint | OwnNetwork) -> dict[str, str]:
    """What run.json keeps of a network: its file and hash, the address it was fetched from, or the name of the user's code."""
    from orojar_cli.cli.own_generator import OwnNetwork
    from orojar_cli.fetch.download import Download

    if isinstance(network, OwnNetwork):
        return {"path": network.name, "sha256": network.sha256, "generator": network.name}
    path = Path(network.path).resolve()
    fetched = Download.of(path)
    return {"path": str(path), "sha256": network.sha256} | ({"url": fetched.url} if fetched else {})


def traverse_line(run: Path, own: str | None) -> str:
    """The command that shows the first dimension of a run."""
    return f"orojar traverse {run}{f' --generator {own}' if own else ''} --dim 0 --out walk.gif"


def direction_file(source: str | None, outdir: str | Path = DEFAULT_OUTDIR) -> Path | None:
    """The direction set a SOURCE names, or None where it is a checkpoint without one; says which was taken."""
    from orojar_cli.demonstration import demonstration
    from orojar_cli.runs.run import is_in_run, latest_run, load_run

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


def load_source(
    source: str | None,
    *,
    directions: str | None,
    network: str | None,
    device: str,
    own: str | None = None,
    sha256: str | None = None,
    max_download: float | None = None,
) -> Source:
    """The network and directions of a SOURCE; with `directions`, `network` or `own` (the user's code) that part is from there instead.

    A checkpoint without directions gets SeFa's, computed on the spot, and so does every SOURCE with the word "sefa" for `directions`.
    Checkpoints may be addresses; `sha256` is that of the checkpoint named.
    Raises DirectionSetError when the two do not belong together.
    """
    from orojar_cli.directions import load_directions
    from orojar_cli.directions.sefa import sefa_at_once
    from orojar_cli.runs.run import latest_run

    if own is not None and network is not None:
        raise click.UsageError("--generator and --network name two networks; leave one out")
    if own is not None and source is not None and directions not in (None, SEFA):
        raise click.UsageError(f"with --generator the directions are those of {source} or of --directions; leave one out")
    if own is not None and source is None and directions is None and latest_run(DEFAULT_OUTDIR) is None:
        raise click.UsageError(f"no run yet: make one with orojar discover --generator {own}")
    if network is not None:
        network = local_file(network, sha256, max_download)
    elif source is not None and (is_address(source) or (sha256 is not None and direction_file(source) is None)):
        source = local_file(source, sha256, max_download)
    elif sha256 is not None:
        raise click.UsageError("--sha256 verifies a checkpoint named on this line, and there is none")
    path = direction_file(source) if directions in (None, SEFA) else Path(str(directions))
    if path is None or directions == SEFA:
        if path is None and own is None and (source is None or network is not None):
            raise click.UsageError("name a run, a checkpoint or a direction set")
        if path is None and own is not None and source is not None:
            raise click.UsageError(f"{source} is a checkpoint; name a run that was made with --generator {own}")
        loaded = load_network(str(source) if path is None else network or _checkpoint_of(path, own), own, device)
        say("using SeFa's directions, from the weights")
        return Source(loaded, sefa_at_once(loaded.generator), None)
    found = load_directions(path)
    given = network or (source if directions is not None and source is not None else None)
    loaded = load_network(given or _checkpoint_of(path, own), own, device)
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


def _checkpoint_of(directions: Path, own: str | None) -> str | None:
    """The checkpoint a direction set was made for; None where the user's own code stands for it.

    Raises OptionError for a run of code that the user has not named, InputFileError where a download is gone from the cache.
    """
    from orojar_cli.cli.own_generator import ask_for_generator
    from orojar_cli.demonstration import demonstration, is_demonstration
    from orojar_cli.errors import InputFileError, OptionError
    from orojar_cli.runs.run import is_in_run, load_run

    if own is not None:
        return None
    if is_in_run(directions):
        run = load_run(directions)
        made_from = run.manifest["checkpoint"]
        if "generator" in made_from:
            raise OptionError(ask_for_generator(str(run.path), made_from["generator"]))
        path = Path(made_from["path"]) if directions.name == "rotation.safetensors" else run.checkpoint
        if "url" in made_from and str(path) == made_from["path"] and not path.exists():
            raise InputFileError(f"{path}, which this run was made from, is gone; fetch it again and name it with --network ADDRESS")
        return str(path)
    if is_demonstration(directions):
        return str(demonstration()[0])
    raise click.UsageError(f"{directions} is not in a run: name its network with --network ckpt.pkl")
