"""Jacobi rotations: the best turn of single pairs of dimensions, which leaves the saddles where gradients vanish."""

from __future__ import annotations

from math import cos, pi, sin

import torch
from torch import Tensor

from orojar_cli.diagonaliser.criteria import Criterion
from orojar_cli.diagonaliser.grams import turned

# The log-likelihood of a pair has no closed form; these turns tell a saddle from a minimum, and the descent does the rest.
_ANGLES = (-pi / 8, pi / 8, pi / 4)


def plane_rotations(criterion: Criterion, rotation: Tensor, least_gain: float) -> Tensor | None:
    """[d, d] product of rotations of disjoint pairs that each lower the criterion at V by more than `least_gain`, or None.

    Every pair's gain is known exactly, and disjoint pairs do not affect each other's: the criteria depend on the diagonals of
    V M_n V^T only, and a pair's two depend on no other pair.  Pairs are taken greedily, largest gain first.
    """
    if criterion.dim < 2:
        return None
    gains, angles = (_orojar_turns if criterion.name == "orojar" else _loglik_turns)(criterion, rotation)
    above = torch.triu(gains, 1)
    firsts, seconds = torch.nonzero(above > least_gain, as_tuple=True)
    order = above[firsts, seconds].argsort(descending=True)
    taken: set[int] = set()
    turn = torch.eye(criterion.dim, dtype=torch.float64)
    for i, j, angle in zip(firsts[order].tolist(), seconds[order].tolist(), angles[firsts, seconds][order].tolist(), strict=True):
        if i in taken or j in taken:
            continue
        taken |= {i, j}
        turn[i, i] = turn[j, j] = cos(angle)
        turn[i, j], turn[j, i] = sin(angle), -sin(angle)
    return turn.to(rotation) if taken else None


def _orojar_turns(criterion: Criterion, rotation: Tensor) -> tuple[Tensor, Tensor]:
    """(gain, angle) [d, d] of each pair's best rotation (Cardoso & Souloumiac 1996).

    With D = M_ii - M_jj and B = M_ij a turn by t makes the difference D cos 2t + 2 B sin 2t, and the energy on the diagonal changes
    by half the change of its square: a quadratic form in (cos 2t, sin 2t), largest along its first eigenvector.
    """
    cross, squares, products = (torch.zeros_like(rotation) for _ in range(3))
    for matrices in turned(criterion.grams, rotation):
        diagonal = matrices.diagonal(dim1=1, dim2=2).clone()
        cross += (diagonal[:, :, None] * matrices).sum(0)
        squares += matrices.square_().sum(0)
        products += diagonal.T @ diagonal
    own = products.diagonal()
    differences = own[:, None] + own[None, :] - 2 * products
    half_gap, off = (differences - 4 * squares) / 2, 2 * (cross - cross.T)
    angles = torch.atan2(off, half_gap) / 4
    radius = torch.hypot(half_gap, off)
    # radius - half_gap, without cancellation where the pair is already at its minimum
    excess = torch.where(half_gap > 0, off.square() / (radius + half_gap).clamp_min(torch.finfo(off.dtype).tiny), radius - half_gap)
    return criterion.scale / len(criterion.grams) * excess / 2, angles


def _loglik_turns(criterion: Criterion, rotation: Tensor) -> tuple[Tensor, Tensor]:
    """(gain, angle) [d, d] of each pair's best rotation among a few."""
    totals = rotation.new_zeros(len(_ANGLES), *rotation.shape)
    done = 0
    for matrices in turned(criterion.grams, rotation):
        ridge = criterion.ridge[done : done + len(matrices)]
        done += len(matrices)
        diagonal = matrices.diagonal(dim1=1, dim2=2).clamp_min(0) + ridge[:, None]
        mean = (diagonal[:, :, None] + diagonal[:, None, :]) / 2
        half_difference = (diagonal[:, :, None] - diagonal[:, None, :]) / 2
        before = diagonal.log().sum(0)
        for index, angle in enumerate(_ANGLES):
            moved = half_difference * cos(2 * angle) + matrices * sin(2 * angle)
            # The product of both new diagonals; at least the ridge squared, which rounding may undercut.
            after = (mean.square() - moved.square()).maximum(ridge.square()[:, None, None]).log().sum(0)
            totals[index] += before[:, None] + before[None, :] - after
    gains, best = totals.max(0)
    angles = torch.tensor(_ANGLES, dtype=torch.float64, device=rotation.device)[best]
    return criterion.scale / len(criterion.grams) * gains, angles
