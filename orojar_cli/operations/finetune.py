"""Fine-tuning a network so that every axis of z means one thing: find, fold, write, read back, draw."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from orojar_cli.checkpoint.checkpoint import Checkpoint, load_checkpoint
from orojar_cli.checkpoint.contents import read_contents
from orojar_cli.checkpoint.writer import default_format, keeps_layers, own_suffix, save_checkpoint
from orojar_cli.directions import DirectionSet, Settings, save_directions
from orojar_cli.distributed import alone, is_first, is_shared
from orojar_cli.errors import CheckpointError, OptionError, UnsupportedCheckpointError
from orojar_cli.generators.families import has_pickle_form
from orojar_cli.generators.own.object import weights_sha256
from orojar_cli.latents.points import seed_latents
from orojar_cli.latents.spaces import Latents
from orojar_cli.media import PICTURES, picture_html, save_image
from orojar_cli.numbers import as_seconds
from orojar_cli.operations.before_after import before_after_grid
from orojar_cli.operations.discover import as_output
from orojar_cli.operations.mapping import train
from orojar_cli.operations.mapping_settings import MappingSettings
from orojar_cli.operations.network import check_noise, network_of, quiet, say_white
from orojar_cli.pictures.axes import STEPS, Look, direction_grid, grid_size
from orojar_cli.pictures.walk import Renderer
from orojar_cli.progress import Notice, Progress, lasting
from orojar_cli.report.run_summary import SUMMARY, write_run_summary
from orojar_cli.response.budget import seconds_each, timed_batch
from orojar_cli.response.outputs import Output, moved_output
from orojar_cli.runs.clock import timed
from orojar_cli.runs.resume import Partial, resumable
from orojar_cli.runs.run import DIRECTIONS, METRICS, Run, RunWriter, check_outdir, written_at
from orojar_cli.tuning.rotation import (
    Rotation,
    axes_as_directions,
    default_samples,
    find_rotation,
    fitting_samples,
    fold_rotation,
    images_of,
    latents_after,
    rotation_as_directions,
    z_pullback,
)

MODES = ("rotation", "mapping")
TUNED, SAFETENSORS, ROTATION = "tuned", "tuned.safetensors", "rotation.safetensors"
ROWS = 10


class TunedCheckpoint(Checkpoint):
    """A checkpoint whose generator is a copy that fine-tuning changes; the one it was made from stays as it is.

    `training` is G, the copy that training tools go on with, likewise to be changed; None where the file has none that is like G_ema, and
    `left` then says why it stays as it is ("" where there is nothing to say).
    """

    def __init__(self, original: Checkpoint, ema_only: bool = False) -> None:
        self.__dict__ |= original.__dict__
        self.generator = copy.deepcopy(original.generator, {id(original.contents): original.contents})
        self.training: Any = None
        self.left = ""
        entries = original.contents.entries
        if not ema_only and entries.get("G") is not None:
            try:
                stored = original.contents.network("G")
                if stored.config != original.generator.config:
                    raise UnsupportedCheckpointError("not supported: its options differ from G_ema's")
                self.training = self.build("G", stored)
            except CheckpointError as error:
                self.left = f"G, the copy that training tools go on with, stays as it was: {error}"

    @functools.cached_property
    def sha256(self) -> str:
        """SHA-256 of the tuned weights, for there is no file of them yet."""
        return weights_sha256(self.generator, self.name)


@dataclass(frozen=True)
class Tuning:
    """What fine-tuning made.

    `checkpoint` is the tuned network: the run's file read back, or without a run the network in memory; of one's own code it is the
    network as it was, for nothing is folded there.  `directions` are its z axes, most active first; `rotation` the same axes as
    directions of the `original`, in mode "rotation".  `numbers` are what was measured, `history` the records of training, `changed` the
    names of the tensors that a run's file does not share with the original; `tuned_at` are the tuned network's latents of the pictures
    that the original draws at `look`; `expected` the squared changes along the original's axes to first order, where they are known.
    """

    checkpoint: Any
    original: Any
    mode: str
    directions: DirectionSet
    rotation: DirectionSet | None
    numbers: dict[str, Any]
    history: list[dict[str, Any]] = field(repr=False)
    look: Look = field(repr=False)
    tuned_at: Latents = field(repr=False)
    expected: Tensor | None = field(default=None, repr=False)
    run: Run | None = None
    changed: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Tuning ({self.mode}) of {self.original.name}, {len(self.directions)} axes{written_at(self.run)}>"

    def show(self) -> Image.Image:
        """The z axes before and after, from the same picture; of one's own code the new axes."""
        return self._axes() if self.checkpoint is self.original else self._before_after()

    def save(self, path: str | os.PathLike[str], *, also_g: bool = False, format: str | None = None) -> None:
        """Write the tuned network (.pkl, .safetensors, what `save_checkpoint` knows), or the picture of `show` (.png, .jpg, .webp).

        Raises OptionError for a network of one's own code, which has no file: its axes are `directions`.
        """
        if Path(path).suffix.lower() in PICTURES:
            save_image(self.show(), Path(path))
            return
        if not isinstance(self.checkpoint, Checkpoint):
            raise OptionError("your own generator's weights are not written; save .directions, which are directions of z")
        training = getattr(self.checkpoint, "training", None)
        save_checkpoint(self.checkpoint, path, also_g=also_g, training=training if self.mode == "rotation" else None, format=format)

    def to_dict(self) -> dict[str, Any]:
        """The numbers, JSON-serialisable; with a run also its files."""
        document: dict[str, Any] = {}
        if self.run is not None:
            shown = self.run.manifest["artefacts"]
            if not isinstance(self.original, Checkpoint):
                shown = {name: file for name, file in shown.items() if name in ("directions", "grid")}
            document = {"run": str(self.run.path), **{name: str(self.run.path / file) for name, file in shown.items()}}
            if isinstance(self.original, Checkpoint):
                document["changed_tensors"] = list(self.changed)
        return document | self.numbers | {"activeness": self.directions.activeness.tolist()}

    def _repr_html_(self) -> str:
        return picture_html(self.show(), "z axes before and after fine-tuning")

    @property
    def _rows(self) -> range:
        return range(self._grid[0])

    @property
    def _grid(self) -> tuple[int, int]:
        """Rows and steps of the pictures."""
        return grid_size(self.original.generator, min(ROWS, len(self.directions)), max(2, len(self.look.seeds)), STEPS)

    def _axes(self, shared: bool = False) -> Image.Image:
        """`shared` as for a Renderer."""
        method = "exact OroJaR" if self.mode == "rotation" else "OroJaR mapping"
        title = f"{method if self.checkpoint is self.original else f'after {method}'}: {self.original.name}"
        renderer = Renderer(self.checkpoint.generator, self.look.noise_mode, shared=shared)
        return direction_grid(renderer, self.look.at, self.directions, self._rows, steps=self._grid[1], seeds=self.look.seeds, title=title)

    def _before_after(self, shared: bool = False) -> Image.Image:
        before, after = (Renderer(network.generator, self.look.noise_mode, shared=shared) for network in (self.original, self.checkpoint))
        first = self.look.at[:1]
        return before_after_grid(
            before,
            after,
            first,
            self.tuned_at[:1],
            self.directions,
            self._rows,
            seed=self.look.seeds[0],
            steps=self._grid[1],
            expected=self.expected,
        )


