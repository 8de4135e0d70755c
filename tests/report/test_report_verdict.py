from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from toy_report import measurement

from orojar_cli.measures import winner
from orojar_cli.measures.uncertainty import LEVEL, interval_of
from orojar_cli.report.verdict import differences, passed_over, winners


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


def test_of_five_sets_where_two_are_alike_the_wrong_one_wins_as_rarely_as_the_level_says() -> None:
    """The worst case: two alike, three far worse.  Of 400 metrics 20 may be marked, with a standard deviation of 4.4."""
    rng = np.random.default_rng(3)
    common = rng.normal(size=(400, 30))
    found = {
        f"m{index}": [measurement(f"m{index}", f"s{place}", latents + rng.normal(9 * (place > 1), 1, 30)) for place in range(5)]
        for index, latents in enumerate(common)
    }
    assert 8 <= len(winners(differences(found))) <= 33


def test_where_separation_is_clear_intervals_lie_apart_and_the_winner_is_marked() -> None:
    """Four standard errors between neighbours' means and more: 100 of 100; without any, neither."""
    rng = np.random.default_rng(4)
    for gap, expected in ((2.0, 100), (0.0, 0)):
        pages = {
            f"m{index}": [measurement(f"m{index}", f"s{place}", rng.normal(gap * (place > 0), 1, 30)) for place in range(4)]
            for index in range(100)
        }
        marked = winners(differences(pages))
        apart = 0
        for found in pages.values():
            first, *others = sorted((interval_of(measured.per_latent) for measured in found), key=sum)
            apart += all(first[1] < other[0] for other in others)
        assert apart == expected and abs(len(marked) - expected) <= 5
        assert all(name == "s0" for name in marked.values()) or not gap


def test_who_does_too_little_cannot_win() -> None:
    rng = np.random.default_rng(5)
    found = {"m": [measurement("m", name, rng.normal(mean, 0.1, 40)) for name, mean in (("lazy", 0), ("good", 1), ("bad", 2))]}
    assert winners(differences(found)) == {"m": "lazy"}
    assert winners(differences(found, {"lazy"})) == {"m": "good"} and passed_over(found, {"lazy"}) == {"m": ["lazy"]}
    assert [test.second for test in differences(found, {"lazy"})] == ["bad"]
    # Who is worse still has to be beaten, and where nobody is left there is no test.
    assert [test.second for test in differences(found, {"bad"})] == ["good", "bad"] and passed_over(found, {"bad"}) == {}
    assert differences(found, {"lazy", "good", "bad"}) == differences(found, {"lazy", "good"}) == []
    upwards = {"m": [measurement("m", name, rng.normal(mean, 0.1, 40), better="higher") for name, mean in (("a", 0), ("b", 1))]}
    assert winners(differences(upwards, {"a"})) == {"m": "b"} and passed_over(upwards, {"b"}) == {"m": ["b"]}


@pytest.mark.slow
def test_six_hundred_comparisons_of_noise_mark_one_in_twenty() -> None:
    """600 at 5 %: 30 expected, standard deviation 5.3."""
    marked = sum(len(winners(differences(page(np.random.default_rng(seed), 2, 3)))) for seed in range(200))
    assert 15 <= marked <= 46
