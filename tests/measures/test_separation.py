"""What separates two sets of points: against a world made by hand, scikit-learn, and sides that are dealt at random."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from orojar_cli.measures import separation as measured
from orojar_cli.measures.separation import auc, interval, separation, shuffled


def sides(count: int, among: int, dims: int, weights: dict[int, float], noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(the `count` points of `among` that lie furthest along some weights, noise beside; as many others at random)."""
    rng = np.random.default_rng(seed)
    points, score = rng.standard_normal((among, dims)), noise * rng.standard_normal(among)
    for index, weight in weights.items():
        score += weight * points[:, index]
    order = np.argsort(-score)
    return points[order[:count]], points[rng.permutation(order[count:])[: 3 * count]]


def test_a_known_combination_is_found_and_nothing_else() -> None:
    found = separation(*sides(40, 800, 16, {2: 0.8, 7: -0.6}, 0.2))
    assert np.flatnonzero(found.weights).tolist() == [2, 7]
    assert found.weights[[2, 7]] == pytest.approx([0.8, -0.6], abs=0.1) and np.linalg.norm(found.weights) == pytest.approx(1)
    assert found.auc > 0.97 and found.interval[0] > 0.85 and found.p < 0.001 and found.better_than_chance
    assert found.kept[2] == found.kept[7] == 1


def test_no_more_dimensions_than_asked_for() -> None:
    weights = dict.fromkeys(range(8), 1.0)
    found = separation(*sides(40, 800, 10, weights, 0.1), most=3)
    assert np.count_nonzero(found.weights) == 3 and not found.weights[8:].any()


def test_chance_is_called_chance() -> None:
    rng = np.random.default_rng(7)
    found = [separation(rng.standard_normal((8, 10)), rng.standard_normal((12, 10))) for _ in range(8)]
    assert all(one.interval[0] <= 0.5 <= one.interval[1] for one in found)
    assert not any(one.better_than_chance for one in found)
    assert 0.3 < np.mean([one.auc for one in found]) < 0.7


def test_the_score_is_of_points_that_were_not_looked_at() -> None:
    """More coordinates than points: what was looked at is separated perfectly, whatever it is."""
    rng = np.random.default_rng(3)
    examples, others = rng.standard_normal((10, 60)), rng.standard_normal((10, 60))
    found = separation(examples, others)
    assert auc(examples @ found.weights, others @ found.weights) > 0.8
    assert found.auc < 0.7 and found.interval[0] < 0.5 and not found.better_than_chance


def test_the_same_numbers_give_the_same() -> None:
    points = sides(10, 100, 6, {1: 1.0}, 0.5)
    first, second = separation(*points, seed=3), separation(*points, seed=3)
    assert np.array_equal(first.weights, second.weights) and (first.auc, first.interval, first.p) == (second.auc, second.interval, second.p)
    assert np.array_equal(first.kept, second.kept)


def test_units_do_not_choose_the_direction_s_sign() -> None:
    examples, others = sides(12, 200, 5, {1: 1.0}, 0.3)
    there, back = separation(examples, others), separation(others, examples)
    assert there.weights[1] > 0.9 and back.weights[1] < -0.9


def test_the_area_is_scikit_learn_s() -> None:
    rng = np.random.default_rng(0)
    above, below = rng.integers(0, 6, 30).astype(float) + 1, rng.integers(0, 6, 50).astype(float)
    assert auc(above, below) == pytest.approx(roc_auc_score(np.r_[np.ones(30), np.zeros(50)], np.r_[above, below]), abs=1e-12)


@pytest.mark.filterwarnings("ignore:'penalty' was deprecated", "ignore:Inconsistent values")
def test_the_minimum_is_scikit_learn_s() -> None:
    """The same objective: mean logistic loss plus the penalty times the absolute weights, the intercept free."""
    rng = np.random.default_rng(1)
    points = rng.standard_normal((60, 6))
    side = (points[:, 0] - 0.5 * points[:, 3] + rng.standard_normal(60) > 0.3).astype(float)
    design = np.c_[np.ones(60), points]
    penalty, share = 0.05, np.full((1, 60), 1 / 60)
    step = 4 * 60 / np.linalg.norm(design, 2) ** 2
    ours = measured._minimum(design, side, share, np.zeros((1, 7)), np.array([penalty]), step)[0]
    theirs = LogisticRegression(penalty="l1", C=1 / (60 * penalty), solver="saga", tol=1e-8, max_iter=20_000).fit(points, side)
    assert ours[0] == pytest.approx(theirs.intercept_[0], abs=2e-3) and ours[1:] == pytest.approx(theirs.coef_[0], abs=2e-3)
    assert np.array_equal(ours[1:] != 0, theirs.coef_[0] != 0)


def test_the_shufflings_are_all_of_them_where_they_are_few() -> None:
    points, side = np.random.default_rng(2).standard_normal((10, 1)), np.r_[np.ones(4), np.zeros(6)]
    p, exact = shuffled(points, side, np.random.default_rng(0))
    expected = stats.permutation_test(
        (points[:4, 0], points[4:, 0]), lambda a, b: abs(a.mean() - b.mean()), n_resamples=1000, alternative="greater"
    )
    assert exact and p == pytest.approx(expected.pvalue, abs=1e-12)
    p, exact = shuffled(np.r_[np.full((20, 1), 3.0), np.zeros((20, 1))], np.r_[np.ones(20), np.zeros(20)], np.random.default_rng(0))
    assert not exact and p == pytest.approx(1e-4)


def test_the_interval_is_hanley_and_mcneil_s() -> None:
    """At its ends the AUC is 1.96 of the standard errors of their equation 2 away, of sides of equal size, taken 1.5 times."""
    for value in (0.5, 0.8, 1.0):
        low, high = interval(value, 20, 20)
        for true in {low, high} - {1.0}:
            q1, q2 = true / (2 - true), 2 * true**2 / (1 + true)
            error = ((true * (1 - true) + 19 * (q1 - true**2) + 19 * (q2 - true**2)) / 400) ** 0.5
            assert abs(value - true) == pytest.approx(1.5 * 1.959964 * error, rel=1e-5)
        assert 0 < low < value <= high <= 1
    assert interval(0.0, 5, 9) == pytest.approx([1 - bound for bound in reversed(interval(1.0, 5, 9))])
