from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from orojar_cli.errors import OptionError
from orojar_cli.measures import Measurement, holm, paired_difference, winner
from orojar_cli.measures.uncertainty import RUNS, WITHOUT_DIMENSION, draw_is_measured, interval_of


def measured(values, subject: str = "a", better: str | None = "lower", **details) -> Measurement:
    values = np.asarray(values, float)
    return Measurement("loss", subject, float(values.mean()), interval_of(values, details), better, "", {}, details, values)


def drawn(rng: np.random.Generator, latents: np.ndarray, spread: float = 1.0, level: float = 0.0) -> Measurement:
    """The number of a set whose eight dimensions are draws: the mean over them of what each has at a latent, which all sets share."""
    dimensions = level + spread * rng.normal(size=(8, 1)) + latents + 0.5 * rng.normal(size=(8, len(latents)))
    return measured(dimensions.mean(0), **{WITHOUT_DIMENSION: [np.delete(dimensions, index, 0).mean() for index in range(8)]})


def test_the_interval_over_latents_is_the_textbook_one() -> None:
    values = np.random.default_rng(0).normal(3, 2, 12)
    assert interval_of(values) == pytest.approx(stats.t.interval(0.95, 11, values.mean(), stats.sem(values)))
    assert interval_of(np.array([1.0, 2.0])) is None
    assert interval_of(np.full(5, 0.3)) == pytest.approx((0.3, 0.3))


def test_the_parts_of_the_variance_add() -> None:
    """With twelve latents, five dimensions and three runs: by hand."""
    values = np.random.default_rng(0).normal(3, 2, 12)
    without, runs = [0.5, 0.2, 0.3, 0.4, 0.1], [1.0, 4.0, 7.0]
    parts = [(values.var(ddof=1) / 12, 11), (4 * np.var(without), 4), (9 / 3, 2)]
    variance = sum(part for part, _ in parts)
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts)
    expected = stats.t.interval(0.95, freedom, values.mean(), variance**0.5)
    assert interval_of(values, {WITHOUT_DIMENSION: without, RUNS: runs}) == pytest.approx(expected)


def test_intervals_cover_what_they_should() -> None:
    """Of 400 samples of skewed values, 95 % less what 40 values can do; of 400 draws of dimensions, the level of all such sets."""
    rng = np.random.default_rng(0)
    skewed = [interval_of(rng.exponential(size=40)) for _ in range(400)]
    assert 0.90 <= np.mean([low <= 1 <= high for low, high in skewed]) <= 0.98
    draws = [drawn(rng, rng.normal(size=30)).interval for _ in range(400)]
    assert 0.92 <= np.mean([low <= 0 <= high for low, high in draws]) <= 0.98


def test_two_draws_of_one_method_differ_as_rarely_as_the_level_says() -> None:
    """Of 600 pairs at common latents 30 are expected, with a standard deviation of 5; without the draw's part nearly all differ."""
    rng = np.random.default_rng(1)
    pairs = [(drawn(rng, latents), drawn(rng, latents)) for latents in rng.normal(size=(600, 30))]
    assert 15 <= sum(paired_difference(a, b).p_value < 0.05 for a, b in pairs) <= 46
    bare = [[measured(side.per_latent) for side in pair] for pair in pairs]
    assert sum(paired_difference(a, b).p_value < 0.05 for a, b in bare) > 500


def test_intervals_apart_are_significant() -> None:
    """Whatever the parts of the variance: over 3000 pairs of sets, of which a third or more lie apart."""
    rng = np.random.default_rng(2)
    apart = 0
    for _ in range(3000):
        latents = rng.normal(size=rng.integers(4, 40)) * rng.choice([0.01, 1, 10])
        a, b = (drawn(rng, latents, 10 ** rng.uniform(-3, 1), rng.normal() * 10 ** rng.uniform(-1, 1)) for _ in range(2))
        if rng.random() < 0.5:
            a = measured(a.per_latent)
        if a.interval[1] < b.interval[0] or b.interval[1] < a.interval[0]:
            apart += 1
            assert paired_difference(a, b).p_value < 0.05
    assert apart > 1000


def test_only_sets_that_begin_at_random_are_draws(direction_set) -> None:
    found = {
        method: draw_is_measured(direction_set(torch.eye(4), method=method)) for method in ("random", "hessian", "orojar-sgd", "orojar")
    }
    assert found == {"random": True, "hessian": True, "orojar-sgd": True, "orojar": False}
    assert not draw_is_measured(direction_set(torch.eye(4), method="somebody's"))
    assert not draw_is_measured(direction_set(torch.eye(4)[:3], method="random"))


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
    assert p_value == pytest.approx(float(stats.ttest_rel(a.per_latent, b.per_latent).pvalue))
    back = paired_difference(b, a)
    assert back.difference == pytest.approx(-difference) and back.p_value == pytest.approx(p_value)
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
