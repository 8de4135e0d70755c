"""Measuring directions and networks: every number with its interval."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from orojar_cli.detectors import load_detector
from orojar_cli.directions import DirectionSet
from orojar_cli.directions.sefa import sefa_at_once
from orojar_cli.errors import OptionError
from orojar_cli.files import write_text
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.points import seed_latents
from orojar_cli.measures import DIRECTION_METRICS, NETWORK_METRICS, Measurement, MetricSettings, agreement
from orojar_cli.measures.worlds import WORLDS, world_of
from orojar_cli.media import PICTURES, save_image, table_html, table_picture
from orojar_cli.numbers import as_seconds
from orojar_cli.operations.measuring import affordable_counts, say_measuring, seen_at, stopped_height
from orojar_cli.operations.metric_names import AGREEMENT, NAMES, OF_DIRECTIONS, OF_NETWORKS
from orojar_cli.operations.network import network_of, quiet, shown_class
from orojar_cli.operations.resolve import resolve
from orojar_cli.operations.traverse import source_of
from orojar_cli.progress import Notice, Progress
from orojar_cli.response.budget import MINUTE, seconds_each, timed_batch
from orojar_cli.response.outputs import Output, is_small
from orojar_cli.runs.clock import timed
from orojar_cli.runs.run import METRICS, Run, RunWriter, is_in_run, load_run, written_at

# Where nobody says otherwise, and what is measured of large networks with: what fits some minutes on two cores.
_COUNTS = {"samples": 128, "images": 2000, "activeness": 300, "pairs": 3000}
_ARITHMETIC = 5 * MINUTE


@dataclass(frozen=True)
class Metrics:
    """What was measured of a network and its directions; `path` is the file of the directions, `run` where the numbers were written."""

    checkpoint: Any
    directions: DirectionSet
    measurements: list[Measurement]
    path: Path | None = None
    run: Run | None = None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the numbers as JSON, or the picture of `show` (.png, .jpg, .webp)."""
        if Path(path).suffix.lower() in PICTURES:
            save_image(self.show(), path)
            return
        write_text(Path(path), json.dumps(self.to_dict(), indent=2) + "\n")

    def to_dict(self) -> dict[str, Any]:
        """The numbers with their settings, JSON-serialisable."""
        return ({} if self.run is None else {"run": str(self.run.path)}) | {
            "checkpoint": self.checkpoint.sha256,
            "directions": None if self.path is None else str(self.path),
            "method": self.directions.method,
            "space": self.directions.space,
            "measurements": [measurement.to_dict() for measurement in self.measurements],
        }

    def rows(self) -> list[list[str]]:
        """A row of text for each number: metric with what saw the images, subject, value, interval, which side is better."""
        rows = []
        for measurement in self.measurements:
            interval = "" if measurement.interval is None else "{:.4g} … {:.4g}".format(*measurement.interval)
            seen = measurement.settings.get("detector")
            name = measurement.metric + (f" ({seen})" if seen else "")
            rows.append([name, measurement.subject, f"{measurement.value:.4g}", interval, measurement.better or "-"])
        return rows

    def show(self) -> Image.Image:
        """The table of the numbers as a picture."""
        return table_picture(HEADER, self.rows())

    def __repr__(self) -> str:
        found = self.directions
        numbers, where = len(self.measurements), written_at(self.run)
        return f"<Metrics, {numbers} numbers of {self.checkpoint.name} and its {len(found)} directions by {found.method}{where}>"

    def _repr_html_(self) -> str:
        return table_html(HEADER, self.rows())


HEADER = ["metric", "of", "value", "95 % interval", "better"]


