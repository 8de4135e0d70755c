"""The joint diagonaliser against the eigenvectors of the mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch

from orojar_cli.bench.measurement import Effort, Row, interleaved
from orojar_cli.diagonaliser import joint_diagonalise, mean_eigenvectors


def diagonalising(effort: Effort) -> Iterator[Row]:
    """Matrices with the same eigenvectors, spectra of their own, and noise of rank 8."""
    sizes = [(16, 50, 0.0)] if effort.quick else [(64, 200, 1.0)]
    if effort.full:
        sizes.append((512, 200, 60.0))
    for dim, count, limit in sizes:
        grams = synthetic_grams(dim, count)
        sides: dict[str, Callable[[], object]] = {"mean": partial(mean_eigenvectors, grams), "joint": partial(joint_diagonalise, grams)}
        seconds = interleaved(sides, 1 if dim > 64 else 3)
        yield Row("diagonaliser", f"d = {dim}, N = {count}: the mean's eigenvectors", 1000 * seconds["mean"], "ms")
        yield Row("diagonaliser", f"d = {dim}, N = {count}", seconds["joint"], "s", goal=f"<= {limit:g}" if limit else "")


def synthetic_grams(dim: int, count: int) -> torch.Tensor:
    """[count, dim, dim] float64."""
    rng = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=rng)

    truth = torch.linalg.qr(normal(dim, dim)).Q
    spectrum = torch.exp(-4 * torch.arange(dim, dtype=torch.float64) / dim)
    values = spectrum * torch.exp(0.7 * normal(count, dim))
    factors = (normal(count, 8, dim) * spectrum.sqrt()) @ truth
    noise = factors.transpose(1, 2) @ factors
    traces = noise.diagonal(dim1=1, dim2=2).sum(1)
    return (truth.T * (values / values.sum(1, keepdim=True))[:, None]) @ truth + 0.3 * noise / traces[:, None, None]
