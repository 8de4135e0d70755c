"""The eigenvectors of the mean Gram matrix: where OroJaR's closed form starts from, and a method of its own."""

from __future__ import annotations

import torch

from orojar_cli.diagonaliser.identifiability import degenerate_values
from orojar_cli.directions.direction_set import DEGENERATE, DirectionSet
from orojar_cli.directions.frame import Frame, finished
from orojar_cli.directions.method import Method
from orojar_cli.directions.orojar import FIT_STREAM, measured_grams
from orojar_cli.directions.settings import Settings
from orojar_cli.generators.protocol import Generator
from orojar_cli.progress import Progress


def jacobian_pca(generator: Generator, settings: Settings, progress: Progress | None = None) -> DirectionSet:
    """Eigenvectors of the mean Gram matrix E[M], largest eigenvalue first."""
    frame = Frame.of(generator, settings)
    fit = settings.latents(generator, settings.samples, FIT_STREAM)
    values, vectors = torch.linalg.eigh(measured_grams(generator, settings, fit, frame.steps, progress, "Gram matrices").mean(0))
    scores = {"eigenvalue": values.flip(0), DEGENERATE: degenerate_values(values.flip(0))}
    return finished(generator, settings, frame, vectors.flip(1).T, "jacobian-pca", by_activeness=False, scores=scores, progress=progress)


METHOD = Method("jacobian-pca", jacobian_pca)