@timed
def metrics(
    checkpoint: Any,
    directions: Any = None,
    *,
    names: Sequence[str] = (),
    against: Any = None,
    num: int | None = 10,
    samples: int | None = None,
    images: int | None = None,
    budget: float | str | None = None,
    detector: str | None = None,
    protocol: str = "small",
    world: str | None = None,
    seed: int = 0,
    class_index: Any = None,
    psi: float = 1.0,
    device: str = "auto",
    path: Path | None = None,
    against_name: str | None = None,
    outdir: str | os.PathLike[str] | None = None,
    argv: Sequence[str] = (),
    progress: Progress | None = None,
    notice: Notice = quiet,
) -> Metrics:
    """Measure the first `num` directions of a network, and the network: all metrics that apply, or those of `names`.

    `checkpoint` is a loaded one, the name of one, or an object of your own, put on `device` where it is not loaded.  `directions` is a set,
    a result that has one, or the name of one (default: SeFa's, from the weights); `against` another result of the same kind, with
    `.checkpoint` and `.directions`, or the name of a run or network.  `samples` (128) latents for Jacobians and factors and `images` (2000)
    for path lengths and distances; of large networks, or with a `budget` of time, as many as it allows.  `detector` sees the images for
    path lengths and distances (default: the critic where there is one and the images are small, else pixels).  Large images are looked at
    as they are at 32 pixels where the skip architecture gives them so, but whole by a critic.  `world` is that of the images ("shapes",
    "bars", "sprites"), recognised for our own networks.  `path` and `against_name` say in run.json where directions and the other come
    from.
    """
    _check(names, against is not None)
    checkpoint = network_of(checkpoint, device, notice)
    if isinstance(against, (str, Path)):
        against, against_name = resolve(against, device=device, notice=notice), against_name or str(against)
    if isinstance(directions, (str, Path)):
        named = source_of(checkpoint, directions, device, notice)
        directions, path = named.directions, path or named.path
    if directions is None:
        directions = sefa_at_once(checkpoint.generator)
    found: DirectionSet = directions if isinstance(directions, DirectionSet) else directions.directions
    found.check_fits(checkpoint.generator, checkpoint.sha256)
    class_index = shown_class(checkpoint.generator, class_index, "measuring at", notice)
    height = stopped_height(checkpoint.generator, detector)
    critic = getattr(checkpoint, "critic", None) if detector == "critic" or (detector is None and height is None) else None
    eye = load_detector(detector or ("pixels" if critic is None else "critic"), critic, checkpoint.device)
    seen = seen_at(checkpoint, height)
    looked = (seen.generator, None if against is None else seen_at(against.checkpoint, height).generator)
    cost = functools.partial(_images, names=names, num=num or len(found), networks=1 if against is None else 2)
    seconds = None if budget is None else as_seconds(budget)
    # Of small networks nothing is said beforehand, and nothing timed.
    each = 0.0
    if seconds is not None or height is not None or not is_small(seen.generator):
        at = seed_latents(seen.generator, range(timed_batch(seen.generator)), class_index, psi)
        each = seconds_each(seen.generator, (Output(),), at)
    counts = affordable_counts(_COUNTS, seen.generator, 0, cost(_COUNTS), _ARITHMETIC, None if seconds is None else seconds / each)
    counts |= {name: value for name, value in (("samples", samples), ("images", images)) if value is not None}
    if each:
        say_measuring(counts, height, each * cost(counts), seconds, notice)
    settings = MetricSettings(
        samples=counts["samples"],
        images=counts["images"],
        activeness_samples=counts["activeness"],
        pairs=counts["pairs"] if protocol == "small" and counts["pairs"] != _COUNTS["pairs"] else None,
        seed=seed,
        num=num,
        class_index=class_index,
        psi=psi,
        detector=eye,
        protocol=protocol,
        world=world or _world_of(path),
    )
    result = Metrics(checkpoint, found, [], path)
    if outdir is None:
        return replace(result, measurements=_measured(result, looked, against, names, settings, progress))
    # Made first, so that a folder that cannot be written is noticed before the work.
    with RunWriter(outdir, "metrics", checkpoint.run_name, argv=argv) as run:
        result = replace(result, measurements=_measured(result, looked, against, names, settings, progress))
        for measurement in result.measurements:
            run.metric(**measurement.to_dict())
        options: dict[str, Any] = {
            "metrics": list(names),
            "against": against_name,
            "directions": None if path is None else str(path),
            "num": num,
        }
        options |= {"samples": settings.samples, "images": settings.images, "activeness_samples": settings.activeness_samples}
        options |= {"seed": seed, "class": class_index, "trunc": psi, "detector": eye.name}
        options |= {"seen": "image" if height is None else f"early:{height}"}
        options |= {"protocol": protocol, "world": settings.world}
        finished = run.finish(
            options=options, checkpoint=checkpoint.record(), device=str(checkpoint.device), artefacts={"metrics": METRICS}
        )
    return replace(result, run=finished)


def _check(names: Sequence[str], compared: bool) -> None:
    for name in names:
        if name not in NAMES:
            raise OptionError(f"unknown metric {name!r}; choose of {', '.join(NAMES)}")
        if not compared and name in (AGREEMENT, "distribution"):
            raise OptionError(f"--metric {name} compares with another network or direction set: name it with --against")


def _world_of(path: Path | None) -> str | None:
    """The world of the network that the run's was tuned from, whose images it still draws, where that is one of our own."""
    return None if path is None or not is_in_run(path) else world_of(load_run(path).manifest["checkpoint"].get("sha256"))


def _images(counts: Mapping[str, int], names: Sequence[str], num: int, networks: int) -> float:
    """About how many images are drawn for the metrics of these names, or for all."""
    samples, images = counts["samples"], counts["images"]
    costs = {
        "orthogonality": 2 * num * samples,
        "hessian": 33 * min(64, samples),
        "activeness": 3 * num * counts["activeness"],
        "predictability": 2 * counts["pairs"],
        "direction_length": 2 * num * samples,
        "path_length": 8 * images * networks,
        "distribution": 3 * images if networks > 1 else 0,
        "ground_truth": images + 2 * num * samples if "ground_truth" in names else 0,
    }
    return max(1.0, sum(cost for name, cost in costs.items() if not names or name in names))


def _measured(
    found: Metrics,
    looked: tuple[Generator, Generator | None],
    other: Any,
    names: Sequence[str],
    settings: MetricSettings,
    progress: Progress | None,
) -> list[Measurement]:
    """Every metric asked for, or all that apply; `looked` are the generators of both as they are looked at."""
    generator, beside = looked
    made: list[Measurement] = []
    for name in OF_DIRECTIONS:
        if name not in names and (names or (name == "predictability" and len(settings.chosen(found.directions)) < 2)):
            continue
        part = DIRECTION_METRICS[name](generator, found.directions, settings, progress)
        if not part and names:
            raise OptionError(f"--metric {name} needs a world whose factors can be measured: name it with --world ({', '.join(WORLDS)})")
        made += part
    same = other is None or other.checkpoint.sha256 == found.checkpoint.sha256
    named = replace(settings, subject="network", other="the other network")
    for name in OF_NETWORKS:
        if name in names or not names:
            made += NETWORK_METRICS[name](generator, None if same else beside, named, progress)
    if other is not None and (AGREEMENT in names or (not names and same)):
        made += agreement(found.directions, other.directions, settings)
    return made
