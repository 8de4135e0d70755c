from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from orojar_cli.errors import OptionError
from orojar_cli.measures import Measurement, holm, paired_difference, winner
from orojar_cli.measures.bootstrap import RUNS, WITHOUT_DIMENSION, interval, linearised


def measured(values, subject: str = "a", better: str | None = "lower", **details) -> Measurement:
    values = np.asarray(values, float)
    return Measurement("loss", subject, float(values.mean()), None, better, "", {}, details, values)


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


def test_holm_steps_down() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.9]) == [1, 1]
    assert holm([]) == []


def test_the_paired_test_finds_what_the_pairs_show() -> None:
    """The latents differ much more than the subjects do."""
    rng = np.random.default_rng(5)
    common = 10 * rng.normal(size=60)
    a, b = measured(common + 0.3 * rng.normal(size=60)), measured(common + 0.5 + 0.3 * rng.normal(size=60), "b")
    difference, (low, high), p_value = paired_difference(a, b)
    assert low < difference < high < 0 and p_value < 0.001
    assert p_value == pytest.approx(float(stats.ttest_rel(a.per_latent, b.per_latent).pvalue), abs=0.001)
    back = paired_difference(b, a)
    assert back.difference == pytest.approx(-difference) and back.p_value == pytest.approx(p_value, abs=2e-4)
    assert winner([b, a]) == 1
    assert winner([b, a, measured(common + 0.3 * rng.normal(size=60), "c")]) is None
    assert winner([measured(common, better=None), measured(common + 1, "b", None)]) is None


def test_what_varies_over_dimensions_or_runs_is_no_difference() -> None:
    rng = np.random.default_rng(6)
    common = rng.normal(size=200)
    plain = paired_difference(measured(common), measured(common + 0.1, "b"))
    assert plain.p_value < 0.001
    wobbly = {WITHOUT_DIMENSION: [0.5, 0.2, 0.3, 0.4, 0.1]}
    found = paired_difference(measured(common, **wobbly), measured(common + 0.1, "b", **wobbly))
    assert found.p_value > 0.2 and found.interval[0] < -0.1 < 0 < found.interval[1]
    runs = {RUNS: [0.1, 0.4, 0.9]}
    assert paired_difference(measured(common, **runs), measured(common + 0.1, "b", **runs)).p_value > 0.2
    firm = {WITHOUT_DIMENSION: [0.5, 0.501, 0.499, 0.5, 0.5]}
    assert paired_difference(measured(common, **firm), measured(common + 0.1, "b", **firm)).p_value < 0.001


def test_the_same_values_do_not_differ() -> None:
    a = measured([1.0, 2.0, 3.0, 5.0])
    assert paired_difference(a, a) == (0, (0, 0), 1)
    assert paired_difference(measured([1.0, 2.0]), measured([2.0, 4.0])).p_value == 1


def test_only_like_is_compared_with_like() -> None:
    other = Measurement("vp", "b", 0.0, None, "higher", "", {}, {}, np.zeros(3))
    for wrong in (other, measured([1.0, 2.0, 3.0, 4.0], "b"), Measurement("loss", "b", 0.0, None, "lower", "")):
        with pytest.raises(OptionError, match="not measured alike"):
            paired_difference(measured([1.0, 2.0, 3.0]), wrong)
