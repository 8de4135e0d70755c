"""Low ranks made use of: matrices by factors, and rotations inside the joint range alone."""

from __future__ import annotations

import torch
from torch import Tensor

from orojar_cli.diagonaliser.grams import FactoredGrams, Grams, chunks, dimension, mean_matrix

# Directions that hold a smaller share of the mean's trace are rounding: what they could gain is less than the search can tell.
_LEAST_SHARE = {torch.float64: 1e-12}
_LEAST_SHARE_ELSEWHERE = 1e-10
# What Cholesky steps may leave of a matrix, in roundings of its type.
_ROUNDINGS = 16


def joint_range(grams: Grams) -> Tensor:
    """[r, d] float64 orthonormal rows that span the ranges of all matrices, where most of the mean lies first.

    They are the mean's eigenvectors of more than 1e-12 of its trace (1e-10 in single precision); all d of them where a matrix that is
    not positive semi-definite reaches beyond those.
    """
    values, vectors = torch.linalg.eigh(mean_matrix(grams))
    values, rows = values.flip(0), vectors.flip(1).T.contiguous()
    least = _LEAST_SHARE.get(grams.dtype, _LEAST_SHARE_ELSEWHERE)
    rank = max(1, int((values > least * values.sum()).sum()))
    if rank < len(rows) and isinstance(grams, Tensor):
        beyond = rows[rank:].T
        for chunk in chunks(grams):
            matrices = chunk.double()
            # |M v|^2 <= ||M|| v^T M v where M is positive semi-definite, and v^T M v is at most N times the mean's.
            reach = (matrices @ beyond).square().sum((1, 2))
            if bool((reach > len(grams) * dimension(grams) * least * matrices.square().sum((1, 2))).any()):
                return rows
    return rows[:rank]


def completion(rows: Tensor) -> Tensor:
    """[d - r, d] orthonormal rows orthogonal to orthonormal `rows` [r, d]: always the same for the same rows."""
    return torch.linalg.qr(rows.T, mode="complete").Q[:, len(rows) :].T.contiguous()


def economical(grams: Grams) -> Grams:
    """The same matrices in the form that is cheaper to work with: factors of rank below d / 2, or the matrices themselves.

    Matrices of rank at most d / 4 are factored by Cholesky steps with pivoting, which end where the rank is reached (Higham 1990); if
    one has a higher rank, beyond its type's rounding, or is not positive semi-definite, all stay as they are.
    """
    if isinstance(grams, FactoredGrams):
        return grams if 2 * grams.rank < dimension(grams) else FactoredGrams(grams.factors.double()).dense()
    most = dimension(grams) // 4
    least = max(_ROUNDINGS * torch.finfo(grams.dtype).eps, 1e-12)
    found: list[Tensor] = []
    for chunk in chunks(grams):
        factors = _pivoted_cholesky(chunk.double(), most, least)
        if factors is None:
            return grams
        found.append(factors)
    rank = max(factors.shape[1] for factors in found)
    return FactoredGrams(torch.cat([torch.nn.functional.pad(factors, (0, 0, 0, rank - factors.shape[1])) for factors in found]))


def _pivoted_cholesky(matrices: Tensor, most: int, least: float) -> Tensor | None:
    """[n, k, d] with M_n = F_n^T F_n up to `least` of tr M_n, k <= `most`; None where there is none."""
    index = torch.arange(len(matrices), device=matrices.device)
    rest = matrices.diagonal(dim1=1, dim2=2).clone()
    allowed = least * rest.sum(1)
    factors = matrices.new_zeros(len(matrices), most, matrices.shape[2])
    for step in range(most + 1):
        if bool((rest < -allowed[:, None]).any()):
            return None
        left = rest.clamp_min(0).sum(1)
        if bool((left <= allowed).all()):
            factors = factors[:, :step]
            difference = (matrices - factors.transpose(1, 2) @ factors).square_().sum((1, 2))
            # A matrix that is not semi-definite may have entries beside a diagonal of zeros.
            good = bool((difference <= (allowed.square() + least**2 * matrices.square().sum((1, 2)))).all())
            return factors if good and step else None
        if step == most:
            break
        value, pivot = rest.max(1)
        row = matrices[index, pivot] - (factors[:, :step, :].gather(2, pivot[:, None, None].expand(-1, step, 1)) * factors[:, :step]).sum(1)
        row = torch.where((left > allowed)[:, None], row / value.clamp_min(torch.finfo(value.dtype).tiny).sqrt()[:, None], 0.0)
        factors[:, step] = row
        rest = rest - row.square()
    return None
