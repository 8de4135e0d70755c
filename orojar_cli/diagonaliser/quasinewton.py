"""A quasi-Newton descent on the orthogonal group, monotone in the loss, with a shrinkage path and early stopping.

V moves to (I - E/2)^-1 (I + E/2) V with E skew-symmetric.  Each pair of dimensions has one entry of the gradient and, with the
couplings between pairs neglected, one curvature, which precondition an L-BFGS direction (Ablin, Cardoso & Gramfort 2019).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from orojar_cli.diagonaliser.criteria import Criterion, Point, Slope
from orojar_cli.diagonaliser.jacobi import plane_rotations

_MEMORY = 8
_HALVINGS = 12
_SUFFICIENT = 1e-4
# No pair should turn by more than a quarter of its period at once.
_LARGEST_TURN = torch.pi / 4
# The path's first weight of the samples against their mean, and its growth per sweep.
_FIRST_WEIGHT, _GROWTH = 0.01, 1.3

Pairs = deque[tuple[Tensor, Tensor, float]]


@dataclass(frozen=True)
class Diagonalisation:
    """A rotation [d, d] (float64, orthogonal, rows are directions) with its loss, and held-out loss, and how it was found.

    `history` holds (loss, held-out loss) at the start and after every sweep; the first never rises.  `iterations` counts the sweeps,
    and `converged` tells that the search ended because the loss would not fall further, not by `patience` or `max_sweeps`.
    The first `rank` rows are those that were rotated: all, or those that span the joint range of the matrices.
    """

    rotation: Tensor
    loss: float
    held_out_loss: float | None
    iterations: int
    history: list[tuple[float, float | None]] = field(default_factory=list)
    converged: bool = False
    rank: int = 0
    solver: str = "quasi-newton"


def descend(
    criterion: Criterion,
    held_out: Criterion | None,
    start: Tensor,
    path: bool,
    max_sweeps: int,
    tolerance: float,
    patience: int,
    callback: Callable[[int, float, float | None], None] | None,
) -> Diagonalisation:
    """Minimise `criterion` from `start`; with `path` the samples' weight against their mean grows from 0.01 to 1 on the way."""
    point = criterion.at(start, path)
    history = [(point.samples.loss, None if held_out is None else held_out.loss(start))]
    best, best_sweep, path_end = start, 0, 0
    pairs: Pairs = deque(maxlen=_MEMORY)
    weight = _FIRST_WEIGHT if path else 1.0
    converged = stalled = False
    while len(history) <= max_sweeps:
        loss = point.samples.loss
        least = max(tolerance * loss, criterion.rounding)
        step = None if stalled else _sweep(criterion, point, weight, pairs)
        if step is None and weight == 1:
            pairs.clear()
            turn = plane_rotations(criterion, point.rotation, least)
            step = None if turn is None else criterion.at(turn @ point.rotation, False)
            if step is None or step.samples.loss >= loss:
                converged = True
                break
        stalled = step is not None and weight == 1 and loss - step.samples.loss <= least
        on_path, weight = weight < 1, min(1.0, weight * _GROWTH)
        if step is None:
            continue
        point = step
        path_end = len(history) if on_path else path_end
        history.append((point.samples.loss, None if held_out is None else held_out.loss(point.rotation)))
        if callback is not None:
            callback(len(history) - 1, *history[-1])
        if _rank(history[-1]) < _rank(history[best_sweep]):
            best, best_sweep = point.rotation, len(history) - 1
        # The path is walked to its end: its small first steps say nothing about the later ones.
        elif held_out is not None and not on_path and len(history) - 1 - max(best_sweep, path_end) >= patience:
            break
    # Products of many rotations drift from orthogonality by rounding; the polar factor is the nearest orthogonal matrix.
    left, _, right = torch.linalg.svd(best)
    return Diagonalisation(left @ right, *history[best_sweep], len(history) - 1, history, converged, len(best))


def _rank(entry: tuple[float, float | None]) -> float:
    loss, held_out_loss = entry
    return loss if held_out_loss is None else held_out_loss


def _sweep(criterion: Criterion, point: Point, weight: float, pairs: Pairs) -> Point | None:
    """The first point along the quasi-Newton direction that lowers the loss at this weight enough, or None; updates `pairs`."""
    slope = point.shrunk(weight)
    for attempt in range(2):
        direction = _direction(slope, pairs)
        descent = _inner(direction, slope.gradient) / 2
        if not -descent > criterion.rounding:
            if descent > 0 and attempt == 0:
                pairs.clear()
                continue
            return None
        scale = min(1.0, _LARGEST_TURN / float(direction.abs().max()))
        for _ in range(_HALVINGS):
            move = scale * direction
            candidate = criterion.at(_turned(move, point.rotation), weight < 1)
            reached = candidate.shrunk(weight)
            # On the path the loss of the samples must not rise either.
            if reached.loss < slope.loss + _SUFFICIENT * scale * descent and candidate.samples.loss <= point.samples.loss:
                change = reached.gradient - slope.gradient
                if (inner := _inner(change, move)) > 0:
                    pairs.append((move, change, inner))
                return candidate
            scale /= 2
        if not pairs:
            return None
        pairs.clear()
    return None


def _turned(move: Tensor, rotation: Tensor) -> Tensor:
    """(I - E/2)^-1 (I + E/2) V, which is 2 (I - E/2)^-1 V - V: Cayley's map, orthogonal for skew-symmetric E, exp(E) to second order."""
    identity = torch.eye(len(move), dtype=move.dtype, device=move.device)
    return 2 * torch.linalg.solve(identity - move / 2, rotation) - rotation


def _direction(slope: Slope, pairs: Pairs) -> Tensor:
    """The L-BFGS direction (skew-symmetric), its initial inverse Hessian being one over each pair's curvature."""
    direction = slope.gradient.clone()
    weights = []
    for move, change, inner in reversed(pairs):
        weights.append(_inner(move, direction) / inner)
        direction.sub_(change, alpha=weights[-1])
    direction = direction / slope.curvature
    for (move, change, inner), weight in zip(pairs, reversed(weights), strict=True):
        direction.add_(move, alpha=weight - _inner(change, direction) / inner)
    return -direction


def _inner(one: Tensor, other: Tensor) -> float:
    return float(torch.dot(one.flatten(), other.flatten()))
