"""Distances between two samples of a distribution, differentiable: what holds a tuned mapping to the one it came from."""

from __future__ import annotations

import torch
from torch import Tensor


def sliced_wasserstein(a: Tensor, b: Tensor, projections: Tensor) -> Tensor:
    """Mean squared 2-Wasserstein distance of the samples a, b [N, D] along the columns of `projections` [D, P].

    In one dimension the optimal transport pairs the sorted values (Bonneel et al. 2015).
    """
    return ((a @ projections).sort(0).values - (b @ projections).sort(0).values).square().mean()


def random_projections(weights: Tensor, count: int, rng: torch.Generator, active: int = 12) -> Tensor:
    """Unit projections [D, 2 count]: half weighted by `weights` [D] over all dimensions, half inside the `active` first ones."""
    dim, active = len(weights), min(active, len(weights))
    everywhere = torch.randn(dim, count, generator=rng).to(weights) * weights.unsqueeze(1)
    inside = torch.zeros(dim, count).to(weights)
    inside[:active] = 0.5 * torch.randn(active, count, generator=rng).to(weights)
    inside[torch.randint(0, active, (count,), generator=rng), torch.arange(count)] += 1
    both = torch.cat([everywhere, inside], 1)
    return both / both.norm(dim=0, keepdim=True).clamp_min(1e-12)


def energy_distance(a: Tensor, b: Tensor) -> Tensor:
    """Unbiased energy distance 2 E|a - b| - E|a - a'| - E|b - b'| of samples [N, P] and [M, P] (Székely & Rizzo 2013)."""
    count, other = len(a), len(b)
    within = _distances(a, a).sum() / (count * (count - 1)) + _distances(b, b).sum() / (other * (other - 1))
    return 2 * _distances(a, b).mean() - within


def _distances(a: Tensor, b: Tensor) -> Tensor:
    # The gradient of a plain distance is not defined where two points meet, as on the diagonal.
    squares = a.square().sum(1, keepdim=True) + b.square().sum(1) - 2 * a @ b.T
    return squares.clamp_min(1e-12).sqrt()