@dataclass(frozen=True)
class _Made:
    """What a mode found: the settings it measured by, its axes for the tuned network's hash, and what a `Tuning` says of them."""

    settings: Settings
    axes: Callable[[str], DirectionSet]
    numbers: dict[str, Any]
    tuned_at: Callable[[Latents], Latents]
    rotation: Callable[[str], DirectionSet] | None = None
    expected: Tensor | None = None
    history: list[dict[str, Any]] = field(default_factory=list)


@timed
def finetune(
    checkpoint: Any,
    mode: str = "rotation",
    *,
    samples: int | None = None,
    budget: float | str | None = None,
    outputs: str | Sequence[str | Output] = (),
    mapping: MappingSettings | None = None,
    also_g: bool = False,
    ema_only: bool = False,
    format: str | None = None,
    safetensors: bool = False,
    seeds: Sequence[int] = (0, 1),
    seed: int = 0,
    class_index: Any = None,
    psi: float = 1.0,
    cutoff: int | None = None,
    noise_mode: str = "const",
    device: str = "auto",
    outdir: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
    argv: Sequence[str] = (),
    progress: Progress | None = None,
    notice: Notice = quiet,
) -> Tuning | None:
    """Make the z axes of a network change its images orthogonally (OroJaR); the checkpoint given is not changed.

    `checkpoint` is a loaded one, the name of one, or an object of your own; `device` is where one that is named is put.

    `mode` "rotation" turns z exactly, which leaves the distribution of images as it is; "mapping" trains all mapping layers as
    `mapping` says.  `samples` are the latents a rotation is measured at, `outputs` what is compared ("image", "image:SIZE", ...).
    `budget`, seconds or a word such as "10m", chooses what that time allows before the pictures are drawn: the samples of a rotation, or
    all steps, images and latents of a training, in proportion (a quarter of an hour where the defaults take one: a quarter of each).
    With an `outdir` the tuned file and its pictures are written into a numbered run, in the container of the input or in `format`
    ("nvlabs", "rosinality", "genforce", "safetensors"; `safetensors`: in that form as well), and `resume` continues an interrupted
    training.  G, the copy that training tools go on with, is rotated too, which is exact for it, or gets the trained mapping; not with
    `ema_only`, and where it cannot be, that is said, or with `also_g` refused.  `seeds` and what follows draw the pictures.  In a
    group of processes all share the work and the first alone gets the result, the others None.
    Raises OptionError where the network cannot be tuned so, DriftError where training moved the images too far.
    """
    tell = notice if is_first() else quiet
    checkpoint = network_of(checkpoint, device, tell)
    check_noise(checkpoint, noise_mode, tell)
    say_white(checkpoint.generator, tell)
    own = not isinstance(checkpoint, Checkpoint)
    _check(mode, own, resume is not None, outdir is not None, also_g or ema_only or safetensors or format is not None)
    if also_g and ema_only:
        raise OptionError("--also-g and --ema-only contradict each other; leave one out")
    seconds = None if budget is None else as_seconds(budget)
    if seconds is not None and samples is not None:
        raise OptionError("--budget chooses the samples of a rotation: leave out one of --budget and --samples")
    if outdir is not None:
        check_outdir(outdir)
    progress = progress if is_first() else None
    generator = checkpoint.generator
    parsed = tuple(map(as_output, [outputs] if isinstance(outputs, str) else outputs))
    settings = Settings(space="z", seed=seed, outputs=parsed or (moved_output(generator),), class_index=class_index)
    if samples is not None:
        settings = dataclasses.replace(settings, samples=samples)
    # The mapping of a conditional network is trained for all classes; the pictures show one.
    shown = 0 if mode == "mapping" and generator.c_dim and class_index is None else class_index
    at, seeds = seed_latents(generator, seeds, shown, psi, cutoff), tuple(seeds)
    options = {"mode": mode, "seeds": seeds, "trunc": psi, "noise_mode": noise_mode, "ema_only": ema_only}
    changing = checkpoint if own else TunedCheckpoint(checkpoint, ema_only)
    if not own and also_g and changing.training is None:
        checkpoint.contents.network("G")
        raise UnsupportedCheckpointError(f"not supported: G and G_ema of {checkpoint.name} have different options; leave out --also-g")
    if not own and changing.left:
        tell(changing.left)
    writer = functools.partial(RunWriter, outdir or "", "finetune", checkpoint.run_name, resume, argv=argv)
    writes = outdir is not None and is_first()
    if mode == "rotation":
        run = writer() if writes else None
        identity = {"mode": mode, "checkpoint": checkpoint.sha256, "device": str(checkpoint.device), "settings": settings.to_dict()}
        identity["samples"] = samples
        if seconds is not None:
            identity["budget"] = seconds
        keeping: contextlib.AbstractContextManager[Partial] = resumable(
            None if run is None or is_shared() else run.path, identity, notice=tell
        )
    else:
        training = mapping or MappingSettings()
        options |= training.to_dict()
        run = writer(label="finetune-mapping") if writes else None
        keeping = contextlib.nullcontext(Partial())
    # What was computed is kept until the last file is written.
    with run or contextlib.nullcontext(), keeping as partial:
        if mode == "rotation":
            made = _rotated(changing, dataclasses.replace(settings, partial=partial), samples is None, seconds, options, progress, tell)
        else:
            # In the other processes of a group the folder is only a word: the first one's file is what all read.
            folder = run.path if run is not None else None if outdir is None else Path(outdir)
            strip, narrow = (at[:1], seeds[0]), keeps_layers(checkpoint, format)
            trained = train(changing, settings, parsed, training, folder, strip, progress, tell, seconds, narrow)
            made = _Made(settings, trained.axes, trained.numbers, lambda at: at, history=trained.history)
        if outdir is None and not is_first():
            return None
        # Hashes are for what is written and returned.
        named, before = (changing.sha256, checkpoint.sha256) if is_first() else ("", "")
        if not own:
            changing.generator.identity = named
        look = Look(at, seeds, noise_mode)
        rotation = None if made.rotation is None else made.rotation(before)
        axes = made.axes(named)
        tuning = Tuning(changing, checkpoint, mode, axes, rotation, made.numbers, made.history, look, made.tuned_at(at), made.expected)
        if outdir is None:
            return tuning
        written = _written(run, tuning, made.axes, made.settings.to_dict() | options, format, safetensors, tell)
    if run is None or written is None:
        return None
    changed = f" (changed: {_some(written.changed)})" if written.changed else ""
    assert written.run is not None
    files = (DIRECTIONS, "grid.png") if own else tuple(written.run.manifest["artefacts"].values())
    tell(f"wrote {run.path}: {', '.join(files)}{changed}")
    return written


