"""Perceptual path length along each direction: how fast the picture changes for a detector's eye."""

from __future__ import annotations

import torch

from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.generators.protocol import Generator
from orojar_cli.measures.bootstrap import interval
from orojar_cli.measures.measurement import Measurement
from orojar_cli.measures.path_length import EPSILON, MISSING, SOURCE, speeds
from orojar_cli.measures.settings import MetricSettings, response_of
from orojar_cli.measures.uncertainty import WITHOUT_DIMENSION, draw_is_measured, interval_of
from orojar_cli.progress import Progress

_STREAM = 103


@torch.no_grad()
def direction_length(
    generator: Generator, directions: DirectionSet, settings: MetricSettings, progress: Progress | None = None
) -> list[Measurement]:
    """Mean over latents and dimensions of the squared perceptual speed, in squared distance per squared sigma; each in the details.

    Like the path length of Karras et al. with the path along one direction.  Neither way is better: a short one may do nothing.
    """
    chosen = settings.chosen(directions)
    at = settings.latents(generator, settings.samples, _STREAM)
    steps = (chosen.directions * chosen.sigma.unsqueeze(1)).to(at.z)
    response = response_of(generator, chosen)
    rows = []
    for index, step in enumerate(steps):

        def images(start: int, stop: int, time: float, step: torch.Tensor = step) -> torch.Tensor:
            chunk = at[start:stop]
            (found,) = response(chunk, (time * step).expand(len(chunk), -1))
            return found.unflatten(1, generator.image_shape)

        rows.append(speeds(images, len(at), response, settings))
        if progress is not None:
            progress("length of directions", index + 1, len(steps))
    table = torch.stack(rows).numpy()
    values, dimensions = table.mean(0), table.mean(1)
    count = len(dimensions)
    without = {WITHOUT_DIMENSION: ((dimensions.sum() - dimensions) / (count - 1)).tolist()} if draw_is_measured(chosen) else {}
    return [
        Measurement(
            metric="direction_length",
            subject=settings.name(directions),
            value=float(values.mean()),
            interval=interval_of(values, without),
            better=None,
            source=f"{SOURCE}, along directions; {MISSING}",
            settings=settings.record(len(at), epsilon=EPSILON, detector=settings.detector.name, dimensions=count),
            details={"dimensions": dimensions.tolist(), "dimension_intervals": [interval(row, settings.seed) for row in table], **without},
            per_latent=values,
        )
    ]
