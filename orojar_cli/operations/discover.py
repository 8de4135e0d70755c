"""Directions of a frozen generator, by any of the field's methods."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from orojar_cli.directions import METHODS, DirectionSet, Settings, save_directions
from orojar_cli.directions.frame import activeness_images
from orojar_cli.directions.method import Method
from orojar_cli.distributed import is_first, is_shared
from orojar_cli.errors import OptionError
from orojar_cli.generators.checks import check_noise_mode
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.points import seed_latents
from orojar_cli.latents.spaces import named_layers
from orojar_cli.media import picture_html, save_image
from orojar_cli.numbers import MOST_SAMPLES, as_seconds, check_seed, check_whole
from orojar_cli.operations.network import Network, check_noise, network_of, quiet, say_white
from orojar_cli.pictures.axes import STEPS, Look, affordable_grid, direction_grid
from orojar_cli.pictures.walk import Renderer
from orojar_cli.progress import Notice, Progress, lasting
from orojar_cli.response.budget import expected_seconds, fitting, seconds_each, timed_batch
from orojar_cli.response.outputs import Output, default_output, moved_output
from orojar_cli.runs.clock import timed
from orojar_cli.runs.resume import resumable
from orojar_cli.runs.run import DIRECTIONS, METRICS, Run, RunWriter, written_at

GRID, GRID_ROWS = "grid.png", 10
_SEEDS = (0, 1, 2, 3, 4)
# The size of the active subspace that OroJaR rotates inside, unless the caller says otherwise.
SUBSPACE = 10
NUM = 16
LEAST_SAMPLES, _MOST_SAMPLES = 8, 65_536
_WORTH_SAYING = 10.0


@dataclass(frozen=True)
class Discovery:
    """Directions found in a network; `run` is where they were written, if anywhere."""

    checkpoint: Network
    directions: DirectionSet
    look: Look
    run: Run | None = None

    def __repr__(self) -> str:
        found = self.directions
        return f"<Discovery, {len(found)} directions of {self.checkpoint.name} by {found.method} in {found.space}{written_at(self.run)}>"

    def show(self, progress: Progress | None = None) -> Image.Image:
        """The grid of the first ten directions, a row each: for every seed five strengths from -2 to +2 sigmas, of large images three."""
        found = self.directions
        return direction_grid(
            Renderer(self.checkpoint.generator, self.look.noise_mode),
            self.look.at,
            found,
            range(min(len(found), GRID_ROWS)),
            steps=self.look.steps,
            seeds=self.look.seeds,
            title=f"{found.method}: {self.checkpoint.name}",
            progress=progress,
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the directions (.safetensors) or their grid (.png, .jpg, .webp), whole or not at all."""
        if Path(path).suffix == ".safetensors":
            save_directions(self.directions, path)
        else:
            save_image(self.show(), path)

    def records(self) -> list[dict[str, Any]]:
        """The numbers of every direction, and the note on it where there is one."""
        return [dimension_record(self.directions, index) for index in range(len(self.directions))]

    def to_dict(self) -> dict[str, Any]:
        """What was found, JSON-serialisable; with a run also where it is."""
        found = self.directions
        files = {} if self.run is None else {name: str(self.run.path / file) for name, file in (("directions", DIRECTIONS), ("grid", GRID))}
        return ({} if self.run is None else {"run": str(self.run.path)} | files) | {
            "method": found.method,
            "space": found.space,
            "layers": list(found.layers),
            "options": found.options,
            "dimensions": self.records(),
        }

    def _repr_html_(self) -> str:
        return picture_html(self.show(), "the first directions") + self.directions._repr_html_()


def dimension_record(found: DirectionSet, index: int) -> dict[str, Any]:
    """The numbers of one direction, and the note on it where there is one."""
    record = {"dimension": index, "activeness": float(found.activeness[index]), "sigma": float(found.sigma[index])}
    record |= {name: float(score[index]) for name, score in found.scores.items()}
    return record | ({"note": found.note(index)} if found.note(index) else {})


