"""Mutual information of latent coordinates and factors, its gap (MIG), and the modularity of the coordinates."""

from __future__ import annotations

import numpy as np
import torch

from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.moments import latent_samples
from orojar_cli.latents.points import Latents
from orojar_cli.latents.spaces import style_affine

BINS = 20


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


def mutual_information(codes: np.ndarray, factors: np.ndarray, equal_width: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """(I [K, F], the factors' entropies [F]) in nats, of codes [N, K] and factors [N, F] in 20 bins each, of equal counts or equal widths.

    Categories numbered from 0, fewer than 20, fall into bins of their own either way.
    """
    code_bins, factor_bins = (np.stack([binned(column, equal_width) for column in values.T]) for values in (codes, factors))
    table = np.array([[_information(code, factor) for factor in factor_bins] for code in code_bins])
    return table, np.array([_entropy(np.bincount(factor)) for factor in factor_bins])


def gap(table: np.ndarray, entropies: np.ndarray) -> float:
    """Mean over factors of (largest - second largest mutual information) / entropy (Chen et al. 2018, eq. 6)."""
    ordered = np.sort(table, 0)
    second = ordered[-2] if len(ordered) > 1 else 0.0
    # A factor that never varies has no entropy, and no gap.
    return float((np.divide(ordered[-1] - second, entropies, out=np.zeros_like(entropies), where=entropies > 0)).mean())


def modularity(table: np.ndarray) -> float:
    """Mean over codes of 1 - sum of the other factors' squared information / ((F - 1) times the largest squared): 1 where each code
    tells of one factor only (Ridgeway & Mozer 2018, the deviation from a template that has the largest only)."""
    squares = np.square(table)
    largest = squares.max(1)
    others = np.divide(squares.sum(1) - largest, largest, out=np.zeros_like(largest), where=largest > 0)
    return float((1 - others / max(table.shape[1] - 1, 1)).mean())


def binned(values: np.ndarray, equal_width: bool = False) -> np.ndarray:
    """[N] the bin, 0 to 19, of each of values [N]."""
    shares = np.linspace(0, 1, BINS + 1)[1:-1]
    edges = values.min() + shares * np.ptp(values) if equal_width else np.quantile(values, shares)
    return np.searchsorted(edges, values, side="right")


def _information(first: np.ndarray, second: np.ndarray) -> float:
    counts = np.bincount(first * BINS + second, minlength=BINS * BINS).reshape(BINS, BINS)
    return _entropy(counts.sum(0)) + _entropy(counts.sum(1)) - _entropy(counts.ravel())


def _entropy(counts: np.ndarray) -> float:
    """Of the distribution that the counts are samples of, in nats."""
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())
