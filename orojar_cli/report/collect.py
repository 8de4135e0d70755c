"""The measuring: every metric on every subject, at the same latents and calibrated steps."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from orojar_cli.errors import DirectionSetError, OptionError
from orojar_cli.measures import DIRECTION_METRICS, NETWORK_METRICS, Measurement, MetricSettings, agreement
from orojar_cli.progress import Progress
from orojar_cli.report.calibration import LEAST_ACTIVE, Calibration, calibrated, shares_of_activity
from orojar_cli.report.contender import Contender
from orojar_cli.report.verdict import Difference, differences, passed_over, winners
from orojar_cli.runs.clock import began

# How strong a dimension is in its own sigmas is what activeness tells; at calibrated steps all would be alike.
IN_SIGMAS = ("activeness",)
AGREEMENT = "agreement"
_STREAM, _MOST_CALIBRATING, _FEWEST_CALIBRATING = 90, 16, 4


@dataclass(frozen=True)
class Comparison:
    """Everything the page shows, but for pictures.

    `measurements` of the direction sets by metric, in the order of the subjects; `networks` those of pairs of networks; `agreements` one
    list of measurements per pair of sets in the same space of one network; `skipped` the metrics that could not be measured, with the
    reason; `seconds` by stage.
    """

    subjects: list[Contender]
    calibrations: list[Calibration]
    measurements: dict[str, list[Measurement]]
    differences: list[Difference]
    networks: list[Measurement] = field(default_factory=list)
    agreements: list[tuple[str, str, list[Measurement]]] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def inactive(self) -> dict[str, float]:
        """The subjects that move the images too little to be called better -> how far, over how far the most active one does."""
        return inactive(self.subjects, self.calibrations)

    @property
    def passed_over(self) -> dict[str, list[str]]:
        """Metric -> the inactive subjects that would have had the best value."""
        return passed_over(self.measurements, self.inactive)

    @property
    def aims(self) -> dict[str, list[str]]:
        """Metric -> the subjects whose method itself minimises it."""
        return {
            metric: names
            for metric in self.measurements
            if (names := [subject.name for subject in self.subjects if metric in subject.minimises])
        }

    @property
    def winners(self) -> dict[str, str]:
        """Metric -> the subject that is better than every other by the paired tests."""
        return winners(self.differences)

    def to_dict(self) -> dict[str, Any]:
        """Every number of the comparison, JSON-serialisable."""
        document = {
            "subjects": [
                subject.to_dict() | {"calibration": calibration.to_dict()}
                for subject, calibration in zip(self.subjects, self.calibrations, strict=True)
            ],
            "measurements": [measurement.to_dict() for found in self.measurements.values() for measurement in found],
            "differences": [difference.to_dict() for difference in self.differences],
            "winners": self.winners,
            "inactive": self.inactive,
            "passed_over": self.passed_over,
            "minimised_by": self.aims,
            "networks": [measurement.to_dict() for measurement in self.networks],
            "agreements": [
                {"first": first, "second": second, "measurements": [measurement.to_dict() for measurement in found]}
                for first, second, found in self.agreements
            ],
            "skipped": self.skipped,
            "seconds": self.seconds,
        }
        return cast(dict[str, Any], _finite(document))


def _finite(value: Any) -> Any:
    """The same with null for numbers that JSON does not have."""
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class Stopwatch:
    """Seconds by stage, from when the work began."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter() - (time.time() - began())

    def lap(self, stage: str) -> None:
        """Book the time since the last lap on a stage."""
        now = time.perf_counter()
        self.seconds[stage] = round(self.seconds.get(stage, 0.0) + now - self._last, 3)
        self._last = now


