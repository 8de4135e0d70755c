from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from toy_report import measurement

from orojar_cli.measures import winner
from orojar_cli.report.verdict import LEVEL, differences, winners


def page(rng: np.random.Generator, subjects: int, metrics: int, gap: float = 0.0) -> dict:
    """A page whose first subject is better by `gap` standard deviations on its first metric; all else is noise."""
    return {
        f"m{metric}": [
            measurement(f"m{metric}", f"s{subject}", rng.normal(gap * (metric == 0 and subject > 0), 1, 40)) for subject in range(subjects)
        ]
        for metric in range(metrics)
    }


def test_a_clear_difference_is_found_and_named() -> None:
    found = differences(page(np.random.default_rng(1), 3, 4, gap=2.0))
    assert len(found) == 8
    assert winners(found) == {"m0": "s0"}
    assert all(test.value < 0 and test.interval[1] < 0 for test in found if test.metric == "m0")
    assert all(test.p <= test.p_corrected <= 1 for test in found)


def test_better_than_one_of_two_is_not_enough() -> None:
    rng = np.random.default_rng(0)
    first = rng.normal(0, 1, 60)
    found = {"m": [measurement("m", "a", first), measurement("m", "b", first + rng.normal(0, 0.1, 60)), measurement("m", "c", first + 5)]}
    tests = differences(found)
    assert sorted(test.significant for test in tests) == [False, True]
    assert winners(tests) == {}


def test_the_better_side_is_respected_and_its_lack_means_no_test() -> None:
    rng = np.random.default_rng(0)
    sets = {
        better: [measurement("m", name, rng.normal(mean, 0.1, 30), better=better) for name, mean in (("a", 1), ("b", 2))]
        for better in ("lower", "higher", None)
    }
    assert winners(differences({"m": sets["lower"]})) == {"m": "a"}
    assert winners(differences({"m": sets["higher"]})) == {"m": "b"}
    assert differences({"m": sets[None]}) == []
    assert differences({"m": [measurement("m", "a", None), measurement("m", "b", None, 5.0)]}) == []


def test_noise_is_marked_as_rarely_as_the_level_says() -> None:
    """On normal noise the paired t test is exact: of 60 metrics on which two sets do not differ the same ones are marked, up to two."""
    found = {f"{seed}{metric}": pair for seed in range(20) for metric, pair in page(np.random.default_rng(seed), 2, 3).items()}
    exact = {name for name, (a, b) in found.items() if stats.ttest_rel(a.per_latent, b.per_latent).pvalue < LEVEL}
    marked = {name for name, pair in found.items() if winners(differences({name: pair}))}
    assert len(exact ^ marked) <= 2


def test_the_verdict_is_that_of_the_library() -> None:
    """`orojar_cli.measures.winner` names the same subject."""
    for gap in (0.0, 0.3, 0.6, 2.0):
        found = page(np.random.default_rng(5), 3, 2, gap)
        expected = {metric: measured[index].subject for metric, measured in found.items() if (index := winner(measured)) is not None}
        assert winners(differences(found)) == expected


@pytest.mark.slow
def test_six_hundred_comparisons_of_noise_mark_one_in_twenty() -> None:
    """600 at 5 %: 30 expected, standard deviation 5.3."""
    marked = sum(len(winners(differences(page(np.random.default_rng(seed), 2, 3), seed))) for seed in range(200))
    assert 15 <= marked <= 46
