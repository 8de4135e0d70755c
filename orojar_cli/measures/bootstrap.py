"""Intervals over latents, and tests whether two subjects differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from orojar_cli.errors import OptionError
from orojar_cli.measures.measurement import Measurement

_RESAMPLES = 2000
_FLIPS = 9999
_LEVEL = 0.95
# Keys of a measurement's details from which `paired_difference` learns what varies besides the latents.
WITHOUT_DIMENSION, RUNS = "without_dimension", "runs"


def interval(values: np.ndarray, seed: int = 0) -> tuple[float, float] | None:
    """95 % bootstrap interval of the mean of `values` [N]: BCa (Efron 1987), 2000 resamples, the same for the same seed.

    None for fewer than three values, of which nothing is known.
    """
    values = np.asarray(values, np.float64)
    if len(values) < 3:
        return None
    centre, width = float(values.mean()), float(np.ptp(values))
    if not width > 1e-12 * max(abs(centre), 1e-300):
        return centre, centre
    # Scaled, because scipy takes samples whose resamples hardly differ for constant ones.
    scaled = (values - centre) / width
    rng = np.random.default_rng(seed)
    found = stats.bootstrap((scaled,), np.mean, n_resamples=_RESAMPLES, confidence_level=_LEVEL, method="BCa", random_state=rng)
    low, high = found.confidence_interval
    if not np.isfinite([low, high]).all():  # the acceleration is undefined for a few degenerate samples
        low, high = np.quantile(found.bootstrap_distribution, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return centre + width * float(low), centre + width * float(high)


def linearised(statistic: Callable[[np.ndarray], float], count: int) -> tuple[float, np.ndarray]:
    """(value, per-latent values [N] whose mean it is) of a statistic that is no mean: the jackknife's pseudo-values (Tukey 1958).

    `statistic` takes the indices of the latents to use.  The pseudo-values are moved so that their mean is the value itself, with the
    statistic's small-sample bias left in it.
    """
    everything = np.arange(count)
    value = statistic(everything)
    without = np.array([statistic(np.delete(everything, index)) for index in range(count)])
    return value, value + (count - 1) * (without.mean() - without)


class PairedDifference(NamedTuple):
    """a - b with its 95 % interval, and the probability of a difference at least as large where there is none."""

    difference: float
    interval: tuple[float, float]
    p_value: float


def paired_difference(a: Measurement, b: Measurement, seed: int = 0) -> PairedDifference:
    """Compare two subjects at the same latents.

    Over latents the differences are tested by random sign flips (a permutation test of their mean) and bootstrapped.  That alone asks
    whether these very direction sets differ, and any two do, if only enough latents are looked at.  Where the measurements know what
    they would be without each one of their dimensions (the jackknife), or were repeated in runs, these variances are added to the
    latents' (t distribution, degrees of freedom by Welch and Satterthwaite), and the wider interval and the larger p-value count: then two
    random direction sets do not differ.  Raises OptionError for measurements of different things or at different latents.
    """
    if a.metric != b.metric or a.per_latent is None or b.per_latent is None or len(a.per_latent) != len(b.per_latent):
        raise OptionError(f"{a.metric} of {a.subject} and {b.metric} of {b.subject} were not measured alike; use the same samples and seed")
    differences = np.asarray(a.per_latent, np.float64) - np.asarray(b.per_latent, np.float64)
    value, count = float(differences.mean()), len(differences)
    bounds = interval(differences, seed)
    if bounds is None:
        return PairedDifference(value, (-np.inf, np.inf), 1.0)
    low, high = bounds
    p_value = _sign_flips(differences, seed)
    parts = [(differences.var(ddof=1) / count, count - 1)]
    parts += [part for measurement in (a, b) for part in _further_variances(measurement)]
    if len(parts) > 1:
        variance = sum(part for part, _ in parts)
        if not variance > 0:
            return PairedDifference(value, (low, high), p_value)
        freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts)
        half = float(stats.t.ppf((1 + _LEVEL) / 2, freedom) * variance**0.5)
        low, high = min(low, value - half), max(high, value + half)
        p_value = max(p_value, float(2 * stats.t.sf(abs(value) / variance**0.5, freedom)))
    return PairedDifference(value, (low, high), p_value)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction (1979) for several comparisons: p-values that may each be held against the level wanted for all."""
    count, running = len(p_values), 0.0
    adjusted = [0.0] * count
    for rank, index in enumerate(sorted(range(count), key=lambda index: p_values[index])):
        running = max(running, min(1.0, (count - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


def winner(measurements: Sequence[Measurement], level: float = 0.05, seed: int = 0) -> int | None:
    """Index of the subject that is better than every other by the paired tests (Holm), None where none is or none could be."""
    direction = measurements[0].better if measurements else None
    if direction is None or len(measurements) < 2 or any(measurement.per_latent is None for measurement in measurements):
        return None
    order = sorted(range(len(measurements)), key=lambda index: measurements[index].value, reverse=direction == "higher")
    first = order[0]
    tests = [paired_difference(measurements[first], measurements[index], seed) for index in order[1:]]
    return first if max(holm([test.p_value for test in tests])) < level else None


def _sign_flips(differences: np.ndarray, seed: int) -> float:
    if not np.ptp(differences) > 0:
        return 1.0 if differences[0] == 0 else 2.0 ** (1 - len(differences))
    rng = np.random.default_rng(seed)
    return float(
        stats.permutation_test(
            (differences,),
            lambda sample, axis=-1: np.mean(sample, axis=axis),
            permutation_type="samples",
            vectorized=True,
            n_resamples=_FLIPS,
            random_state=rng,
        ).pvalue
    )


def _further_variances(measurement: Measurement) -> list[tuple[float, int]]:
    """(variance of the value, degrees of freedom) over dimensions, by the jackknife, and over runs."""
    parts = []
    without = np.asarray(measurement.details.get(WITHOUT_DIMENSION, ()), np.float64)
    if len(without) > 2:
        parts.append(((len(without) - 1) * without.var(), len(without) - 1))
    runs = np.asarray(measurement.details.get(RUNS, ()), np.float64)
    if len(runs) > 1:
        parts.append((runs.var(ddof=1) / len(runs), len(runs) - 1))
    return parts
