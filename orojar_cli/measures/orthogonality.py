"""Orthogonality: do different dimensions change the image in orthogonal ways, at latents that took no part in finding them?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from orojar_cli.diagonaliser.criteria import RIDGE, off_diagonal_energy
from orojar_cli.diagonaliser.grams import traces
from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.generators.protocol import Generator
from orojar_cli.measures.measurement import Measurement
from orojar_cli.measures.settings import MetricSettings, response_of
from orojar_cli.measures.uncertainty import WITHOUT_DIMENSION, draw_is_measured, interval_of
from orojar_cli.progress import Progress
from orojar_cli.response.jacobian import gram_matrices

_STREAM = 100
_OROJAR = "OroJaR (Wei et al., ICCV 2021), eq. 4-6"
_CONTRAST = "independent-mechanism contrast (Gresele et al., NeurIPS 2021)"


def orthogonality(
    generator: Generator, directions: DirectionSet, settings: MetricSettings, progress: Progress | None = None
) -> list[Measurement]:
    """Numbers of the Gram matrices M = J^T J of the response to one sigma along each direction, at held-out latents.

    "orojar_loss_raw" is 2 E sum_{i != j} M_ij^2 over pixels, what the paper's estimator has as its expectation; "orojar_loss" is
    E sum_{i != j} M_ij^2 over E (tr M)^2, "off_diagonal_share" the mean of that
    ratio latent by latent, "mean_cosine" the mean |cosine| of two columns of J, with the matrix in its details, and "mechanism_contrast"
    sum_i log ||J_i|| - 1/2 log det M.  All are 0 for orthogonal columns; a loss says little beside a small activeness.
    """
    chosen = settings.chosen(directions)
    at = settings.latents(generator, settings.samples, _STREAM)
    steps = (chosen.directions * chosen.sigma.unsqueeze(1)).to(at.z)
    callback = None if progress is None else lambda done: progress("orthogonality", done, len(at))
    grams = gram_matrices(response_of(generator, chosen, settings.output), at, steps, budget=settings.budget, callback=callback)
    return of_gram_matrices(grams, settings.name(directions), settings, drawn=draw_is_measured(chosen))


def of_gram_matrices(grams: Tensor, subject: str, settings: MetricSettings, drawn: bool = False) -> list[Measurement]:
    """The measurements of Gram matrices [N, K, K] that are already there, of dimensions that are found or `drawn`."""
    record = settings.record(len(grams), output=str(settings.output), dimensions=grams.shape[1])
    norms = grams.diagonal(dim1=1, dim2=2).mean(0).sqrt()
    cosines = absolute_cosines(grams)
    norm = {"column_norm": norms.tolist()}
    made = []
    for name, source, per_latent, further in (
        ("orojar_loss_raw", _OROJAR, raw_losses, {}),
        ("orojar_loss", f"{_OROJAR}, over E (tr M)^2", normalised_losses, {}),
        ("off_diagonal_share", f"{_OROJAR}, over (tr M)^2 latent by latent", shares, {}),
        ("mean_cosine", "mean |cosine| of the Jacobian's columns", mean_cosines, {"cosine_matrix": cosines.mean(0).tolist()}),
        ("mechanism_contrast", _CONTRAST, contrasts, {}),
    ):
        values = per_latent(grams)
        details = norm | further | (without_each(per_latent, grams) if drawn else {})
        made.append(
            Measurement(
                metric=name,
                subject=subject,
                value=float(values.mean()),
                interval=interval_of(values, details),
                better="lower",
                source=source,
                settings=record,
                details=details,
                per_latent=values,
            )
        )
    return made


def raw_losses(grams: Tensor) -> np.ndarray:
    """[N] 2 sum over i != j of M_ij^2: the variance of ||J v||^2 over Rademacher v, which is what the paper's code sums up."""
    return 2 * off_diagonal_energy(grams).numpy()


def normalised_losses(grams: Tensor) -> np.ndarray:
    """[N] whose mean is E sum M_ij^2 / E (tr M)^2: the ratio plus each latent's influence on it (the delta method)."""
    energy, square = off_diagonal_energy(grams), traces(grams).square()
    ratio = energy.mean() / square.mean()
    return (ratio + (energy - ratio * square) / square.mean()).numpy()


def shares(grams: Tensor) -> np.ndarray:
    """[N] sum over i != j of M_ij^2 / (tr M)^2."""
    return (off_diagonal_energy(grams) / traces(grams).square().clamp_min(torch.finfo(torch.float64).tiny)).numpy()


def absolute_cosines(grams: Tensor) -> Tensor:
    """[N, K, K] |cosine| of every two columns of J; 0 with a column that is zero."""
    norms = grams.diagonal(dim1=1, dim2=2).clamp_min(0).sqrt()
    products = norms.unsqueeze(2) * norms.unsqueeze(1)
    return torch.where(products > 0, grams.abs() / products.clamp_min(torch.finfo(grams.dtype).tiny), 0.0)


def mean_cosines(grams: Tensor) -> np.ndarray:
    """[N] mean |cosine| of two different columns; 0 where there is one column only."""
    count = grams.shape[1]
    cosines = absolute_cosines(grams)
    pairs = max(1, count * (count - 1))
    return ((cosines.sum((1, 2)) - cosines.diagonal(dim1=1, dim2=2).sum(1)) / pairs).numpy()


def contrasts(grams: Tensor) -> np.ndarray:
    """[N] sum_i log ||J_i|| - 1/2 log det M, with a ridge of 1e-9 of the mean diagonal, because z has a direction that does nothing."""
    count = grams.shape[1]
    ridge = (RIDGE / count) * traces(grams)[:, None, None] * torch.eye(count, dtype=grams.dtype, device="cpu")
    ridged = grams + ridge
    logarithms = torch.linalg.eigvalsh(ridged).clamp_min(torch.finfo(grams.dtype).tiny).log().sum(1)
    return (0.5 * (ridged.diagonal(dim1=1, dim2=2).log().sum(1) - logarithms)).clamp_min(0).numpy()


def without_each(per_latent: Callable[[Tensor], np.ndarray], grams: Tensor) -> dict[str, list[float]]:
    """The value without each one of the dimensions."""
    count = grams.shape[1]
    rest = [torch.tensor([other for other in range(count) if other != index], device="cpu") for index in range(count)]
    return {WITHOUT_DIMENSION: [float(per_latent(grams[:, kept][:, :, kept]).mean()) for kept in rest]}
