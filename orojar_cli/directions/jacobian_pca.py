"""The eigenvectors of the mean Gram matrix: where OroJaR's closed form starts from, and a method of its own."""

from __future__ import annotations

import torch

from orojar_cli.diagonaliser.identifiability import degenerate_values
from orojar_cli.directions.direction_set import DEGENERATE, DirectionSet
from orojar_cli.directions.frame import Frame, finished
from orojar_cli.directions.method import Method
from orojar_cli.directions.orojar import FIT_STREAM, measured_grams, moving_subspace, width
from orojar_cli.directions.settings import Settings
from orojar_cli.generators.protocol import Generator
from orojar_cli.progress import Progress
from orojar_cli.response.subspace import PROBES


def jacobian_pca(generator: Generator, settings: Settings, progress: Progress | None = None) -> DirectionSet:
    """Eigenvectors of the mean Gram matrix E[M], largest eigenvalue first."""
    frame = Frame.of(generator, settings)
    fit = settings.latents(generator, settings.samples, FIT_STREAM)
    wide = moving_subspace(generator, settings, frame, 2 * (settings.num or frame.steps.shape[0]), progress)
    grams = measured_grams(generator, settings, fit, wide.basis.to(frame.steps) @ frame.steps, progress, "Gram matrices")
    values, vectors = torch.linalg.eigh(grams.mean(0))
    scores = {"eigenvalue": values.flip(0), DEGENERATE: degenerate_values(values.flip(0))}
    axes = vectors.flip(1).T @ wide.basis
    return finished(generator, settings, frame, axes, "jacobian-pca", by_activeness=False, scores=scores, progress=progress)


def _images(generator: Generator, settings: Settings) -> float:
    return PROBES + settings.samples * width(generator, settings, 2 * (settings.num or generator.w_dim))


METHOD = Method("jacobian-pca", jacobian_pca, images=_images, counted="samples")
