"""Gram matrices of low rank: by factors as if multiplied out, rotated inside their joint range, and to convergence."""

from __future__ import annotations

import time
from math import cos, pi, sin

import pytest
import torch
from torch import Tensor

from orojar_cli.diagonaliser import (
    CRITERIA,
    FactoredGrams,
    joint_diagonalise,
    joint_range,
    log_likelihood_loss,
    mean_eigenvectors,
    normalise_by_trace,
    off_diagonal_energy,
    orojar_loss,
)
from orojar_cli.diagonaliser.criteria import RIDGE, Criterion
from orojar_cli.diagonaliser.grams import along, mean_matrix, traces, turned
from orojar_cli.diagonaliser.jacobi import plane_rotations
from orojar_cli.diagonaliser.reduction import completion, economical
from orojar_cli.errors import NumericalError

LOSSES = {"orojar": orojar_loss, "loglik": log_likelihood_loss}


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=rng(seed))


def random_rotation(dim: int, seed: int) -> Tensor:
    return torch.linalg.qr(normal(dim, dim, seed=seed)).Q


def low_rank(count: int, dim: int, rank: int, span: int, seed: int) -> FactoredGrams:
    """Factors [count, rank, dim] in one space of `span` dimensions, strengths of their own in each of them."""
    strengths = torch.linspace(1, 0.1, span, dtype=torch.float64) * (
        0.2 + torch.rand(count, 1, span, dtype=torch.float64, generator=rng(seed))
    )
    inside = normal(count, rank, span, seed=seed + 1) * strengths
    return normalise_by_trace(FactoredGrams(inside @ random_rotation(dim, seed + 2)[:span]))


def same(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other.to(one), atol=1e-12, rtol=1e-9)


