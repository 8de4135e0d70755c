"""The joint diagonaliser: exact recovery, monotone and orthogonal results, early stopping, degenerate matrices, derivatives."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from orojar_cli.diagonaliser import (
    CRITERIA,
    FactoredGrams,
    joint_diagonalise,
    log_likelihood_loss,
    mean_eigenvectors,
    normalise_by_trace,
    off_diagonal_energy,
    orojar_loss,
)
from orojar_cli.diagonaliser.criteria import Criterion
from orojar_cli.diagonaliser.grams import mean_matrix
from orojar_cli.diagonaliser.jacobi import plane_rotations
from orojar_cli.errors import NumericalError, OptionError

LOSSES = {"orojar": orojar_loss, "loglik": log_likelihood_loss}


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_rotation(dim: int, seed: int) -> Tensor:
    return torch.linalg.qr(torch.randn(dim, dim, dtype=torch.float64, generator=rng(seed))).Q


def diagonalisable(count: int, dim: int, seed: int) -> tuple[Tensor, Tensor]:
    """(grams, the rotation that diagonalises all of them)."""
    truth = random_rotation(dim, seed)
    values = 0.1 + torch.rand(count, dim, dtype=torch.float64, generator=rng(seed + 1))
    return truth.T @ torch.diag_embed(values) @ truth, truth


def noisy(count: int, dim: int, seed: int, noise: float = 0.5, rank: int = 3) -> Tensor:
    """Unit-trace matrices with shared eigenvectors and decaying spectra, plus `noise` times as much of random rank `rank`."""
    truth, source = random_rotation(dim, 7), rng(seed)
    spectrum = torch.exp(-4 * torch.arange(dim, dtype=torch.float64) / dim)
    values = spectrum * torch.exp(0.7 * torch.randn(count, dim, dtype=torch.float64, generator=source))
    factors = (torch.randn(count, rank, dim, dtype=torch.float64, generator=source) * spectrum.sqrt()) @ truth
    shared = normalise_by_trace(truth.T @ torch.diag_embed(values) @ truth)
    return normalise_by_trace(shared + noise * normalise_by_trace(factors.transpose(1, 2) @ factors))


def assert_same_directions(found: Tensor, truth: Tensor, tolerance: float = 1e-5) -> None:
    """Equal up to the order and signs of the rows."""
    overlap = (found @ truth.T).abs()
    assert torch.equal(overlap.argmax(1).sort().values, torch.arange(len(truth)))
    assert float((overlap.round() - overlap).abs().max()) < tolerance


def assert_orthogonal(rotation: Tensor) -> None:
    assert rotation.dtype == torch.float64
    assert float((rotation @ rotation.T - torch.eye(len(rotation))).abs().max()) < 1e-10


def assert_monotone(history: list[tuple[float, float | None]]) -> None:
    losses = [loss for loss, _ in history]
    assert all(after <= before for before, after in pairwise(losses))


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("dim", [1, 2, 3, 8, 13, 32])
def test_exactly_diagonalisable_sets_are_recovered_from_the_mean_and_from_anywhere(dim: int, criterion: str) -> None:
    grams, truth = diagonalisable(12, dim, seed=dim)
    for initial in (None, random_rotation(dim, 99)):
        result = joint_diagonalise(grams, criterion=criterion, initial=initial)
        assert_same_directions(result.rotation, truth)
        assert_orthogonal(result.rotation)
        assert_monotone(result.history)
        assert result.converged
        assert result.loss < 1e-9
        assert result.iterations == len(result.history) - 1


@pytest.mark.parametrize("criterion", CRITERIA)
def test_saddle_at_the_mean_eigenvectors_is_left(criterion: str) -> None:
    # The mean is the identity and both diagonals are constant: every gradient at the start vanishes.
    grams = torch.tensor([[[1.0, 0.5], [0.5, 1.0]], [[1.0, -0.5], [-0.5, 1.0]]])
    result = joint_diagonalise(grams, criterion=criterion, initial=torch.eye(2))
    assert result.loss < 1e-12
    torch.testing.assert_close(result.rotation.abs(), torch.full((2, 2), 0.5**0.5, dtype=torch.float64))


@pytest.mark.parametrize("criterion", CRITERIA)
def test_noisy_sets_end_where_no_pair_can_do_better(criterion: str) -> None:
    grams = noisy(40, 12, seed=1)
    result = joint_diagonalise(grams, criterion=criterion, max_sweeps=300)
    assert result.converged and result.held_out_loss is None
    assert_monotone(result.history)
    assert result.loss < LOSSES[criterion](grams, mean_eigenvectors(grams))
    for turn in (1e-3, 0.1, 0.4, 0.785):
        for i, j in ((0, 1), (2, 9), (5, 11)):
            plane = torch.eye(12, dtype=torch.float64)
            angle = torch.tensor(turn, dtype=torch.float64)
            plane[i, i] = plane[j, j] = angle.cos()
            plane[i, j], plane[j, i] = angle.sin(), -angle.sin()
            assert LOSSES[criterion](grams, plane @ result.rotation) > result.loss - 1e-6 * result.loss


def test_plane_rotations_gain_what_they_promise() -> None:
    grams, start = noisy(20, 9, seed=2), random_rotation(9, 3)
    criterion = Criterion(grams, "orojar")
    turn = plane_rotations(criterion, start, 0.0)
    assert turn is not None
    assert_orthogonal(turn)
    assert int((turn.diagonal() < 1).sum()) == 8
    # Every pair that was turned is at its best angle: none of them gains from another turn.
    again = plane_rotations(criterion, turn @ start, 1e-12)
    assert again is not None
    turned = {(i, j) for i, j in torch.triu(turn, 1).nonzero().tolist()}
    assert turned.isdisjoint({(i, j) for i, j in torch.triu(again, 1).nonzero().tolist()})
    assert criterion.loss(turn @ start) < criterion.loss(start)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_one_matrix_gives_its_eigenvectors(criterion: str) -> None:
    grams, truth = diagonalisable(1, 6, seed=4)
    assert_same_directions(joint_diagonalise(grams, criterion=criterion, initial=random_rotation(6, 5)).rotation, truth)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_repeated_eigenvalues_and_null_directions(criterion: str) -> None:
    truth = random_rotation(7, 6)
    values = torch.rand(10, 7, dtype=torch.float64, generator=rng(7)) + 0.1
    values[:, 1] = values[:, 0]
    values[:, 4:] = 0
    grams = truth.T @ torch.diag_embed(values) @ truth
    result = joint_diagonalise(grams, criterion=criterion, initial=random_rotation(7, 8))
    assert_orthogonal(result.rotation)
    assert_monotone(result.history)
    # A leak of 1e-13 into the null space, an angle below 1e-6, is already 1e-4 of the ridge and so of the logarithm.
    assert result.loss < 1e-4
    # Only the spans are determined: of the repeated pair, of the null space.
    overlap = (result.rotation @ truth.T).square()
    for columns in ([0, 1], [2], [3], [4, 5, 6]):
        spans = overlap[:, columns].sum(1)
        assert float((spans - spans.round()).abs().max()) < 1e-4
        assert int(spans.round().sum()) == len(columns)


def test_zero_samples_beside_others_are_harmless_for_the_orojar_loss() -> None:
    grams, truth = diagonalisable(6, 5, seed=9)
    grams = torch.cat([grams, torch.zeros(2, 5, 5)])
    assert_same_directions(joint_diagonalise(grams, initial=random_rotation(5, 1)).rotation, truth)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_held_out_minimum_is_returned_and_never_worse_than_the_start(criterion: str) -> None:
    grams, held_out = noisy(12, 30, seed=10, noise=1.0), noisy(6, 30, seed=11, noise=1.0)
    seen: list[tuple[int, float, float | None]] = []
    result = joint_diagonalise(grams, held_out=held_out, criterion=criterion, callback=lambda *entry: seen.append(entry))
    assert_monotone(result.history)
    assert result.held_out_loss == min(held for _, held in result.history if held is not None)
    assert result.held_out_loss == pytest.approx(LOSSES[criterion](held_out, result.rotation), rel=1e-8)
    assert result.loss == pytest.approx(LOSSES[criterion](grams, result.rotation), rel=1e-8)
    assert result.held_out_loss <= LOSSES[criterion](held_out, mean_eigenvectors(grams)) * (1 + 1e-9)
    assert seen == [(sweep, *entry) for sweep, entry in enumerate(result.history)][1:]


def test_shrinkage_path_generalises_better_than_the_start_and_the_minimum() -> None:
    grams, held_out, test = noisy(24, 100, seed=0), noisy(8, 100, seed=1), noisy(40, 100, seed=2)
    stopped = joint_diagonalise(grams, held_out=held_out)
    full = joint_diagonalise(grams)
    reached = orojar_loss(test, stopped.rotation)
    assert full.loss < stopped.loss
    assert reached < 0.99 * orojar_loss(test, mean_eigenvectors(grams))
    assert reached < 0.98 * orojar_loss(test, full.rotation)


def test_patience_ends_the_search_beyond_the_path() -> None:
    grams, held_out = noisy(12, 30, seed=10, noise=1.0), noisy(6, 30, seed=11, noise=1.0)
    result = joint_diagonalise(grams, held_out=held_out, initial=mean_eigenvectors(grams), patience=2)
    best = min(range(len(result.history)), key=lambda sweep: result.history[sweep][1] or 0.0)
    assert not result.converged
    assert result.iterations == best + 2


@pytest.mark.parametrize("criterion", CRITERIA)
def test_turning_the_problem_turns_the_answer(criterion: str) -> None:
    grams, turn = noisy(60, 8, seed=12, noise=0.1), random_rotation(8, 13)
    plain = joint_diagonalise(grams, criterion=criterion, tolerance=1e-12)
    turned = joint_diagonalise(turn @ grams @ turn.T, criterion=criterion, tolerance=1e-12)
    assert turned.loss == pytest.approx(plain.loss, rel=1e-9)
    assert_same_directions(turned.rotation @ turn, plain.rotation)


@pytest.mark.parametrize("rank", [40, 200, 400])
def test_log_likelihood_equals_its_definition_by_eigenvalues(rank: int) -> None:
    factors = torch.randn(5, rank, 200, dtype=torch.float64, generator=rng(25))
    grams = factors.transpose(1, 2) @ factors
    ridge = 1e-9 * grams.diagonal(dim1=1, dim2=2).mean(1, keepdim=True)
    values = torch.linalg.eigvalsh(grams).clamp_min(0) + ridge
    diagonal = grams.diagonal(dim1=1, dim2=2) + ridge
    assert log_likelihood_loss(grams) == pytest.approx(float((diagonal.log() - values.log()).mean()), rel=1e-6)
    assert log_likelihood_loss(grams.float()) == pytest.approx(log_likelihood_loss(grams), rel=0.2)


def test_losses_do_not_depend_on_scale_as_documented() -> None:
    grams, rotation = noisy(10, 6, seed=14), random_rotation(6, 15)
    scales = torch.rand(10, 1, 1, dtype=torch.float64, generator=rng(16)) + 0.1
    assert orojar_loss(5 * grams, rotation) == pytest.approx(orojar_loss(grams, rotation))
    assert log_likelihood_loss(scales * grams, rotation) == pytest.approx(log_likelihood_loss(grams, rotation))
    first = joint_diagonalise(1e6 * grams).rotation
    torch.testing.assert_close(first, joint_diagonalise(grams).rotation, atol=1e-4, rtol=0)


def test_same_generator_same_result_and_restarts_never_do_worse() -> None:
    grams = noisy(10, 10, seed=17, noise=1.0)
    first, second = (joint_diagonalise(grams, restarts=3, generator=rng(0)) for _ in range(2))
    assert torch.equal(first.rotation, second.rotation) and first.history == second.history
    assert first.loss <= joint_diagonalise(grams).loss


def test_single_precision_input_is_worked_on_in_double() -> None:
    grams = noisy(20, 8, seed=18)
    result = joint_diagonalise(grams.float())
    assert_orthogonal(result.rotation)
    assert result.loss == pytest.approx(joint_diagonalise(grams).loss, rel=1e-4)


@given(st.integers(1, 9), st.integers(1, 6), st.integers(1, 4), st.integers(0, 10**6), st.sampled_from(CRITERIA))
def test_any_semi_definite_set_gives_a_rotation_no_worse_than_the_start(dim: int, count: int, rank: int, seed: int, criterion: str) -> None:
    factors = torch.randn(count, rank, dim, dtype=torch.float64, generator=rng(seed))
    grams, start = factors.transpose(1, 2) @ factors, random_rotation(dim, seed)
    result = joint_diagonalise(grams, criterion=criterion, initial=start, max_sweeps=40)
    assert_orthogonal(result.rotation)
    assert_monotone(result.history)
    initial = LOSSES[criterion](grams, start)
    assert LOSSES[criterion](grams, result.rotation) <= initial + 1e-9 * (1 + abs(initial))


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("weight", [1.0, 0.3])
def test_gradient_equals_automatic_differentiation(criterion: str, weight: float) -> None:
    grams, rotation = noisy(9, 7, seed=19), random_rotation(7, 20)
    problem = Criterion(grams, criterion)
    steps = torch.zeros(7, 7, dtype=torch.float64, requires_grad=True)
    moved = torch.linalg.matrix_exp(torch.triu(steps, 1) - torch.triu(steps, 1).T) @ rotation

    def value(matrices: Tensor) -> Tensor:
        turned = moved @ matrices @ moved.T
        diagonal = turned.diagonal(dim1=1, dim2=2)
        if criterion == "orojar":
            return (turned.square().sum((1, 2)) - diagonal.square().sum(1)).mean() * problem.scale
        return (diagonal + problem.ridge.mean()).log().sum(1).mean() * problem.scale

    loss = weight * value(grams) + (1 - weight) * value(grams.mean(0, keepdim=True))
    (expected,) = torch.autograd.grad(loss, steps)
    gradient = problem.at(rotation).shrunk(weight).gradient
    torch.testing.assert_close(torch.triu(gradient, 1), expected, atol=1e-12, rtol=1e-6)
    torch.testing.assert_close(gradient, -gradient.T)


def test_curvature_is_the_second_derivative_of_a_pair_at_a_joint_diagonaliser() -> None:
    grams, truth = diagonalisable(8, 5, seed=21)
    for criterion in CRITERIA:
        problem = Criterion(grams, criterion)
        turn = torch.zeros(5, 5, dtype=torch.float64)
        turn[1, 3], turn[3, 1] = 1e-3, -1e-3
        rise = problem.loss(torch.linalg.matrix_exp(turn) @ truth) - problem.loss(truth)
        assert 2 * rise / 1e-6 == pytest.approx(float(problem.at(truth).samples.curvature[1, 3]), rel=1e-3)


def test_shrunk_loss_is_the_loss_of_shrunk_matrices() -> None:
    grams, rotation = noisy(9, 6, seed=22), random_rotation(6, 23)
    mean = grams.mean(0)
    shrunk = mean + 0.25**0.5 * (grams - mean)
    expected = float(off_diagonal_energy(shrunk, rotation).mean())
    problem = Criterion(grams, "orojar")
    assert problem.at(rotation).shrunk(0.25).loss / problem.scale == pytest.approx(expected)


def test_energy_and_normalisation_by_hand() -> None:
    grams = torch.tensor([[[2.0, 1.0], [1.0, 2.0]], [[3.0, 0.0], [0.0, 1.0]]])
    assert off_diagonal_energy(grams).tolist() == [2.0, 0.0]
    assert orojar_loss(grams) == pytest.approx(1 / 16)
    assert normalise_by_trace(grams).diagonal(dim1=1, dim2=2).sum(1).tolist() == [1.0, 1.0]
    quarter = torch.tensor([[1.0, 1.0], [-1.0, 1.0]]) / 2**0.5
    torch.testing.assert_close(off_diagonal_energy(grams, quarter), torch.tensor([0.0, 2.0], dtype=torch.float64))
    expected = float(torch.tensor(4 / 3, dtype=torch.float64).log()) / 4
    assert log_likelihood_loss(grams) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("factored", [False, True])
def test_a_sample_where_nothing_moves_counts_for_nothing(criterion: str, factored: bool) -> None:
    factors = torch.randn(12, 4, 5, generator=torch.Generator().manual_seed(40))
    still = torch.cat([factors[:7], torch.zeros(2, 4, 5), factors[7:]])
    both = [FactoredGrams(part) if factored else part.transpose(1, 2) @ part for part in (factors, still)]
    moving, all_of_them = (normalise_by_trace(grams) for grams in both)
    assert float(mean_matrix(all_of_them).trace()) * 14 == pytest.approx(12)
    results = [joint_diagonalise(grams, held_out=grams, criterion=criterion) for grams in (moving, all_of_them)]
    assert torch.equal(results[0].rotation, results[1].rotation)
    assert orojar_loss(all_of_them) == pytest.approx(orojar_loss(moving), rel=1e-12)
    assert log_likelihood_loss(all_of_them) == log_likelihood_loss(moving)


def test_unusable_input_is_refused() -> None:
    good = torch.eye(3).repeat(2, 1, 1)
    for wrong in (torch.eye(3), torch.ones(2, 3, 4), torch.ones(0, 3, 3), good * float("nan"), good * 0, good + torch.ones(3, 3).triu(1)):
        with pytest.raises(NumericalError):
            joint_diagonalise(wrong)
    with pytest.raises(NumericalError, match="semi-definite"):
        joint_diagonalise(torch.diag_embed(torch.tensor([[2.0, 1.0, -0.5]])), criterion="loglik")
    with pytest.raises(NumericalError, match="held-out"):
        joint_diagonalise(good, held_out=torch.eye(2)[None])
    for initial in (torch.eye(2), torch.ones(3, 3), torch.full((3, 3), float("nan"))):
        with pytest.raises(NumericalError, match="initial"):
            joint_diagonalise(good, initial=initial)
    with pytest.raises(NumericalError, match="are zero"):
        normalise_by_trace(good * 0)
    hollow = torch.tensor([[[0.0, 1.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]])
    with pytest.raises(NumericalError, match="positive trace"):
        normalise_by_trace(hollow)
    with pytest.raises(OptionError, match="unknown criterion"):
        joint_diagonalise(good, criterion="pham")
    for option in ({"restarts": -1}, {"max_sweeps": -1}, {"patience": 0}, {"tolerance": -1.0}):
        with pytest.raises(OptionError):
            joint_diagonalise(good, **option)  # type: ignore[arg-type]


@pytest.mark.slow
def test_512_dimensions_converge_in_the_time_of_thirty_products() -> None:
    grams = noisy(200, 512, seed=24, noise=0.3, rank=8)
    rotation = random_rotation(512, seed=25)
    begin = time.process_time()
    products = grams.double() @ rotation.T
    middle = time.process_time()
    del products
    result = joint_diagonalise(grams)
    # A minute, said of a processor that makes these products in two seconds.
    assert time.process_time() - middle < 30 * (middle - begin)
    assert result.converged and result.iterations <= 20
    assert_orthogonal(result.rotation)
    assert_monotone(result.history)
    assert result.loss < 0.9 * result.history[0][0]
