"""What a SOURCE names: a network, and the directions that belong to it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orojar_cli.demonstration import DEMO, demonstration, is_demonstration
from orojar_cli.directions.direction_set import DirectionSet, load_directions
from orojar_cli.directions.imported import SUFFIXES, read_directions
from orojar_cli.directions.sefa import sefa_at_once
from orojar_cli.errors import DirectionSetError, InputFileError, OptionError
from orojar_cli.fetch.address import Fetching, is_address
from orojar_cli.operations.network import Network, load, quiet
from orojar_cli.progress import Notice, Progress
from orojar_cli.runs.run import DEFAULT_OUTDIR, Run, is_in_run, latest_run, load_run

# In place of a direction set's name: SeFa's, made from the weights on the spot.
SEFA = "sefa"
OWN_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


@dataclass(frozen=True)
class Source:
    """A loaded network with directions that fit it; `path` is where the directions are kept, None for those made just now.

    `before` is the file the network was tuned from, where it is a tuned one of a run.
    """

    checkpoint: Network
    directions: DirectionSet
    path: Path | None
    before: Path | None = None


@dataclass(frozen=True)
class Named:
    """What one word names.  `path` is the file of a direction set, or None where the word names a checkpoint alone, at `checkpoint`;
    `run` is the run it is in."""

    path: Path | None = None
    checkpoint: str | None = None
    run: Run | None = None

    @property
    def directions(self) -> DirectionSet:
        """The direction set in the file."""
        assert self.path is not None
        return load_directions(self.path)


def named_by(source: str | Path | None, outdir: str | Path = DEFAULT_OUTDIR, notice: Notice = quiet) -> Named:
    """What a SOURCE names: a run folder, a file in one, a direction set, a checkpoint, "demo", or with None the newest run, else the
    demonstration; `notice` is told which was taken."""
    if source is None:
        newest = latest_run(outdir, notice)
        if newest is None:
            notice("no run yet: showing the bundled demonstration")
            return _demonstration()
        notice(f"using the newest run, {newest.path}")
        return Named(newest.directions, run=newest)
    if str(source) == DEMO:
        return _demonstration()
    path = Path(source)
    run = load_run(path) if is_in_run(path) or path.is_dir() else None
    if path.suffix == ".safetensors" and is_direction_set(path):
        return Named(path, run=run)
    if run is not None and (path.is_dir() or path.suffix != ".pkl" or run.checkpoint == path):
        return Named(run.directions, run=run)
    return Named(checkpoint=str(source))


def _demonstration() -> Named:
    checkpoint, directions = demonstration()
    return Named(directions, str(checkpoint))


def is_direction_set(path: Path) -> bool:
    """Whether the file is a direction set of our own, or is not of a kind that other tools' directions come in."""
    if path.suffix not in SUFFIXES:
        return True
    if path.suffix != ".safetensors":
        return False
    try:
        load_directions(path)
    except DirectionSetError:
        return False
    return True


def resolve(
    source: str | Path | None = None,
    *,
    directions: str | Path | None = None,
    network: str | Path | None = None,
    own: Callable[[], Network] | None = None,
    own_name: str = "",
    device: str = "auto",
    outdir: str | Path = DEFAULT_OUTDIR,
    fetching: Fetching | None = None,
    progress: Progress | None = None,
    notice: Notice = quiet,
) -> Source:
    """The network and directions of a SOURCE; `directions`, `network` or `own` (a maker of the user's own network, called `own_name`) say
    where that part comes from instead.

    A checkpoint without directions gets SeFa's, computed on the spot, and so does every SOURCE with the word "sefa" for `directions`.
    Checkpoints may be addresses or "demo"; the SHA-256 of `fetching` is that of the checkpoint named.
    Raises DirectionSetError when the two do not belong together, OptionError for words that say too much or too little.
    """
    fetching = fetching or Fetching()
    made_anew = directions is not None and str(directions) == SEFA
    given = None if made_anew else directions
    if own is not None:
        _check_own(source, given, network, own_name, outdir)
    named = Named(Path(given)) if given is not None else Named(checkpoint=str(source)) if _is_remote(source) else None
    named = named or named_by(source, outdir, notice)
    checkpoint = network or (source if given is not None else named.checkpoint if named.path is None or source == DEMO else None)
    if fetching.sha256 is not None and checkpoint is None:
        raise OptionError("--sha256 verifies a checkpoint named on this line, and there is none")
    if named.path is None and own is None and network is not None:
        raise OptionError("name a run, a checkpoint or a direction set")
    if named.path is None and own is not None:
        raise OptionError(f"{source} is a checkpoint; name a run that was made with --generator {own_name}")
    if own is not None:
        loaded: Network = own()
    else:
        found = checkpoint or checkpoint_of(named, notice)
        loaded = load(found, device, fetching=fetching if checkpoint is not None else None, progress=progress, notice=notice)
    if named.path is None or made_anew:
        notice("using SeFa's directions, from the weights")
        return Source(loaded, sefa_at_once(loaded.generator), None)
    if given is not None and not is_direction_set(named.path):
        # Those of another tool belong to the network that is named beside them; there is no run to keep names in.
        return Source(loaded, read_directions(named.path, loaded.generator, measured=False, progress=progress), None)
    kept = named.directions
    kept.check_fits(loaded.generator, loaded.sha256)
    return Source(loaded, kept, named.path, _tuned_from(named, loaded))