@timed
def discover(
    network: Any,
    method: str = "orojar",
    *,
    space: str = "w",
    whiten: bool | None = None,
    layers: Sequence[int] | str | None = None,
    num: int | None = None,
    samples: int = 128,
    subspace: int | str | None = SUBSPACE,
    outputs: str | Sequence[str | Output] = (),
    protocol: str | None = None,
    options: Mapping[str, Any] | None = None,
    budget: float | str | None = None,
    seed: int = 0,
    seeds: Sequence[int] | None = None,
    class_index: Any = None,
    psi: float = 1.0,
    cutoff: int | None = None,
    noise_mode: str = "const",
    device: str = "auto",
    outdir: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
    command: str | None = None,
    argv: Sequence[str] = (),
    progress: Progress | None = None,
    notice: Notice = quiet,
) -> Discovery:
    """Find `num` directions of `network` (a loaded checkpoint, the name of one, or an object of your own) in a latent space.

    `method` is one of `orojar_cli.directions.METHODS`, `options` are its own; `whiten` measures the latents in standard deviations (None:
    as the method usually does); `layers` are entries of ws, or "coarse", "mid" or "fine" (None: all); `samples` latents to measure at,
    at least 8; `subspace` the size of the active subspace that OroJaR rotates inside ("auto" or None: the method chooses); `outputs`
    what of the response is compared, such as "image:8" (none: `default_output`); `seed` the method's randomness.
    `budget`, seconds or a word such as "10m", is the time that all may take: `samples`, or the steps of a method that descends, are then
    what fits, and what is least is said where that takes longer.
    `protocol` "paper" is how the authors of orojar-sgd and hessian searched in BigGAN: their options, but for those in `options`, the
    whole image, and with no `num` (otherwise 16) as many directions as the space has.
    `seeds`, `class_index`, `psi`, `cutoff` and `noise_mode` choose the images of the grid; by default five seeds, fewer (and three
    strengths instead of five) where a processor would draw for long.
    With `outdir` a numbered run is written, and `resume` goes on in the folder of an interrupted one.  In a group of processes they share
    the measuring and the first writes.
    Raises OptionError for a method, space, layer, class or option that there is not.
    """
    if method not in METHODS:
        raise OptionError(f"unknown method {method!r}; choose one of {', '.join(METHODS)}")
    chosen = METHODS[method]
    chosen.check_options(options or {})
    way = None if protocol is None else chosen.protocol(protocol)
    num = NUM if num is None and way is None else num
    if num is not None:
        check_whole("num", num, 1)
    check_whole("samples", samples, LEAST_SAMPLES)
    seconds = None if budget is None else as_seconds(budget)
    if seconds is not None and chosen.counted is None:
        raise OptionError(f"--budget: {method} has nothing that a time could choose; leave it out")
    if seconds is not None and chosen.counted in (options or {}):
        raise OptionError(f"--budget chooses the {chosen.counted}: leave out one of the two")
    check_seed(seed)
    check_noise_mode(noise_mode)
    if resume is not None and is_shared():
        raise OptionError("--resume continues a command of one process")
    if resume is not None and outdir is None:
        raise OptionError("resume continues a run that is written: give the outdir of its run, too")
    loaded = network_of(network, device, notice)
    check_noise(loaded, noise_mode, notice)
    generator = loaded.generator
    say_white(generator, notice)
    settings = Settings(
        space=space,
        whiten=chosen.whiten if whiten is None else whiten,
        layers=named_layers(generator, layers),
        num=num,
        samples=samples,
        seed=seed,
        subspace=as_size(subspace),
        outputs=tuple(map(as_output, [outputs] if isinstance(outputs, str) else outputs))
        or ((default_output(generator),) if way is None else way.outputs),
        class_index=class_index,
        options=({} if way is None else dict(way.options)) | dict(options or {}),
    )
    chosen.check(generator, settings)
    shown, steps = (tuple(seeds), STEPS) if seeds is not None else default_grid(generator, min(num or GRID_ROWS, GRID_ROWS), notice)
    look = Look(seed_latents(generator, shown, class_index, psi, cutoff), shown, noise_mode, steps)
    writes = outdir is not None and is_first()
    run = RunWriter(str(outdir), command or f"discover-{method}", loaded.run_name, resume, argv=argv) if writes else None
    identity: dict[str, Any] = {"method": method, "checkpoint": loaded.sha256, "device": str(loaded.device), "settings": settings.to_dict()}
    if seconds is not None:
        identity["budget"] = seconds
    folder = None if run is None or is_shared() else run.path
    with run or contextlib.nullcontext(), resumable(folder, identity, notice=notice) as partial:
        settings = _planned(chosen, generator, dataclasses.replace(settings, partial=partial), look, seconds, notice)
        found = chosen(generator, settings, progress)
        result = Discovery(loaded, found, look)
        if run is None:
            return result
        # What was computed is kept until the last file is written.
        recorded = settings.to_dict() | {"method": method, "protocol": protocol, "seeds": shown, "trunc": psi, "noise_mode": noise_mode}
        return dataclasses.replace(result, run=write_discovery(run, result, recorded, progress))


