"""Random orthonormal directions: the control every comparison needs."""

from __future__ import annotations

import torch

from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.directions.frame import Frame, finished
from orojar_cli.directions.method import Method
from orojar_cli.directions.settings import Settings
from orojar_cli.generators.protocol import Generator
from orojar_cli.progress import Progress


def random_directions(generator: Generator, settings: Settings, progress: Progress | None = None) -> DirectionSet:
    """Rows of a Haar-random rotation of the space's (whitened) coordinates, in random order."""
    frame = Frame.of(generator, settings)
    rng = torch.Generator().manual_seed(settings.seed)
    dim = len(frame.steps)
    q, r = torch.linalg.qr(torch.randn(dim, dim, dtype=torch.float64, generator=rng))
    return finished(generator, settings, frame, (q * r.diagonal().sign()).T, "random", by_activeness=False, progress=progress)


METHOD = Method("random", random_directions, compared=True, drawn=True)
