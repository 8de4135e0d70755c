"""Intervals by the bootstrap, and statistics that are no means as means of values per latent."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import stats

_RESAMPLES = 2000
_LEVEL = 0.95


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