def _planned(method: Method, generator: Generator, settings: Settings, look: Look, budget: float | None, notice: Notice) -> Settings:
    """The settings with as much work as `budget` seconds allow; says what will be done where it takes longer than a moment."""
    at = settings.latents(generator, timed_batch(generator))
    rows = min(settings.num or GRID_ROWS, GRID_ROWS)
    pictures = (rows * (look.steps - 1) + 1) * len(look.seeds)
    beside = [((moved_output(generator),), activeness_images(generator, settings)), ((Output(),), float(pictures))]
    rest = expected_seconds(generator, at, beside)
    each = seconds_each(generator, settings.outputs, at) if method.counted else 0.0
    if budget is not None and method.counted is not None:
        least, most = (LEAST_SAMPLES, _MOST_SAMPLES) if method.counted == "samples" else (1, MOST_SAMPLES)
        images = functools.partial(_images, method, generator, settings)
        settings = method.with_count(settings, settings.partial.number("budget", lambda: fitting(budget - rest, images, each, least, most)))
    seconds = rest + each * method.images(generator, settings)
    if seconds > _WORTH_SAYING or budget is not None:
        measured = f"{method.count(settings)} {method.counted}, " if method.counted else ""
        notice(f"{method.name}: {measured}activeness, and a grid of {pictures} pictures: {lasting(seconds, budget)}")
    return settings


def _images(method: Method, generator: Generator, settings: Settings, count: int) -> float:
    return method.images(generator, method.with_count(settings, count))


def write_discovery(
    run: RunWriter, result: Discovery, options: dict[str, Any], progress: Progress | None, artefacts: Mapping[str, str] | None = None
) -> Run:
    """The run of a discovery: the directions first, so that nothing found is lost, then the numbers and the grid.  `artefacts` are files
    that are there already."""
    save_directions(result.directions, run.path / DIRECTIONS)
    for record in result.records():
        run.metric(**record)
    save_image(result.show(progress), run.path / GRID)
    return run.finish(
        options=options,
        checkpoint=result.checkpoint.record(),
        device=str(result.checkpoint.device),
        artefacts={"directions": DIRECTIONS, "grid": GRID, "metrics": METRICS} | dict(artefacts or {}),
    )


def sefa(
    network: Any, *, variant: str = "authors", normalize: bool = True, first_layer: bool = False, num: int = NUM, **options: Any
) -> Discovery:
    """SeFa's directions (Shen & Zhou, CVPR 2021), from the weights alone: `discover(network, "sefa")` under its own name.

    `normalize` gives the weights' rows unit length first, as the authors do; `first_layer` factorises the first chosen layer alone.
    `variant` "rosinality" is the factorisation of stylegan2-pytorch: rows as they are, the first ToRGB's among them, the last one's not.
    """
    own = {"variant": variant, "normalize": normalize and variant == "authors", "first_layer": first_layer}
    return discover(network, "sefa", options=own, num=num, **{"command": "sefa"} | options)


def as_size(subspace: int | str | None) -> int | None:
    """The size of the active subspace; None where the method chooses it ("auto").  Raises OptionError for another word."""
    if subspace is None or subspace == "auto":
        return None
    if type(subspace) is int:
        return subspace
    if isinstance(subspace, str) and subspace.isdecimal():
        return int(subspace)
    raise OptionError(f"--subspace {subspace!r:.60} is neither a number nor auto")


def as_output(output: str | Output) -> Output:
    """An output, or the one a word such as "image:8" means."""
    return output if isinstance(output, Output) else Output.parse(output)


def default_grid(generator: Generator, rows: int, notice: Notice = quiet) -> tuple[tuple[int, ...], int]:
    """(seeds, steps) of a grid where nobody asked for some: 0 to 4 and five, on a processor what about half a minute draws."""
    count, steps = affordable_grid(generator, rows, len(_SEEDS))
    if (count, steps) != (len(_SEEDS), STEPS):
        strengths = "" if steps == STEPS else f" at {steps} strengths"
        notice(f"large images: the grid will show {count} of the seeds 0 to {_SEEDS[-1]}{strengths}; --seeds says otherwise")
    return _SEEDS[:count], steps