def _check(mode: str, own: bool, resumes: bool, written: bool, files: bool) -> None:
    if mode not in MODES:
        raise OptionError(f"unknown mode {mode!r}; choose rotation or mapping")
    if resumes and not written:
        raise OptionError("resume continues a run that is written: give the outdir of its run, too")
    if resumes and is_shared() and mode == "rotation":
        raise OptionError("--resume continues a command of one process")
    if own and (mode != "rotation" or files):
        raise OptionError("your own generator's weights are not written: with --generator only --mode rotation, as directions of z")


def _rotated(
    changing: Any,
    settings: Settings,
    free: bool,
    budget: float | None,
    options: dict[str, Any],
    progress: Progress | None,
    notice: Notice,
) -> _Made:
    """Find the rotation, and fold it into a copy of a checkpoint's network; one's own network stays as it is.

    The number of samples is `free` where nobody asked for one: what fits `budget` seconds, or else a default run, along the directions that
    move the outputs.
    """
    generator, started = changing.generator, time.monotonic()
    pullbacks = z_pullback(generator, settings, progress=progress)
    inside, _ = pullbacks
    each = seconds_each(generator, settings.outputs, settings.latents(generator, timed_batch(generator)))
    left = None if budget is None else budget - (time.monotonic() - started)
    if left is not None:
        count = settings.partial.number("budget", lambda: fitting_samples(left, each, len(inside)))
        settings = dataclasses.replace(settings, samples=count)
    elif free:
        settings = dataclasses.replace(settings, samples=default_samples(generator, settings.outputs, len(inside)))
    seconds = each * images_of(settings.samples, len(inside))
    notice(
        f"measuring {settings.samples} latents on {', '.join(map(str, settings.outputs))}, along {len(inside)} directions of "
        f"{inside.response.space} that hold {inside.captured:.1%} of what moves it: {lasting(seconds, left)}"
    )
    rotation: Rotation = find_rotation(generator, settings, progress, pullbacks)
    record = settings.to_dict() | (options if not isinstance(changing, TunedCheckpoint) else {})

    def of_original(sha256: str) -> DirectionSet:
        return rotation_as_directions(rotation, sha256, generator.num_ws, record)

    if not isinstance(changing, TunedCheckpoint):
        return _Made(settings, of_original, rotation.to_dict(), lambda at: at)
    fold_rotation(generator, rotation.matrix)
    if changing.training is not None:
        fold_rotation(changing.training, rotation.matrix)
    return _Made(
        settings=settings,
        axes=lambda sha256: axes_as_directions(rotation, sha256, generator.num_ws, record),
        numbers=rotation.to_dict(),
        tuned_at=lambda at: latents_after(rotation, at),
        rotation=of_original,
        expected=rotation.before,
    )


