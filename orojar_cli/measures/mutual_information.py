"""Mutual information of latent coordinates and factors, and its gap (MIG)."""

from __future__ import annotations

import numpy as np
import torch

from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.moments import latent_samples
from orojar_cli.latents.points import Latents
from orojar_cli.latents.spaces import style_affine

_BINS = 20


@torch.no_grad()
def latent_codes(generator: Generator, at: Latents, directions: DirectionSet) -> np.ndarray:
    """[N, K]: coordinates along the directions of the latents, by least squares, in sigmas; of z, w, p, w at every layer, or the styles."""
    space = directions.space
    latents = latent_samples(generator, at, space if space in ("z", "p") else "w").cpu().double()
    if space == "w+":
        latents = latents.repeat(1, len(directions.layers))
    elif space == "s":
        latents = latents @ style_affine(generator, directions.layers).cpu().double().T
    inverse = torch.linalg.pinv(directions.directions.double())
    return ((latents - latents.mean(0)) @ inverse / directions.sigma.double()).numpy()


def mutual_information(codes: np.ndarray, factors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(I [K, F], the factors' entropies [F]) in nats, of codes [N, K] and factors [N, F] in 20 bins of equal counts each."""
    code_bins, factor_bins = (np.stack([_binned(column) for column in values.T]) for values in (codes, factors))
    table = np.array([[_information(code, factor) for factor in factor_bins] for code in code_bins])
    return table, np.array([_entropy(np.bincount(factor)) for factor in factor_bins])


def gap(table: np.ndarray, entropies: np.ndarray) -> float:
    """Mean over factors of (largest - second largest mutual information) / entropy (Chen et al. 2018, eq. 6)."""
    ordered = np.sort(table, 0)
    second = ordered[-2] if len(ordered) > 1 else 0.0
    return float(((ordered[-1] - second) / entropies).mean())


def _binned(values: np.ndarray) -> np.ndarray:
    edges = np.quantile(values, np.linspace(0, 1, _BINS + 1)[1:-1])
    return np.searchsorted(edges, values, side="right")


def _information(first: np.ndarray, second: np.ndarray) -> float:
    counts = np.bincount(first * _BINS + second, minlength=_BINS * _BINS).reshape(_BINS, _BINS)
    return _entropy(counts.sum(0)) + _entropy(counts.sum(1)) - _entropy(counts.ravel())


def _entropy(counts: np.ndarray) -> float:
    """Of the distribution that the counts are samples of, in nats."""
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())
