"""The scores of codes: closed forms, and the same computed in another way."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.linear_model import Lasso, LinearRegression
from sklearn.metrics import balanced_accuracy_score, mutual_info_score
from sklearn.tree import DecisionTreeClassifier

from orojar_cli.measures.factor_scores import factor_vae_score, importances, lasso, predictability_scores, sap
from orojar_cli.measures.factors import Factor
from orojar_cli.measures.mutual_information import binned, modularity, mutual_information

NUMBERS = tuple(Factor(name) for name in "abc")
KINDS = (Factor("number"), Factor("angle", period=2.0), Factor("category", categories=3))


@pytest.fixture
def numbers() -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (4000, 3))


@pytest.fixture
def mixed() -> np.ndarray:
    """A number, an angle of period 2 over an arc that crosses its cut, a category."""
    rng = np.random.default_rng(1)
    return np.stack([rng.normal(size=4000), np.mod(rng.uniform(-0.4, 0.4, 4000), 2.0), rng.integers(0, 3, 4000)], 1)


def every(codes: np.ndarray, factors: np.ndarray, kinds=NUMBERS) -> list[float]:
    return [factor_vae_score(codes, factors, kinds), sap(codes, factors, kinds), modularity(mutual_information(codes, factors)[0])]


def test_codes_that_are_the_factors_score_one(numbers) -> None:
    assert every(numbers[:, [2, 0, 1]], numbers) == pytest.approx([1, 1, 1], abs=0.03)
    importance, explained = importances(numbers[:, [2, 0, 1]], numbers, NUMBERS)
    assert explained == pytest.approx([1, 1, 1], abs=1e-3)
    assert importance == pytest.approx(np.eye(3)[[2, 0, 1]], abs=0.01)


def test_codes_of_noise_score_chance(numbers) -> None:
    codes = np.random.default_rng(2).normal(size=(4000, 3))
    factor_vae, separated, _ = every(codes, numbers)
    assert factor_vae < 0.45 and separated < 0.01
    assert (importances(codes, numbers, NUMBERS)[1] < 0.01).all()


def test_too_few_codes_name_few_factors(numbers) -> None:
    assert factor_vae_score(numbers[:, :2], numbers, NUMBERS) == pytest.approx(2 / 3, abs=0.06)


def test_two_codes_for_one_factor_are_modular_and_not_separated(numbers) -> None:
    codes = np.concatenate([numbers, numbers], 1)
    assert sap(codes, numbers, NUMBERS) == pytest.approx(0, abs=1e-9)
    assert modularity(mutual_information(codes, numbers)[0]) == pytest.approx(1, abs=1e-3)
    assert factor_vae_score(codes, numbers, NUMBERS) == pytest.approx(1)


def test_the_scores_of_mixed_codes_in_closed_form() -> None:
    """Two normal factors, and codes turned by the angle t: the code that knows a factor best has R^2 cos^2 t, the other sin^2 t."""
    factors = np.random.default_rng(3).normal(size=(40_000, 2))
    turn = 0.5
    codes = factors @ np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    assert sap(codes, factors, NUMBERS[:2]) == pytest.approx(math.cos(2 * turn), abs=0.02)
    importance, _ = importances(codes, factors, NUMBERS[:2])
    assert importance == pytest.approx(np.array([[math.cos(turn), math.sin(turn)], [math.sin(turn), math.cos(turn)]]), abs=0.02)
    table = np.array([[3.0, 1.0, 2.0], [0.0, 4.0, 0.0], [0.0, 0.0, 0.0]])
    assert modularity(table) == pytest.approx((1 - (1 + 4) / (9 * 2) + 1 + 1) / 3)


def test_the_factor_vae_score_is_that_of_its_definition(numbers) -> None:
    """Batch by batch, in plain loops; a few images fewer leave the other batches what they are."""
    rng = np.random.default_rng(4)
    codes = numbers @ rng.normal(size=(3, 5)) + rng.normal(size=(4000, 5))
    for rows in (np.arange(4000), np.setdiff1d(np.arange(4000), np.arange(400, 600))):
        votes = np.zeros((5, 3))
        for factor in range(3):
            bins = binned(numbers[rows, factor])
            for number in range(20):
                for batch in range(10):
                    chosen = rows[(bins == number) & (rows % 10 == batch)]
                    if len(chosen) > 1:
                        votes[(codes[chosen].var(0) / codes[rows].var(0)).argmin(), factor] += 1
        expected = (votes / votes.sum(0)).max(1).sum() / 3
        assert factor_vae_score(codes, numbers, NUMBERS, rows) == pytest.approx(expected) and 0.5 < expected < 0.95


def test_predictability_agrees_with_scikit_learn(mixed) -> None:
    rng = np.random.default_rng(5)
    angle = mixed[:, 1] * math.pi
    codes = np.stack([mixed[:, 0] + rng.normal(size=4000), np.sin(angle) + 0.2 * rng.normal(size=4000), mixed[:, 2]], 1)
    found = predictability_scores(codes, mixed, KINDS)
    circle = np.stack([np.cos(angle), np.sin(angle)], 1)
    for index, code in enumerate(codes.T):
        assert found[index, 0] == pytest.approx(np.corrcoef(code, mixed[:, 0])[0, 1] ** 2)
        assert found[index, 1] == pytest.approx(LinearRegression().fit(circle, code).score(circle, code))
        # A full tree on the bins takes the likeliest category in each, categories weighing the same.
        bins = binned(code)[:, None]
        tree = DecisionTreeClassifier(class_weight="balanced").fit(bins, mixed[:, 2])
        assert found[index, 2] == pytest.approx(balanced_accuracy_score(mixed[:, 2], tree.predict(bins)))
    assert found[1, 1] > 0.8 and found[2, 2] == 1


def test_the_lasso_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(6)
    inputs = rng.normal(size=(300, 6)) @ rng.normal(size=(6, 6))
    targets = inputs @ rng.normal(size=(6, 3)) + rng.normal(size=(300, 3))
    penalties = np.array([0.01, 0.1, 1.0])
    found = lasso(inputs, targets, penalties)
    for index, penalty in enumerate(penalties):
        expected = Lasso(alpha=penalty, fit_intercept=False, tol=1e-10, max_iter=100_000).fit(inputs, targets[:, index]).coef_
        assert found[:, index] == pytest.approx(expected, abs=2e-3)


def test_angles_and_categories_are_as_important_as_numbers(mixed) -> None:
    indicators = (mixed[:, 2] == 0).astype(float)
    codes = np.stack([mixed[:, 0], np.sin(mixed[:, 1] * math.pi), indicators, np.random.default_rng(7).normal(size=4000)], 1)
    importance, explained = importances(codes, mixed, KINDS)
    assert importance.argmax(0).tolist() == [0, 1, 2] and (importance[3] < 0.03).all()
    # The sine is known, the cosine not; one indicator of three is known, the others to a quarter each (correlation -1/2).
    assert importance[[0, 1, 2], [0, 1, 2]] == pytest.approx([1, math.sqrt(0.5), math.sqrt((1 + 0.25 + 0.25) / 3)], abs=0.05)
    assert explained == pytest.approx([1, 0.5, 0.5], abs=0.05)


def test_equal_widths_agree_with_scikit_learn(numbers) -> None:
    codes = np.exp(2 * numbers)
    table, entropies = mutual_information(codes, numbers, equal_width=True)
    edges = [np.histogram_bin_edges(values, 20)[1:-1] for values in (codes[:, 1], numbers[:, 2], numbers[:, 1])]
    code, other, same = (np.digitize(values, edge) for values, edge in zip((codes[:, 1], numbers[:, 2], numbers[:, 1]), edges, strict=True))
    assert table[1, 2] == pytest.approx(mutual_info_score(code, other)) and table[1, 1] == pytest.approx(mutual_info_score(code, same))
    assert entropies[1] == pytest.approx(mutual_info_score(same, same))
    # With equal counts it does not matter how a code is bent, with equal widths it does.
    assert mutual_information(codes, numbers)[0] == pytest.approx(mutual_information(numbers, numbers)[0])
    assert table[1, 1] < mutual_information(numbers, numbers, equal_width=True)[0][1, 1] - 0.3


def test_what_never_varies_is_no_error(mixed) -> None:
    constant = mixed.copy()
    constant[:, 2] = 1
    codes = mixed[:, :2]
    assert math.isfinite(factor_vae_score(codes, constant, KINDS)) and math.isfinite(sap(codes, constant, KINDS))
    importance, explained = importances(codes, constant, KINDS)
    assert (importance[:, 2] == 0).all() and explained[2] == 0