def _names(checkpoint: Checkpoint, format: str | None) -> dict[str, str]:
    """Formats to write the tuned network in, the first that is possible, with the file's name in each."""
    contents = checkpoint.contents
    own = getattr(contents.generator.config, "file_ending", None) or own_suffix(contents)
    suffixes = {"input": own, "nvlabs": ".pkl", "rosinality": ".pt", "genforce": ".pth", "safetensors": ".safetensors"}
    if format is not None:
        if format not in suffixes:
            raise OptionError(f"unknown format {ascii(format)[:40]}; choose one of {', '.join(suffixes)}")
        return {format: TUNED + suffixes[format]}
    possible: tuple[str, ...] = (
        ("input", "nvlabs", "safetensors") if has_pickle_form(contents.generator.config) else ("input", "safetensors")
    )
    if keeps_layers(checkpoint, "input") and checkpoint.generator.config != contents.generator.config:
        possible = possible[1:]
    else:
        possible = tuple(dict.fromkeys((default_format(contents), *possible)))
    return {each: TUNED + suffixes[each] for each in possible}


def _check_alone(path: Path, checkpoint: Checkpoint) -> None:
    """Raise UnsupportedCheckpointError where a written file is not the network by itself: some need a file of options beside them."""
    try:
        found = read_contents(path).generator.config
    except CheckpointError as error:
        raise UnsupportedCheckpointError(f"{path.name} is not read without the files beside {checkpoint.name}") from error
    if found != checkpoint.generator.config:
        raise UnsupportedCheckpointError(f"{path.name} says less of the network without the files beside {checkpoint.name}")


