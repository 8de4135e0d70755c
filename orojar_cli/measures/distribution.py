"""How far the pictures of two generators are apart: Fréchet, kernel and energy distance over a detector's features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from orojar_cli.devices import Chunks, on_processor
from orojar_cli.errors import NumericalError
from orojar_cli.generators.protocol import Generator
from orojar_cli.measures.bootstrap import interval
from orojar_cli.measures.measurement import Measurement
from orojar_cli.measures.settings import MetricSettings
from orojar_cli.progress import Progress
from orojar_cli.response.jacobian import Response

_STREAM = 106
# Rows of a kernel matrix held at once.
_ROWS = 1024


@dataclass(frozen=True)
class Distance:
    """A distance of two samples, its linear part per pair of images [N] (mean: the distance), for intervals."""

    value: float
    per_latent: np.ndarray


def distribution(
    generator: Generator, other: Generator | None, settings: MetricSettings, progress: Progress | None = None
) -> list[Measurement]:
    """Distances from the pictures of `generator` to those of `other`, at independent latents.

    "frechet_distance" is |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) of the features' means and covariances, "kernel_distance" the unbiased
    squared MMD with the kernel (x.y / F + 1)^3, "energy_distance" 2 E|x - y| - E|x - x'| - E|y - y'|, unbiased.  None of them is FID or
    KID, which belong to one Inception network; the detector's name is in the settings.  The details hold the same distance between two
    samples of `generator` itself: the floor, which for the Fréchet distance falls only with the number of images, and the name in full.
    Without `other` there is only the floor, and the result is empty.
    """
    if other is None:
        return []
    first = features(generator, settings, _STREAM, progress, "images")
    again = features(generator, settings, _STREAM + 1, progress, "images for the floor")
    second = features(other, settings, _STREAM + 2, progress, "images of the other")
    made = []
    for name, title, source, measure in (
        ("frechet_distance", "Fréchet distance", "Fréchet distance of Gaussians (Dowson & Landau 1982; Heusel et al. 2017)", frechet),
        ("kernel_distance", "kernel distance", "unbiased squared MMD (Gretton et al. 2012, lemma 6; Bińkowski et al. 2018)", kernel),
        ("energy_distance", "energy distance", "energy distance (Székely & Rizzo 2013)", energy),
    ):
        distance = measure(first, second)
        made.append(
            Measurement(
                metric=name,
                subject=settings.other,
                value=distance.value,
                interval=interval(distance.per_latent, settings.seed),
                better="lower",
                source=source,
                settings=settings.record(len(first), detector=settings.detector.name, features=first.shape[1], against=settings.name()),
                details={"floor": measure(first, again).value, "title": f"{title} ({settings.detector.name})"},
                per_latent=distance.per_latent,
            )
        )
    return made


@torch.no_grad()
def features(generator: Generator, settings: MetricSettings, stream: int, progress: Progress | None, stage: str) -> Tensor:
    """[N, F] float64, on the CPU: the detector's features of `settings.images` pictures."""
    at = settings.latents(generator, settings.images, stream)
    parts = []
    chunks = Chunks(0, len(at), Response(generator).at_once(4, settings.budget))
    for start, stop in chunks:
        with chunks.fitting():
            chunk = at[start:stop]
            pictures = generator.synthesis(generator.mapping(chunk.z, chunk.label, chunk.psi, chunk.cutoff))
            parts.append(on_processor(settings.detector(pictures)))
        if progress is not None:
            progress(stage, stop, len(at))
    found = torch.cat(parts)
    if not bool(torch.isfinite(found).all()):
        raise NumericalError(f"the detector {settings.detector.name} gave numbers that are not finite")
    return found


def frechet(a: Tensor, b: Tensor) -> Distance:
    """Fréchet distance of the Gaussians with the moments of a and b [N, F] (covariances with ddof 1).

    Per latent: the distance plus the influence of that row of a and of b on it.  The optimal map from one Gaussian to the other is
    T = S1^(-1/2) (S1^(1/2) S2 S1^(1/2))^(1/2) S1^(-1/2), and moving S1 by D changes the distance by tr((I - T) D).
    """
    means, covariances = (a.mean(0), b.mean(0)), (_covariance(a), _covariance(b))
    shift = means[0] - means[1]
    root, inverse = _roots(covariances[0])
    inner, inner_inverse = _roots(root @ covariances[1] @ root)
    value = shift.square().sum() + covariances[0].trace() + covariances[1].trace() - 2 * inner.trace()
    there, back = inverse @ inner @ inverse, root @ inner_inverse @ root
    influence = torch.zeros(min(len(a), len(b)), dtype=a.dtype, device="cpu")
    for sample, mean, covariance, transport, sign in zip((a, b), means, covariances, (there, back), (1, -1), strict=True):
        centred = sample[: len(influence)] - mean
        curved = torch.eye(len(transport), dtype=a.dtype, device="cpu") - transport
        influence += 2 * sign * centred @ shift + (centred @ curved * centred).sum(1) - (curved * covariance).sum()
    # The moments of the rows are those of the sample up to ddof, which leaves a trifle in the mean.
    return Distance(float(value), (value + influence - influence.mean()).numpy())


def kernel(a: Tensor, b: Tensor) -> Distance:
    """Unbiased squared MMD of a and b [N, F] with the polynomial kernel (x.y / F + 1)^3."""
    return _discrepancy(lambda x, y: (x @ y.T / x.shape[1] + 1) ** 3, a, b)


def energy(a: Tensor, b: Tensor) -> Distance:
    """Unbiased energy distance of a and b [N, F]: the squared MMD with the kernel -|x - y|."""
    return _discrepancy(lambda x, y: -torch.cdist(x, y), a, b)


def _discrepancy(similarity: Callable[[Tensor, Tensor], Tensor], a: Tensor, b: Tensor) -> Distance:
    """Mean similarity within a and within b, pairs of different rows only, less twice that between them.

    Per latent: the same with the row's own partners only, counted for both of the two it can be; the mean of these is the value.
    """
    count = min(len(a), len(b))
    a, b = a[:count], b[:count]
    rows = []
    for start in range(0, count, _ROWS):
        part = slice(start, start + _ROWS)
        within = similarity(a[part], a) + similarity(b[part], b)
        own = torch.arange(len(within), device="cpu")
        within[own, start + own] = 0
        between = similarity(a[part], b) + similarity(b[part], a)
        rows.append(within.sum(1) / (count - 1) - between.mean(1))
    means = torch.cat(rows)
    # The value is a mean over pairs, so a row's influence on it is twice what it adds.
    return Distance(float(means.mean()), (2 * means - means.mean()).numpy())


def _covariance(features: Tensor) -> Tensor:
    """[F, F], also of a single feature."""
    return features.T.cov(correction=1).reshape(features.shape[1], features.shape[1])


def _roots(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """(square root, pseudo-inverse of the square root) of a positive semi-definite matrix."""
    values, vectors = torch.linalg.eigh((matrix + matrix.T) / 2)
    values = values.clamp_min(0)
    roots = values.sqrt()
    inverse = torch.where(values > 1e-10 * values.max(), 1 / roots.clamp_min(torch.finfo(matrix.dtype).tiny), 0.0)
    return (vectors * roots) @ vectors.T, (vectors * inverse) @ vectors.T
