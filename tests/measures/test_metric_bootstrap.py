from __future__ import annotations

import numpy as np
import pytest

from orojar_cli.measures.bootstrap import interval, linearised


def test_intervals_cover_the_mean_as_often_as_they_say() -> None:
    """Of 200 samples of a skewed distribution; 95 % less what 40 values can do, and less the spread of 200 draws."""
    rng = np.random.default_rng(0)
    found = [interval(rng.exponential(size=40)) for _ in range(200)]
    assert 0.88 <= np.mean([low <= 1 <= high for low, high in found]) <= 0.99


def test_the_interval_of_a_large_normal_sample_is_the_textbook_one() -> None:
    values = np.random.default_rng(1).normal(3, 2, 500)
    half = 1.96 * values.std(ddof=1) / 500**0.5
    assert interval(values) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.15 * half)


def test_an_interval_is_the_same_for_the_same_seed_at_any_scale() -> None:
    values = np.random.default_rng(2).exponential(size=30)
    low, high = interval(values, 5)
    assert interval(values, 5) == (low, high) != interval(values, 6)
    assert interval(1e-12 * values, 5) == pytest.approx((1e-12 * low, 1e-12 * high), rel=1e-9)
    assert interval(1000 + 1e-6 * values, 5) == pytest.approx((1000 + 1e-6 * low, 1000 + 1e-6 * high), rel=1e-12)


def test_degenerate_samples() -> None:
    assert interval(np.full(10, 0.5)) == (0.5, 0.5)
    assert interval(np.zeros(10)) == (0, 0)
    assert interval(np.array([1.0, 2.0])) is None


def test_linearised_values_of_a_mean_are_the_values_themselves() -> None:
    values = np.random.default_rng(3).normal(size=20)
    found, per_latent = linearised(lambda rows: float(values[rows].mean()), 20)
    assert found == pytest.approx(values.mean())
    assert per_latent == pytest.approx(values)


def test_linearised_values_of_a_ratio_spread_as_the_delta_method_says() -> None:
    rng = np.random.default_rng(4)
    top, bottom = rng.uniform(1, 2, 200), rng.uniform(1, 2, 200)
    found, per_latent = linearised(lambda rows: float(top[rows].mean() / bottom[rows].mean()), 200)
    assert found == pytest.approx(per_latent.mean())
    assert per_latent - found == pytest.approx((top - found * bottom) / bottom.mean(), abs=0.02)
