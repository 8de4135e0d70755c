"""Which dimensions the samples tell apart, and which could be turned into each other at no cost.

Where two dimensions change the image orthogonally and equally strongly at every sample, any rotation of the plane they span has the
same OroJaR loss: neither of them means anything by itself.
"""

from __future__ import annotations

import torch
from torch import Tensor

_LEAST_ANISOTROPY = 0.01
_INACTIVE = 1e-6


def pair_anisotropies(grams: Tensor) -> Tensor:
    """[d, d] float64: how far from a multiple of the identity the 2 x 2 blocks of Gram matrices [N, d, d] are.

    For dimensions i, j it is E[(M_ii - M_jj)^2 + 4 M_ij^2] / E[(M_ii + M_jj)^2], the mean squared difference of the block's two
    eigenvalues over their mean squared sum: 1 where only one direction of the plane does anything, 0 where every rotation of it gives
    the same matrices, and so the same loss.  Rotating i and j does not change it.  Pairs that do nothing, and the diagonal, get 1.
    """
    grams = grams.double()
    diagonal = grams.diagonal(dim1=1, dim2=2)
    spread = ((diagonal[:, :, None] - diagonal[:, None, :]).square() + 4 * grams.square()).mean(0)
    total = (diagonal[:, :, None] + diagonal[:, None, :]).square().mean(0)
    idle = total <= (_INACTIVE * diagonal.mean(0).max()) ** 2
    idle.fill_diagonal_(True)
    return torch.where(idle, 1.0, spread / torch.where(idle, 1.0, total))


def degenerate_groups(grams: Tensor) -> Tensor:
    """[d] number of the group of interchangeable dimensions each belongs to, -1 for one that stands alone; grams [N, d, d].

    A pair is degenerate when its anisotropy is below 0.01: the eigenvalues of its blocks differ by less than a tenth of their sum.
    """
    return connected(pair_anisotropies(grams) < _LEAST_ANISOTROPY)


def connected(pairs: Tensor) -> Tensor:
    """[d] number of the group each item belongs to, -1 for an item on its own; `pairs` [d, d] is boolean and symmetric."""
    # Looked at one by one, which on a device would be a wait for each.
    pairs = pairs.cpu()
    group = torch.full((len(pairs),), -1, device="cpu")
    count = 0
    for start in range(len(pairs)):
        if group[start] >= 0 or not bool(pairs[start].any()):
            continue
        waiting = [start]
        while waiting:
            item = waiting.pop()
            if group[item] < 0:
                group[item] = count
                waiting += pairs[item].nonzero().flatten().tolist()
        count += 1
    return group


def degenerate_values(values: Tensor, tolerance: float = 1e-3) -> Tensor:
    """[d] groups of eigenvalues (or singular values) that are equal to `tolerance` of the larger, -1 for a value on its own.

    The eigenvectors of equal eigenvalues are any basis of their space.
    """
    largest = torch.maximum(values[:, None], values[None, :])
    pairs = (values[:, None] - values[None, :]).abs() <= tolerance * largest
    return connected(pairs.fill_diagonal_(False))
