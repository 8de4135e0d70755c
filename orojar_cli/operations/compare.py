"""Direction sets, runs and networks against each other: numbers with intervals and tests, grids and films, on one page."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from orojar_cli.checkpoint.checkpoint import load_checkpoint
from orojar_cli.detectors import load_detector
from orojar_cli.directions import METHODS, DirectionSet, Settings, save_directions
from orojar_cli.errors import OptionError
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.points import seed_latents
from orojar_cli.measures import DIRECTION_METRICS, NETWORK_METRICS, MetricSettings
from orojar_cli.media import PICTURES, save_image, table_html, table_picture
from orojar_cli.numbers import as_seconds
from orojar_cli.operations.measuring import affordable_counts, say_measuring, seen_at, stopped_height
from orojar_cli.operations.network import Network, check_noise, network_of, quiet, say_white, shown_class
from orojar_cli.operations.resolve import is_direction_set, named_by, resolve
from orojar_cli.progress import Notice, Progress
from orojar_cli.report.collect import AGREEMENT, Comparison, Stopwatch
from orojar_cli.report.collect import compare as collected
from orojar_cli.report.contender import Z_AXES, Contender, distinct, found_by, z_axes
from orojar_cli.report.drawings import Drawings, ImageChoice, drawn
from orojar_cli.report.exports import folder_of
from orojar_cli.report.numbers import with_error
from orojar_cli.report.page import check_out, write_report
from orojar_cli.report.settings_text import settings_text
from orojar_cli.report.sharing import shown_command
from orojar_cli.report.view import Making
from orojar_cli.response.budget import MINUTE, seconds_each
from orojar_cli.response.outputs import Output, default_output
from orojar_cli.runs.clock import timed
from orojar_cli.runs.run import DEFAULT_OUTDIR, Run, RunWriter, check_outdir, versions, written_at

REPORT, TWIN = "report.html", "report.json"
# The latents measured at, the images of distances between networks, and the optimisation's steps.
FULL = {"samples": 128, "images": 2000, "steps": 100, "activeness": 300, "pairs": 3000}
QUICK = {"samples": 32, "images": 500, "steps": 20, "activeness": 32, "pairs": 3000}
# Of five direction sets, on a core: what fits twenty minutes, or three, on two.
_FULL_ARITHMETIC, _QUICK_ARITHMETIC = 14 * MINUTE, 2.5 * MINUTE
_CUSTOMARY_SUBJECTS = 5
_SLOW_METRICS = ("predictability",)
_SUBSPACE = 10


@dataclass(frozen=True)
class Compared:
    """A comparison with its pictures; `options` are what it was made with, `run` where it was written, if anywhere."""

    comparison: Comparison
    drawings: Drawings
    options: dict[str, Any]
    argv: tuple[str, ...] = ()
    run: Run | None = None
    report: Path | None = None

    @property
    def command(self) -> str:
        """The command line that makes it."""
        return shlex.join(["orojar", *(self.argv or ("compare",))])

    def __repr__(self) -> str:
        names = ", ".join(subject.name for subject in self.comparison.subjects)
        return f"<Compared, {len(self.comparison.measurements)} metrics of {names}{written_at(self.run)}>"

    def show(self) -> Image.Image:
        """The table of the numbers as a picture; the whole page, with films, is what `save` writes."""
        return table_picture(self.header(), self.rows())

    def _repr_html_(self) -> str:
        return table_html(self.header(), self.rows())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page (.html) with its numbers beside it (.json), or the picture of `show` (.png, .jpg, .webp); whole or not at all."""
        if Path(path).suffix.lower() in PICTURES:
            save_image(self.show(), path)
            return
        check_out(Path(path))
        facts = [
            ("Versions", ", ".join(f"{name} {version}" for name, version in versions().items())),
            ("Device", str(self.comparison.subjects[0].checkpoint.device)),
            ("Settings", settings_text(self.options)),
            *([("Run", self.run.path.name)] if self.run is not None else []),
        ]
        making = Making(shown_command(["orojar", *(self.argv or ("compare",))]), facts, self.options, versions())
        write_report(Path(path), self.comparison, self.drawings, making, self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Every number, JSON-serialisable; with a run also where it and its page are."""
        where = {} if self.run is None else {"run": str(self.run.path), "report": str(self.report)}
        made = {"command": self.command, "versions": versions(), "options": self.options}
        return where | made | self.comparison.to_dict()

    def header(self) -> list[str]:
        """The heading of `rows`: the metric, then the sets compared."""
        return ["metric", *(subject.name for subject in self.comparison.subjects)]

    def notes(self) -> list[str]:
        """What the marks of `rows` mean, and which sets do too little to be marked."""
        notes = ["value ± half of its 95 % interval; * better than every other set, by tests with the same variance"]
        if self.comparison.aims:
            notes.append("† what the set's method itself minimises")
        notes += [
            f"{name} moves the images {share:.2f} times as far as the most active set, too little to be marked"
            for name, share in self.comparison.inactive.items()
        ]
        return notes

    def rows(self) -> list[list[str]]:
        """A row of text for each metric: value ± half of its 95 % interval, a star where a set is better than all others (tests), a dagger
        where its method itself minimises the number."""
        names = self.header()[1:]
        rows = []
        for metric, found in self.comparison.measurements.items():
            by_name = {measurement.subject: measurement for measurement in found}
            marks = dict.fromkeys(self.comparison.aims.get(metric, ()), "†")
            best = self.comparison.winners.get(metric)
            cells = [
                with_error(by_name[name].value, by_name[name].interval) + ("*" if name == best else " ") + marks.get(name, " ")
                if name in by_name
                else ""
                for name in names
            ]
            rows.append([f"{metric} ({found[0].better or 'neither'})", *cells])
        return rows


@timed
def compare(
    *sources: Any,
    methods: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    num: int = 10,
    space: str = "w",
    whiten: bool = True,
    steps: int | None = None,
    samples: int | None = None,
    budget: float | str | None = None,
    detector: str = "pixels",
    world: str | None = None,
    protocol: str = "small",
    quick: bool = False,
    network: str | os.PathLike[str] | None = None,
    seeds: Sequence[int] = (0, 1, 2, 3),
    seed: int = 0,
    class_index: Any = None,
    psi: float = 1.0,
    cutoff: int | None = None,
    noise_mode: str = "const",
    device: str = "auto",
    out: str | os.PathLike[str] | None = None,
    outdir: str | os.PathLike[str] | None = None,
    argv: Sequence[str] = (),
    progress: Progress | None = None,
    notice: Notice = quiet,
) -> Compared:
    """Compare what `sources` name: networks, runs and direction sets by name, or results that have a `checkpoint` and `directions`.

    One network alone: the directions of `methods` (None: those that a comparison runs unasked) are found and compared.  Several: their
    direction sets, and the z axes of networks.  One run of fine-tuning: the z axes before and after.  Without a source the newest run,
    else the demonstration.
    `metrics` are names of what to measure (None: all; `quick` leaves out the slow ones and measures less); `num` directions of each set,
    the first or most active; `space`, `whiten`, `steps` (of methods that optimise), `samples` and `seed` are those of the methods, and
    `samples` and `seed` of the metrics; `network` the checkpoint of direction sets that are in no run, also those of other tools.
    With `outdir` a numbered run is written, the page in it or at `out`.
    Raises OptionError for a method, metric or space there is not, and for fewer than two sets.
    """
    wanted = chosen_metrics(metrics, quick)
    check_methods(methods)
    if out is not None:
        check_out(Path(out))
    if outdir is not None:
        check_outdir(outdir)
    watch = Stopwatch()
    given = _given(sources or (None,), network, device, notice)
    first = given[0].checkpoint
    class_index = shown_class(first.generator, class_index, "comparing at", notice)
    check_noise(first, noise_mode, notice)
    say_white(first.generator, notice)
    watch.lap("loading")
    height = stopped_height(first.generator, detector, 2 if quick else 1)
    seen: dict[int, Network] = {}

    def see(checkpoint: Network) -> Network:
        return seen.setdefault(id(checkpoint), seen_at(checkpoint, height))

    given = [dataclasses.replace(each, checkpoint=see(each.checkpoint)) for each in given]
    first = given[0].checkpoint
    seconds = None if budget is None else as_seconds(budget)
    # Of small networks nothing is said beforehand, and nothing timed.
    said = height is not None or seconds is not None
    each = seconds_each(first.generator, (Output(),), seed_latents(first.generator, seeds[:2], class_index, psi, cutoff)) if said else 0.0
    counts = _affordable(dict(QUICK if quick else FULL), first.generator, num, quick, None if seconds is None else seconds / each)
    if said:
        say_measuring(counts, height, each * _images(counts, num, quick), seconds, notice)
    counts |= {name: value for name, value in (("samples", samples), ("steps", steps)) if value is not None}
    search = Settings(
        space=space,
        whiten=whiten,
        num=num,
        samples=counts["samples"],
        seed=seed,
        subspace=min(_SUBSPACE, num, first.generator.w_dim),
        outputs=(default_output(first.generator),),
        class_index=class_index,
        options={"steps": counts["steps"]},
    )
    measuring = MetricSettings(
        samples=counts["samples"],
        images=counts["images"],
        activeness_samples=counts["samples"] if quick else counts["activeness"],
        seed=seed,
        class_index=class_index,
        psi=psi,
        detector=load_detector(detector, first.critic if detector == "critic" else None, first.device),
        protocol=protocol,
        pairs=counts["pairs"] if height is not None and protocol == "small" else None,
        world=world,
    )
    found = [contender.top(num) for contender in contenders(given, methods, search, progress, notice, see)]
    watch.lap("methods")
    subjects = distinct(found)
    comparison = collected(subjects, measuring, wanted, watch, progress)
    drawings = drawn(subjects, comparison.calibrations, ImageChoice(tuple(seeds), class_index, psi, cutoff, noise_mode), progress, quick)
    watch.lap("pictures")
    options = search.to_dict() | {"methods": methods, "metrics": wanted, "images": counts["images"], "trunc": psi, "noise_mode": noise_mode}
    options |= {"seeds": seeds, "detector": measuring.detector.name, "protocol": protocol, "quick": quick}
    options |= {"seen": "image" if height is None else f"early:{height}", "activeness_samples": measuring.activeness_samples}
    result = Compared(comparison, drawings, options, tuple(argv))
    return result if outdir is None else _written(result, Path(outdir), None if out is None else Path(out))


@dataclass(frozen=True)
class Given:
    """One source: a network, its directions and where they are kept, or None; `before` is the network it was tuned from."""

    checkpoint: Network
    directions: DirectionSet | None = None
    path: Path | None = None
    before: Path | None = None


def _given(sources: Sequence[Any], network: Any, device: str, notice: Notice) -> list[Given]:
    """The networks and directions of all sources; a network that several share is kept once."""
    networks: dict[str, Network] = {}
    given = [_one(source, network, device, notice) for source in sources]
    return [dataclasses.replace(each, checkpoint=networks.setdefault(each.checkpoint.sha256, each.checkpoint)) for each in given]


def _one(source: Any, network: Any, device: str, notice: Notice) -> Given:
    if network is not None and isinstance(source, (str, Path)) and not is_direction_set(Path(source)):
        source = resolve(directions=source, network=network, device=device, notice=notice)
    if source is None or isinstance(source, (str, Path)):
        named = named_by(source, DEFAULT_OUTDIR, notice)
        # The demonstration as a word is a network, for whose directions the methods are run.
        if named.path is None or (source is not None and named.checkpoint is not None):
            return Given(network_of(named.checkpoint, device, notice))
        source = resolve(named.path, network=None if named.run is not None else network, device=device, notice=notice)
    if hasattr(source, "directions") and hasattr(source, "checkpoint"):
        return Given(source.checkpoint, source.directions, getattr(source, "path", None), getattr(source, "before", None))
    return Given(network_of(source, device, notice))


def _images(counts: dict[str, int], num: int, quick: bool) -> float:
    """About how many images a comparison of the customary number of sets measures."""
    samples = counts["samples"]
    each = 46 + 10 * min(16, max(4, samples // 4)) + 4 * samples + 3 * counts["activeness"]
    images = num * each + 33 * min(64, samples) + (0 if quick else 2 * counts["pairs"])
    return float(_CUSTOMARY_SUBJECTS * images)


def _affordable(counts: dict[str, int], generator: Generator, num: int, quick: bool, images: float | None) -> dict[str, int]:
    """As many of everything as the arithmetic of a comparison allows, or so many `images`, in proportion."""
    always, all_of_it = (_images(each, num, quick) for each in (dict.fromkeys(counts, 0), counts))
    arithmetic = _QUICK_ARITHMETIC if quick else _FULL_ARITHMETIC
    return affordable_counts(counts, generator, always, all_of_it, arithmetic, images)


def contenders(
    given: Sequence[Given],
    methods: Sequence[str] | None,
    search: Settings,
    progress: Progress | None = None,
    notice: Notice = quiet,
    see: Callable[[Network], Network] = lambda network: network,
) -> list[Contender]:
    """What the sources mean: their direction sets, the z axes of networks beside others, and what the methods find.

    A network alone is for the methods; a tuned network alone is compared with the one it was tuned from.  `see` is what networks are
    looked at through.
    """
    alone = given[0] if len(given) == 1 else None
    subjects = [
        z_axes(each.checkpoint, search, progress)
        if each.directions is None
        else Contender(each.directions.method, each.checkpoint, each.directions, None if each.path is None else str(each.path))
        for each in given
        if each.directions is not None or alone is None
    ]
    if alone is not None and alone.before is not None:
        notice(f"comparing with the network it was tuned from, {alone.before}")
        subjects.append(z_axes(see(load_checkpoint(alone.before, alone.checkpoint.device)), search, progress))
    by_default = tuple(name for name, method in METHODS.items() if method.compared) if alone is not None and alone.before is None else ()
    for name in methods if methods is not None else by_default:
        try:
            subjects.append(found_by(name, given[0].checkpoint, search, progress))
        except OptionError as error:
            # Of the methods nobody asked for, those that this network or space does not have are left out.
            if methods is not None:
                raise
            notice(f"without {name}: {error}")
    return subjects


def chosen_metrics(metrics: Sequence[str] | None, quick: bool = False) -> list[str]:
    """The metrics to measure; raises OptionError for one that there is not."""
    known = [*DIRECTION_METRICS, *NETWORK_METRICS, AGREEMENT]
    for name in metrics or ():
        if name not in known:
            raise OptionError(f"--metrics {name!r} is none of {', '.join(known)}")
    return list(metrics) if metrics else [name for name in known if not (quick and name in _SLOW_METRICS)]


def check_methods(methods: Sequence[str] | None) -> None:
    """Raise OptionError for a method that there is not."""
    for name in methods or ():
        if name not in METHODS:
            raise OptionError(f"--methods {name!r} is none of {', '.join(METHODS)}")


def _written(result: Compared, outdir: Path, out: Path | None) -> Compared:
    """The run: the directions found for the comparison, its numbers, the page in it or at `out`."""
    comparison = result.comparison
    first = comparison.subjects[0].checkpoint
    with RunWriter(outdir, "compare", first.run_name, argv=result.argv) as run:
        page = out or run.path / REPORT
        artefacts = {"report": str(page.resolve()) if out else REPORT, "numbers": str(page.with_suffix(".json").resolve()) if out else TWIN}
        artefacts["files"] = str(folder_of(page).resolve()) if out else folder_of(page).name
        for subject in comparison.subjects:
            # Those that were made here are kept, for orojar traverse; z axes need no file.
            if subject.origin is None and subject.checkpoint is first and subject.directions.method != Z_AXES:
                name = re.sub(r"[^A-Za-z0-9._-]+", "-", subject.name) + ".safetensors"
                save_directions(subject.directions, run.path / name)
                artefacts[subject.name] = name
        for found in comparison.measurements.values():
            for measurement in found:
                run.metric(**{name: value for name, value in measurement.to_dict().items() if name not in ("details", "source")})
        unfinished = Run(run.path, {})
        dataclasses.replace(result, run=unfinished, report=page).save(page)
        finished = run.finish(options=result.options, checkpoint=first.record(), device=str(first.device), artefacts=artefacts)
    return dataclasses.replace(result, run=finished, report=page)