def resolve_network(
    source: str | Path | None = None,
    *,
    network: str | Path | None = None,
    own: Callable[[], Network] | None = None,
    device: str = "auto",
    outdir: str | Path = DEFAULT_OUTDIR,
    fetching: Fetching | None = None,
    progress: Progress | None = None,
    notice: Notice = quiet,
) -> Network:
    """The network of a SOURCE alone, as `resolve` finds it; no directions are made.

    Raises OptionError for words that say too much.
    """
    if own is not None:
        if network is not None or source is not None:
            raise OptionError(f"--generator and {network or source} name two networks; leave one out")
        return own()
    fetching = fetching or Fetching()
    named = Named(checkpoint=str(network or source)) if network is not None or _is_remote(source) else named_by(source, outdir, notice)
    if fetching.sha256 is not None and named.checkpoint is None:
        raise OptionError("--sha256 verifies a checkpoint named on this line, and there is none")
    found = named.checkpoint or checkpoint_of(named, notice)
    return load(found, device, fetching=fetching if named.checkpoint is not None else None, progress=progress, notice=notice)


def _is_remote(source: Any) -> bool:
    return source is not None and is_address(str(source))


def _check_own(source: Any, directions: Any, network: Any, name: str, outdir: str | Path) -> None:
    """Raise OptionError where the words beside the user's own network name another one, or nothing that it could be shown along."""
    if network is not None:
        raise OptionError("--generator and --network name two networks; leave one out")
    if source is not None and directions is not None:
        raise OptionError(f"with --generator the directions are those of {source} or of --directions; leave one out")
    if source is None and directions is None and latest_run(outdir) is None:
        raise OptionError(f"no run yet: make one with orojar discover --generator {name}")


def checkpoint_of(named: Named, notice: Notice = quiet) -> str:
    """The checkpoint that a direction set was made for.

    Raises OptionError for a run of code that the user has not named, and for a set that is in no run; InputFileError where a download is
    gone from the cache.
    """
    path = named.path
    assert path is not None
    run = named.run or (load_run(path) if is_in_run(path) else None)
    if run is not None:
        made_from = run.manifest["checkpoint"]
        if "generator" in made_from:
            raise OptionError(ask_for_generator(str(run.path), made_from["generator"]))
        found = Path(made_from["path"]) if path.name == "rotation.safetensors" else run.checkpoint
        if "url" in made_from and str(found) == made_from["path"] and not found.exists():
            raise InputFileError(f"{found}, which this run was made from, is gone; fetch it again and name it with --network ADDRESS")
        return str(found)
    if is_demonstration(path):
        return str(demonstration()[0])
    raise OptionError(f"{path} is not in a run: name its network with --network ckpt.pkl")


def _tuned_from(named: Named, loaded: Network) -> Path | None:
    """The file that the network of a run was tuned from, where it is another one and still there."""
    path = named.path
    run = named.run or (load_run(path) if path is not None and is_in_run(path) else None)
    if run is None:
        return None
    before = Path(run.manifest["checkpoint"]["path"])
    return before if Path(loaded.path).resolve() != before.resolve() and before.is_file() else None


def ask_for_generator(run: str, name: object) -> str:
    """What to type for a run made with --generator.  The name stands in a file, so it is shown and not followed."""
    shown = name if isinstance(name, str) and len(name) <= 120 and name.isascii() and OWN_NAME.fullmatch(name) else "package.module:factory"
    return (
        f"{run} was made with its maker's own generator, code that orojar runs only when you name it; if you trust that code: "
        f"orojar traverse {shlex.quote(run)} --generator {shown}"
    )
