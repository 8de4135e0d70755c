"""How sure a number is, and whether two subjects differ: one model of the variance for intervals and tests alike.

What is compared are these subjects, measured at new latents.  The number of one has a variance that is a sum of independent parts, each
with its degrees of freedom:

- over the N latents, s^2 / N of the values whose mean it is, with N - 1;
- of the draw, for direction sets whose method begins at random and gives other directions with another seed: such dimensions are
  exchangeable, and leaving out each of the K estimates what the draw adds (the jackknife, Tukey 1958), with K - 1;
- over the runs of a metric that itself trains something, their variance over their number, with one less than their number.

Interval and test take the sum for the square of the standard error of a t distribution (degrees of freedom by Welch 1947 and
Satterthwaite 1946).  For a difference the first part is that of the differences at the same latents, and the other parts of both add.
Where two intervals lie apart the difference is therefore significant; where they overlap it may be, because common latents cancel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from orojar_cli.directions import METHODS
from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.errors import OptionError
from orojar_cli.measures.measurement import Measurement

LEVEL = 0.05
# Keys of a measurement's details that say what varies besides the latents.
WITHOUT_DIMENSION, RUNS = "without_dimension", "runs"
_FEWEST_DIMENSIONS = 4


class Part(NamedTuple):
    """One part of a number's variance, and its degrees of freedom."""

    variance: float
    freedom: int


class PairedDifference(NamedTuple):
    """a - b with its 95 % interval, and the probability of a difference at least as large where there is none."""

    difference: float
    interval: tuple[float, float]
    p_value: float


def is_drawn(directions: DirectionSet) -> bool:
    """Whether the method of the set begins at random, so that its dimensions are draws."""
    return directions.method in METHODS and METHODS[directions.method].drawn


def draw_is_measured(directions: DirectionSet) -> bool:
    """Whether a metric should also tell its value without each of the dimensions: for a draw, where three or more are left."""
    return is_drawn(directions) and len(directions) >= _FEWEST_DIMENSIONS


def interval_of(per_latent: np.ndarray, details: Mapping[str, Any] | None = None) -> tuple[float, float] | None:
    """95 % interval of the mean of `per_latent` [N], with the further parts of its variance in `details`.

    None for fewer than three values, of which nothing is known.
    """
    found = _concluded(np.asarray(per_latent, np.float64), _further(details or {}))
    return None if found is None else found.interval


def paired_difference(a: Measurement, b: Measurement) -> PairedDifference:
    """Compare two subjects measured at the same latents.

    Raises OptionError for measurements of different things or at different latents.
    """
    if a.metric != b.metric or a.per_latent is None or b.per_latent is None or len(a.per_latent) != len(b.per_latent):
        raise OptionError(f"{a.metric} of {a.subject} and {b.metric} of {b.subject} were not measured alike; use the same samples and seed")
    differences = np.asarray(a.per_latent, np.float64) - np.asarray(b.per_latent, np.float64)
    found = _concluded(differences, [*_further(a.details), *_further(b.details)])
    return PairedDifference(float(differences.mean()), (-np.inf, np.inf), 1.0) if found is None else found


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction (1979) for several comparisons: p-values that may each be held against the level wanted for all."""
    count, running = len(p_values), 0.0
    adjusted = [0.0] * count
    for rank, index in enumerate(sorted(range(count), key=lambda index: p_values[index])):
        running = max(running, min(1.0, (count - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


def winner(measurements: Sequence[Measurement], level: float = LEVEL) -> int | None:
    """Index of the subject that is better than every other, None where none is or none could be.

    The best value must differ from each of the others at `level`.  A claim that needs all of several tests needs no correction for their
    number (intersection-union test, Berger 1982): the wrong subject is named most often where two are alike and all others worse.
    """
    direction = measurements[0].better if measurements else None
    if direction is None or len(measurements) < 2 or any(measurement.per_latent is None for measurement in measurements):
        return None
    order = sorted(range(len(measurements)), key=lambda index: measurements[index].value, reverse=direction == "higher")
    first = order[0]
    return first if all(paired_difference(measurements[first], measurements[index]).p_value < level for index in order[1:]) else None


def _concluded(values: np.ndarray, further: Sequence[Part]) -> PairedDifference | None:
    """The mean of values [N], its interval, and the probability of one as far from 0 by chance."""
    count, mean = len(values), float(values.mean())
    if count < 3:
        return None
    # What differs by rounding alone does not differ.
    constant = not np.ptp(values) > 1e-12 * max(abs(mean), 1e-300)
    parts = [Part(0.0 if constant else float(values.var(ddof=1)) / count, count - 1), *further]
    variance = sum(part.variance for part in parts)
    if not variance > 0:
        return PairedDifference(mean, (mean, mean), 1.0 if mean == 0 else 0.0)
    freedom = variance**2 / sum(part.variance**2 / part.freedom for part in parts)
    error = variance**0.5
    half = float(stats.t.ppf(1 - LEVEL / 2, freedom)) * error
    return PairedDifference(mean, (mean - half, mean + half), float(2 * stats.t.sf(abs(mean) / error, freedom)))


def _further(details: Mapping[str, Any]) -> list[Part]:
    parts = []
    without = np.asarray(details.get(WITHOUT_DIMENSION, ()), np.float64)
    if len(without) >= _FEWEST_DIMENSIONS - 1:
        parts.append(Part((len(without) - 1) * float(without.var()), len(without) - 1))
    runs = np.asarray(details.get(RUNS, ()), np.float64)
    if len(runs) > 1:
        parts.append(Part(float(runs.var(ddof=1)) / len(runs), len(runs) - 1))
    return parts
