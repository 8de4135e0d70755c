"""The joint approximate diagonaliser: the rotation whose columns make the sampled Gram matrices as diagonal as they can be.

Within the rotations of a latent space the minimum of the OroJaR loss (Wei et al. 2021, eq. 4-6) is the orthogonal joint
diagonaliser of {M_n} (Cardoso & Souloumiac 1996).  It is found without touching the generator again, by a quasi-Newton method
on the orthogonal group: the rotation V is moved to exp(E) V with E skew-symmetric; every pair (i, j) of dimensions gives one
entry of the gradient and, neglecting couplings between pairs, one curvature, which precondition an L-BFGS direction (Ablin,
Cardoso & Gramfort 2019); a backtracking line search keeps every step monotone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from orojar_cli.errors import NumericalError, OptionError

CRITERIA = ("orojar", "loglik")
_MEMORY = 8
# A singular M_n has log-diagonals that fall without bound; a ridge of this share of its mean diagonal keeps them finite.
_RIDGE = 1e-9


def rotated(grams: Tensor, rotation: Tensor) -> Tensor:
    """V M_n V^T for every n."""
    return rotation @ grams @ rotation.T


def off_diagonal_energy(grams: Tensor, rotation: Tensor | None = None) -> Tensor:
    """[N] sum over i != j of (V M_n V^T)_ij^2: the OroJaR loss of each sample."""
    grams = grams if rotation is None else rotated(grams, rotation)
    return grams.square().sum((1, 2)) - grams.diagonal(dim1=1, dim2=2).square().sum(1)


def normalise_by_trace(grams: Tensor) -> Tensor:
    """M_n / tr M_n, so that every sample counts the same.  Raises NumericalError where a trace is not positive and finite."""
    traces = grams.diagonal(dim1=1, dim2=2).sum(1)
    if not bool((torch.isfinite(traces) & (traces > 0)).all()):
        raise NumericalError("a Gram matrix is not finite or is zero; there the image does not change along any direction")
    return grams / traces[:, None, None]


def orojar_loss(grams: Tensor, rotation: Tensor | None = None) -> float:
    """The normalised OroJaR loss: E sum_{i != j} M_ij^2 / E (tr M)^2."""
    traces = grams.diagonal(dim1=1, dim2=2).sum(1)
    return float(off_diagonal_energy(grams, rotation).mean() / traces.square().mean())


def log_likelihood_loss(grams: Tensor, rotation: Tensor | None = None) -> float:
    """Pham's criterion (2001) for orthogonal V: mean over samples and dimensions of log (V M_n V^T)_ii - log det(M_n) / d.

    Zero where every V M_n V^T is diagonal.  Singular matrices are given a ridge of 1e-9 of their mean diagonal.
    """
    ridged = _with_ridge(grams)
    constant = torch.linalg.slogdet(ridged).logabsdet / grams.shape[1]
    ridged = ridged if rotation is None else rotated(ridged, rotation)
    return float((ridged.diagonal(dim1=1, dim2=2).log().mean(1) - constant).mean())


def _with_ridge(grams: Tensor) -> Tensor:
    scale = grams.diagonal(dim1=1, dim2=2).mean(1) * _RIDGE
    return grams + scale[:, None, None] * torch.eye(grams.shape[1], dtype=grams.dtype, device=grams.device)


@dataclass(frozen=True)
class Diagonalisation:
    """A rotation [d, d] (float64, rows are directions) with its loss, the held-out loss if asked for, and how it was found.

    `history` holds (loss, held-out loss) at the start and after every iteration; both are means over samples of the criterion.
    """

    rotation: Tensor
    loss: float
    held_out_loss: float | None
    iterations: int
    converged: bool
    history: list[tuple[float, float | None]] = field(default_factory=list)


def joint_diagonalise(
    grams: Tensor,
    *,
    held_out: Tensor | None = None,
    criterion: str = "orojar",
    initial: Tensor | None = None,
    restarts: int = 0,
    rng: torch.Generator | None = None,
    max_iterations: int = 200,
    tolerance: float = 1e-8,
    patience: int = 10,
    callback: Callable[[int, float, float | None], None] | None = None,
) -> Diagonalisation:
    """The orthogonal V that minimises the criterion of V M_n V^T over grams [N, d, d].

    `criterion` "orojar" is the mean off-diagonal energy (normalise the matrices by their traces first if every sample should count
    the same), "loglik" Pham's scale-free log-likelihood.  Starts from the eigenvectors of the mean (or `initial`) and from
    `restarts` random rotations drawn with `rng`.  With `held_out` matrices the rotation with the lowest held-out criterion along the
    way is returned, and the search ends after `patience` iterations without a lower one: few samples over-fit.
    `tolerance` is the relative decrease per iteration at which the search has converged.  The criterion never rises.
    Raises OptionError for an unknown criterion, NumericalError for matrices that are not square, symmetric and finite.
    """
    if criterion not in CRITERIA:
        raise OptionError(f"unknown criterion {criterion!r}; choose one of {', '.join(CRITERIA)}")
    grams = _checked(grams)
    held_out = None if held_out is None else _checked(held_out)
    if criterion == "loglik":
        grams, held_out = _with_ridge(grams), None if held_out is None else _with_ridge(held_out)
    starts = [mean_eigenvectors(grams) if initial is None else initial.to(grams)]
    for _ in range(restarts):
        normal = torch.randn(grams.shape[1], grams.shape[1], dtype=torch.float64, generator=rng)
        starts.append(torch.linalg.qr(normal).Q.to(grams))
    found = [_descend(grams, held_out, criterion, start, max_iterations, tolerance, patience, callback) for start in starts]
    return min(found, key=lambda result: result.loss if result.held_out_loss is None else result.held_out_loss)


def mean_eigenvectors(grams: Tensor) -> Tensor:
    """Rows: eigenvectors of the mean of grams [N, d, d], largest eigenvalue first."""
    return torch.linalg.eigh(grams.double().mean(0)).eigenvectors.flip(1).T.contiguous()


def _checked(grams: Tensor) -> Tensor:
    if grams.ndim != 3 or grams.shape[1] != grams.shape[2] or 0 in grams.shape:
        raise NumericalError(f"Gram matrices must be [N, d, d], not {list(grams.shape)}")
    grams = grams.double()
    if not bool(torch.isfinite(grams).all()):
        raise NumericalError("a Gram matrix holds numbers that are not finite")
    return (grams + grams.transpose(1, 2)) / 2


def _criterion(rotated_grams: Tensor, criterion: str) -> float:
    if criterion == "orojar":
        return float(off_diagonal_energy(rotated_grams).mean())
    return float(rotated_grams.diagonal(dim1=1, dim2=2).log().sum(1).mean())


def _derivatives(grams: Tensor, criterion: str) -> tuple[Tensor, Tensor]:
    """(gradient, curvature) [d, d] per pair at V = I for V -> exp(E) V: the gradient is skew-symmetric, the curvature positive.

    For the rotation of one pair by t the off-diagonal energy is const - sum_n (cos 2t D + 2 sin 2t B)^2 / 2 with D = M_ii - M_jj and
    B = M_ij, hence the first derivative -4 sum D B and the second 4 sum (D^2 - 4 B^2).
    """
    diagonal = grams.diagonal(dim1=1, dim2=2)
    count = len(grams)
    if criterion == "orojar":
        # sum_n (M_ii - M_jj) M_ij, without forming the [N, d, d] array of differences
        weighted = torch.einsum("ni,nij->ij", diagonal, grams) / count
        gradient = -4 * (weighted - weighted.T)
        squares = diagonal.square().mean(0)
        differences = squares[:, None] + squares[None, :] - 2 * diagonal.T @ diagonal / count
        return gradient, 4 * (differences - 4 * grams.square().mean(0)).abs()
    weighted = torch.einsum("ni,nij->ij", 1 / diagonal, grams) / count
    ratios = diagonal.T @ (1 / diagonal) / count
    return 2 * (weighted - weighted.T), 2 * (ratios + ratios.T - 2).abs()


def _descend(
    grams: Tensor,
    held_out: Tensor | None,
    criterion: str,
    start: Tensor,
    max_iterations: int,
    tolerance: float,
    patience: int,
    callback: Callable[[int, float, float | None], None] | None,
) -> Diagonalisation:
    rotation = start
    current = rotated(grams, rotation)
    loss = _criterion(current, criterion)
    held_loss = None if held_out is None else _criterion(rotated(held_out, rotation), criterion)
    history = [(loss, held_loss)]
    best = Diagonalisation(rotation, loss, held_loss, 0, False, history)
    gradient, curvature = _derivatives(current, criterion)
    pairs: deque[tuple[Tensor, Tensor, float]] = deque(maxlen=_MEMORY)
    iteration, converged = 0, False
    while iteration < max_iterations:
        direction = _direction(gradient, curvature, pairs)
        slope = float((direction * gradient).sum()) / 2
        if slope >= 0:
            pairs.clear()
            direction = _direction(gradient, curvature, pairs)
            slope = float((direction * gradient).sum()) / 2
        step = _line_search(current, criterion, direction, loss, slope)
        if step is None:
            if pairs:
                pairs.clear()
                continue
            converged = True
            break
        iteration += 1
        move, current, new_loss = step
        rotation = torch.linalg.matrix_exp(move) @ rotation
        old_gradient = gradient
        gradient, curvature = _derivatives(current, criterion)
        change = gradient - old_gradient
        if (inner := float((change * move).sum())) > 0:
            pairs.append((move, change, inner))
        decrease, loss = loss - new_loss, new_loss
        held_loss = None if held_out is None else _criterion(rotated(held_out, rotation), criterion)
        history.append((loss, held_loss))
        if callback is not None:
            callback(iteration, loss, held_loss)
        if held_loss is None or best.held_out_loss is None or held_loss < best.held_out_loss:
            best = Diagonalisation(rotation, loss, held_loss, iteration, False, history)
        elif iteration - best.iterations >= patience:
            break
        if decrease <= tolerance * max(abs(loss), 1e-300):
            converged = True
            break
    # Products of many exponentials drift from orthogonality by rounding; the polar factor is the nearest orthogonal matrix.
    left, _, right = torch.linalg.svd(best.rotation)
    return Diagonalisation(left @ right, best.loss, best.held_out_loss, best.iterations, converged, history)


def _direction(gradient: Tensor, curvature: Tensor, pairs: deque[tuple[Tensor, Tensor, float]]) -> Tensor:
    """The L-BFGS direction (skew-symmetric), its initial inverse Hessian being one over each pair's curvature."""
    floor = 1e-3 * float(curvature.mean()) + torch.finfo(curvature.dtype).tiny
    q = gradient.clone()
    weights = []
    for move, change, inner in reversed(pairs):
        weight = float((move * q).sum()) / inner
        weights.append(weight)
        q -= weight * change
    q = q / curvature.clamp_min(floor)
    for (move, change, inner), weight in zip(pairs, reversed(weights), strict=True):
        q += move * (weight - float((change * q).sum()) / inner)
    return -q


def _line_search(grams: Tensor, criterion: str, direction: Tensor, loss: float, slope: float) -> tuple[Tensor, Tensor, float] | None:
    """(E, rotated matrices, loss) of the first step along exp(t direction) that lowers the loss enough, or None."""
    # No pair should turn by more than a quarter of its period at once.
    largest = float(direction.abs().max())
    scale = min(1.0, (torch.pi / 4) / largest) if largest > 0 else 0.0
    for _ in range(25 if scale else 0):
        move = scale * direction
        candidate = rotated(grams, torch.linalg.matrix_exp(move))
        new_loss = _criterion(candidate, criterion)
        if new_loss < loss + 1e-4 * scale * slope:
            return move, candidate, new_loss
        scale /= 2
    return None