def test_factors_stand_for_the_matrices() -> None:
    grams, rotation = low_rank(5, 9, 3, 9, seed=0), random_rotation(9, 1)
    dense = grams.dense()
    assert len(grams) == 5 and grams.rank == 3 and dense.shape == (5, 9, 9)
    same(traces(grams), traces(dense))
    same(mean_matrix(grams), dense.mean(0))
    same(torch.cat(list(turned(grams, rotation))), rotation @ dense @ rotation.T)
    same(grams[1:3].dense(), dense[1:3])
    same(grams.along(rotation[:4]).dense(), rotation[:4] @ dense @ rotation[:4].T)
    same(grams.scaled(torch.arange(5)).dense(), torch.arange(5)[:, None, None] * dense)
    same(normalise_by_trace(grams.scaled(torch.arange(1, 6))).dense(), dense)
    same(off_diagonal_energy(grams, rotation), off_diagonal_energy(dense, rotation))
    # Where a matrix is null, its logarithm is that of a ridge, which the rounding of the others' products changes by eps / RIDGE.
    for name, rounding in (("orojar", 0.0), ("loglik", torch.finfo(torch.float64).eps / RIDGE)):
        assert LOSSES[name](grams, rotation) == pytest.approx(LOSSES[name](dense, rotation), rel=1e-9, abs=rounding)
        assert LOSSES[name](grams) == pytest.approx(LOSSES[name](dense), rel=1e-9, abs=rounding)
    same(mean_eigenvectors(grams).abs(), mean_eigenvectors(dense).abs())


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("rank", [3, 12])
def test_criterion_by_factors_equals_that_of_the_matrices(criterion: str, rank: int) -> None:
    factors = FactoredGrams(normal(6, rank, 9, seed=2))
    by_factors, by_matrices = Criterion(factors, criterion), Criterion(factors.dense(), criterion)
    rotation = random_rotation(9, 3)
    one, other = by_factors.at(rotation), by_matrices.at(rotation)
    assert by_factors.loss(rotation) == pytest.approx(by_matrices.loss(rotation), rel=1e-9)
    for part in ("samples", "mean"):
        assert getattr(one, part).loss == pytest.approx(getattr(other, part).loss, rel=1e-9)
        for name in ("gradient", "curvature"):
            torch.testing.assert_close(getattr(getattr(one, part), name), getattr(getattr(other, part), name), rtol=1e-7, atol=1e-9)
    turns = plane_rotations(by_factors, rotation, 0.0), plane_rotations(by_matrices, rotation, 0.0)
    assert turns[0] is not None and turns[1] is not None
    torch.testing.assert_close(turns[0], turns[1], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_criterion_inside_a_range_is_that_of_the_whole_rotation(criterion: str) -> None:
    dense = normal(7, 10, 10, seed=4)
    grams = dense.transpose(1, 2) @ dense
    inside, outside = random_rotation(10, 5)[:4], random_rotation(10, 5)[4:]
    part = Criterion(grams, criterion, inside, outside)
    for seed in (6, 7):
        turn = random_rotation(4, seed)
        assert part.loss(turn) == pytest.approx(LOSSES[criterion](grams, torch.cat([turn @ inside, outside])), rel=1e-9)


def test_joint_range_and_its_completion() -> None:
    grams = low_rank(6, 20, 2, 5, seed=8)
    for set_of in (grams, grams.dense(), FactoredGrams(grams.factors.float()), grams.dense() * 1e-20):
        rows = joint_range(set_of)
        assert rows.shape == (5, 20) and rows.dtype == torch.float64
        torch.testing.assert_close(torch.cat(list(turned(grams, rows.T @ rows))), grams.dense(), atol=1e-6, rtol=0)
        strengths = torch.cat(list(turned(grams))).mean(0)
        assert bool(((rows @ strengths @ rows.T).diagonal().diff() < 0).all())
        whole = torch.cat([rows, completion(rows)])
        torch.testing.assert_close(whole @ whole.T, torch.eye(20, dtype=torch.float64))
        assert torch.equal(completion(rows), completion(rows.clone()))
    assert joint_range(low_rank(10, 20, 2, 20, seed=9)).shape == (20, 20)
    assert joint_range(low_rank(9, 20, 2, 20, seed=9)).shape == (18, 20)


def test_what_cancels_in_the_mean_is_part_of_the_range() -> None:
    indefinite = torch.diag_embed(torch.tensor([[1.0, 0.5, 0.3, 0.3], [1.0, 0.2, -0.3, -0.3]]))
    turn = random_rotation(4, 10)
    grams = turn.T @ indefinite.double() @ turn
    assert len(joint_range(grams)) == 4
    assert joint_diagonalise(grams).loss < 1e-12


def test_matrices_are_factored_where_their_rank_is_low_and_only_there() -> None:
    grams = low_rank(6, 32, 5, 32, seed=11)
    made = economical(grams.dense())
    assert isinstance(made, FactoredGrams) and made.rank == 5
    same(made.dense(), grams.dense())
    single = economical(grams.dense().float())
    assert isinstance(single, FactoredGrams) and single.rank == 5
    torch.testing.assert_close(single.dense(), grams.dense(), atol=1e-6, rtol=0)
    mixed = torch.cat([low_rank(2, 32, 3, 32, seed=12).dense(), grams.dense(), torch.zeros(1, 32, 32, dtype=torch.float64)])
    made = economical(mixed)
    assert isinstance(made, FactoredGrams) and made.rank == 5
    same(made.dense(), mixed)
    faint = torch.eye(32, dtype=torch.float64) * 1e-9
    for kept in (low_rank(6, 32, 9, 32, seed=13).dense(), grams.dense() + faint, -grams.dense(), torch.cat([mixed, faint[None]])):
        assert economical(kept) is kept
    # A diagonal of zeros beside entries: not semi-definite, and nothing that a Cholesky step would see.
    hollow = grams.dense().clone()
    hollow[:, :2] = hollow[:, :, :2] = 0
    hollow[:, 0, 1] = hollow[:, 1, 0] = 1e-3
    assert economical(hollow) is hollow
    # Factors as wide as the matrices are multiplied out.
    wide = economical(FactoredGrams(normal(3, 5, 8, seed=14)))
    assert isinstance(wide, Tensor) and wide.shape == (3, 8, 8)


@pytest.mark.parametrize(
    ("criterion", "count", "dim", "rank", "span", "tolerance"),
    [("orojar", 20, 48, 4, 10, 1e-9), ("orojar", 6, 24, 4, 24, 1e-9), ("orojar", 30, 32, 8, 32, 1e-9), ("loglik", 12, 24, 3, 6, 1e-4)],
)
def test_low_rank_converges_no_higher_than_the_plain_search(
    criterion: str, count: int, dim: int, rank: int, span: int, tolerance: float
) -> None:
    grams = low_rank(count, dim, rank, span, seed=15)
    result = joint_diagonalise(grams, criterion=criterion)
    again = joint_diagonalise(grams, criterion=criterion)
    assert torch.equal(result.rotation, again.rotation) and result.history == again.history
    assert result.converged and result.rank == span
    same(result.rotation @ result.rotation.T, torch.eye(dim))
    assert result.loss == pytest.approx(LOSSES[criterion](grams, result.rotation), rel=1e-6)
    # From a given rotation nothing is taken for granted: the search turns all d dimensions.
    plain = joint_diagonalise(grams.dense(), criterion=criterion, initial=mean_eigenvectors(grams.dense()))
    assert plain.rank == dim
    assert result.loss <= plain.loss * (1 + tolerance)
    same((mean_matrix(grams) @ result.rotation[span:].T), torch.zeros(dim, dim - span))
    from_matrices = joint_diagonalise(grams.dense(), criterion=criterion)
    assert from_matrices.rank == span
    assert from_matrices.loss <= plain.loss * (1 + tolerance)


def test_low_rank_equals_brute_force() -> None:
    grams = low_rank(9, 12, 2, 2, seed=16)
    rows = joint_range(grams)

    def loss(angle: float) -> float:
        return orojar_loss(grams, torch.tensor([[cos(angle), sin(angle)], [-sin(angle), cos(angle)]], dtype=torch.float64) @ rows)

    best = min(loss(pi / 2 * step / 1000) for step in range(1000))
    found = joint_diagonalise(grams).loss
    assert best * (1 - 1e-3) < found <= best


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("dense", [False, True])
def test_held_out_matrices_may_reach_beyond_the_range(criterion: str, dense: bool) -> None:
    grams, held_out = low_rank(12, 40, 4, 12, seed=17), low_rank(6, 40, 5, 40, seed=18)
    given = held_out.dense() if dense else held_out
    result = joint_diagonalise(grams, held_out=given, criterion=criterion)
    assert result.held_out_loss == pytest.approx(LOSSES[criterion](held_out, result.rotation), rel=1e-6)
    assert result.history[0][1] is not None and result.held_out_loss <= result.history[0][1]
    assert result.loss == pytest.approx(LOSSES[criterion](grams, result.rotation), rel=1e-6)


def test_restarts_stay_inside_the_range() -> None:
    grams = low_rank(8, 30, 3, 6, seed=19)
    result = joint_diagonalise(grams, restarts=3, generator=rng(0))
    assert result.loss <= joint_diagonalise(grams).loss
    same(mean_matrix(grams.along(result.rotation[6:])), torch.zeros(24, 24))


def test_unusable_factors_are_refused() -> None:
    good = normal(2, 2, 3, seed=20)
    for wrong in (good[0], good[:0], good[:, :0]):
        with pytest.raises(NumericalError, match="factors"):
            FactoredGrams(wrong)
    for wrong in (good * float("nan"), good * 0):
        with pytest.raises(NumericalError):
            joint_diagonalise(FactoredGrams(wrong))
    with pytest.raises(NumericalError, match="held-out"):
        joint_diagonalise(FactoredGrams(good), held_out=FactoredGrams(normal(2, 2, 4, seed=21)))
    with pytest.raises(NumericalError, match="are zero"):
        normalise_by_trace(FactoredGrams(good * 0))


def test_coordinates_of_matrices_and_factors_agree() -> None:
    grams, rows = low_rank(4, 11, 3, 11, seed=22), random_rotation(11, 23)[:5]
    by_factors, by_matrices = along(grams, rows), along(grams.dense(), rows)
    assert isinstance(by_factors, FactoredGrams) and isinstance(by_matrices, Tensor)
    same(by_factors.dense(), by_matrices)


@pytest.mark.slow
def test_512_dimensions_of_low_rank_take_seconds() -> None:
    grams = low_rank(32, 512, 16, 512, seed=24)
    begin = time.process_time()
    result = joint_diagonalise(grams)
    assert time.process_time() - begin < 26
    assert result.converged
