"""Activeness: how much each dimension changes the image, as the paper defines it."""

from __future__ import annotations

from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.generators.protocol import Generator
from orojar_cli.measures.bootstrap import interval
from orojar_cli.measures.measurement import Measurement
from orojar_cli.measures.settings import MetricSettings, response_of
from orojar_cli.measures.uncertainty import WITHOUT_DIMENSION, draw_is_measured, interval_of
from orojar_cli.progress import Progress
from orojar_cli.response.activeness import VALUES, image_variances

_STREAM = 101


def activeness(
    generator: Generator, directions: DirectionSet, settings: MetricSettings, progress: Progress | None = None
) -> list[Measurement]:
    """Mean over dimensions of the variance of the images with a dimension at -2, 0 and 2 sigmas; every dimension's in the details.

    300 latents; the variance has ddof 1 and is averaged over pixels.  In z the dimension is set to the values, as in the paper, in the
    other spaces they are added.  More is not better in itself: a loss is only worth something where the dimensions do something.
    """
    chosen = settings.chosen(directions)
    at = settings.latents(generator, settings.activeness_samples, _STREAM)
    steps = (chosen.directions * chosen.sigma.unsqueeze(1)).to(at.z)
    callback = None if progress is None else lambda done: progress("activeness", done, len(steps))
    variances = image_variances(response_of(generator, chosen), at, steps, budget=settings.budget, callback=callback).numpy()
    values, dimensions = variances.mean(0), variances.mean(1)
    count = len(dimensions)
    without = {WITHOUT_DIMENSION: ((dimensions.sum() - dimensions) / (count - 1)).tolist()} if draw_is_measured(chosen) else {}
    return [
        Measurement(
            metric="activeness",
            subject=settings.name(directions),
            value=float(values.mean()),
            interval=interval_of(values, without),
            better=None,
            source="OroJaR (Wei et al., ICCV 2021), section 4.1",
            settings=settings.record(len(at), values=list(VALUES), dimensions=count),
            details={
                "dimensions": dimensions.tolist(),
                "dimension_intervals": [interval(row, settings.seed) for row in variances],
                "labels": list(chosen.labels),
                **without,
            },
            per_latent=values,
        )
    ]