def _save_tuned(tuning: Tuning, folder: Path, format: str | None, notice: Notice) -> tuple[str, list[str]]:
    """Write the tuned network; the file's name, and the names of the changed tensors.

    What was computed is not lost where the input's container has no place for it: then the next one is written, and said.
    """
    checkpoint = tuning.checkpoint
    rotated = tuning.mode == "rotation"
    copies = {"training": checkpoint.training} if rotated else {"also_g": checkpoint.training is not None}
    names = _names(checkpoint, format)
    for each, name in names.items():
        try:
            changed = save_checkpoint(checkpoint, folder / name, format=each, **(copies if each in ("input", "nvlabs", "genforce") else {}))
            _check_alone(folder / name, checkpoint)
            return name, changed
        except (UnsupportedCheckpointError, OptionError) as error:
            (folder / name).unlink(missing_ok=True)
            if each == list(names)[-1]:
                raise
            notice(f"another container is written than the input's: {error}")
    raise AssertionError("no format")


def _written(
    run: RunWriter | None,
    tuning: Tuning,
    axes: Callable[[str], DirectionSet],
    options: dict[str, Any],
    format: str | None,
    safetensors: bool,
    notice: Notice,
) -> Tuning | None:
    """The tuning as a run: the file, its axes as directions, and pictures drawn by the file read back.

    The other processes of a group, which have no `run`, draw their share of the pictures, with the network in memory.
    """
    artefacts: dict[str, str] = {}
    original, has_file = tuning.original, isinstance(tuning.checkpoint, Checkpoint)
    if run is not None:
        with alone():
            tuning, artefacts = _files(run, tuning, axes, format, safetensors, notice)
    pictures = {"before-after.png": tuning._before_after(shared=True)} if has_file else {}
    pictures["grid.png"] = tuning._axes(shared=True)
    if run is None:
        return None
    with alone():
        for name, picture in pictures.items():
            save_image(picture, run.path / name)
        device = str(torch.device(original.device))
        finished = run.finish(options=options, checkpoint=original.record(), device=device, artefacts=artefacts)
        if SUMMARY in artefacts.values():
            write_run_summary(finished, tuning.directions, tuning.numbers, tuning.history)
    return dataclasses.replace(tuning, run=finished)


def _files(
    run: RunWriter, tuning: Tuning, axes: Callable[[str], DirectionSet], format: str | None, safetensors: bool, notice: Notice
) -> tuple[Tuning, dict[str, str]]:
    """Write what was found, so that a disk that is full afterwards takes nothing of it: the tuning with its file read back, and the names
    of what the run will hold."""
    artefacts: dict[str, str] = {}
    if tuning.rotation is not None and isinstance(tuning.checkpoint, Checkpoint):
        save_directions(tuning.rotation, run.path / ROTATION)
        artefacts["rotation"] = ROTATION
    if isinstance(tuning.checkpoint, Checkpoint):
        network, changed = _save_tuned(tuning, run.path, format, notice)
        artefacts |= {"checkpoint": network, "directions": DIRECTIONS, "grid": "grid.png", "before_after": "before-after.png"}
        artefacts |= {"metrics": METRICS, "summary": SUMMARY}
        if safetensors and network != SAFETENSORS:
            save_checkpoint(tuning.checkpoint, run.path / SAFETENSORS)
            artefacts["safetensors"] = SAFETENSORS
        # What is shown is what was written.
        tuned = load_checkpoint(run.path / network, tuning.original.device)
        tuning = dataclasses.replace(tuning, checkpoint=tuned, directions=axes(tuned.sha256), changed=tuple(changed))
    else:
        artefacts = {"directions": DIRECTIONS, "grid": "grid.png", "metrics": METRICS}
    save_directions(tuning.directions, run.path / DIRECTIONS)
    for record in (tuning.numbers, *tuning.history):
        run.metric(**record)
    for index, active in enumerate(tuning.directions.activeness.tolist()):
        run.metric(dimension=index, activeness=active)
    return tuning, artefacts


def _some(names: Sequence[str]) -> str:
    """The first three of some names, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