def compare(
    subjects: Sequence[Contender], settings: MetricSettings, metrics: Iterable[str], watch: Stopwatch, progress: Progress | None = None
) -> Comparison:
    """Calibrate the steps of all subjects together, at a quarter of the settings' samples (4 to 16), then measure every metric on each at
    the same latents.

    A metric that does not apply to a network or a space is left out, with its reason, where it raises OptionError.
    """
    chosen = list(metrics)
    count = max(_FEWEST_CALIBRATING, min(_MOST_CALIBRATING, settings.samples // 4))
    points = [settings.latents(subject.checkpoint.generator, count, _STREAM) for subject in subjects]
    pairs = [(subject.checkpoint.generator, subject.directions) for subject in subjects]
    calibrations = calibrated(pairs, points, progress)
    watch.lap("calibration")
    measurements: dict[str, list[Measurement]] = {}
    skipped: dict[str, str] = {}
    for name in [name for name in DIRECTION_METRICS if name in chosen]:
        for subject, calibration in zip(subjects, calibrations, strict=True):
            directions = subject.directions if name in IN_SIGMAS else calibration.applied(subject.directions)
            named = dataclasses.replace(settings, subject=subject.name)
            try:
                found = DIRECTION_METRICS[name](subject.checkpoint.generator, directions, named, _staged(progress, subject.name))
            except OptionError as error:
                skipped[f"{name} of {subject.name}"] = str(error)
                continue
            for measurement in found:
                measurements.setdefault(measurement.metric, []).append(measurement)
        watch.lap(name)
    tests = differences(measurements, inactive(subjects, calibrations))
    watch.lap("tests")
    agreements = _agreements(subjects, settings) if AGREEMENT in chosen else []
    networks = _networks(subjects, settings, [name for name in NETWORK_METRICS if name in chosen], skipped, progress)
    watch.lap("agreement and networks")
    return Comparison(list(subjects), calibrations, measurements, tests, networks, agreements, skipped, watch.seconds)


def inactive(subjects: Sequence[Contender], calibrations: Sequence[Calibration]) -> dict[str, float]:
    """Name -> share of activity of the subjects that move the images less than `LEAST_ACTIVE` as far as the most active one."""
    shares = zip(subjects, shares_of_activity(calibrations), strict=True)
    return {subject.name: share for subject, share in shares if share < LEAST_ACTIVE}


def network_names(subjects: Sequence[Contender]) -> dict[str, str]:
    """SHA-256 -> a name of its own for every network among the subjects, in their order."""
    names: dict[str, str] = {}
    for subject in subjects:
        if subject.checkpoint.sha256 not in names:
            path = Path(subject.checkpoint.path)
            name = path.name if path.name not in names.values() else f"{path.parent.name}/{path.name}"
            names[subject.checkpoint.sha256] = name if name not in names.values() else f"{name} ({len(names) + 1})"
    return names


def _agreements(subjects: Sequence[Contender], settings: MetricSettings) -> list[tuple[str, str, list[Measurement]]]:
    made = []
    for first, second in itertools.combinations(subjects, 2):
        # Sets of different networks, or in spaces that have no common coordinates, neither agree nor disagree.
        with contextlib.suppress(DirectionSetError):
            found = agreement(first.directions, second.directions, settings)
            subject = f"{first.name} and {second.name}"
            made.append((first.name, second.name, [dataclasses.replace(measurement, subject=subject) for measurement in found]))
    return made


def _networks(
    subjects: Sequence[Contender], settings: MetricSettings, metrics: Sequence[str], skipped: dict[str, str], progress: Progress | None
) -> list[Measurement]:
    """The network metrics of every network, and of the first one against each other; nothing where there is one network only."""
    names = network_names(subjects)
    generators = {names[subject.checkpoint.sha256]: subject.checkpoint.generator for subject in subjects}
    (first, generator), *others = generators.items()
    made: list[Measurement] = []
    for metric, (name, other) in itertools.product(metrics, others):
        named = dataclasses.replace(settings, subject=first, other=name)
        try:
            found = NETWORK_METRICS[metric](generator, other, named, _staged(progress, name))
        except OptionError as error:
            skipped[f"{metric} of {name}"] = str(error)
            continue
        known = {(measurement.metric, measurement.subject) for measurement in made}
        made += [measurement for measurement in found if (measurement.metric, measurement.subject) not in known]
    return made


def _staged(progress: Progress | None, subject: str) -> Progress | None:
    if progress is None:
        return None
    return lambda stage, done, total: progress(f"{stage}, {subject}", done, total)
