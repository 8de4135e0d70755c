"""The grids that runs keep: a row per direction, for every seed a few strengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.points import Latents
from orojar_cli.media import labelled_grid, resize
from orojar_cli.pictures.scene import strength_text
from orojar_cli.pictures.still import cell_size, row_labels
from orojar_cli.pictures.walk import Renderer, dimension_rows, strengths
from orojar_cli.progress import Progress
from orojar_cli.response.budget import affordable, arithmetic
from orojar_cli.response.outputs import Output

STEPS = 5
# The places of a film of 48 frames, which passes each but the ends twice.
_PLACES, _FILM_MULTIPLICATIONS = 25, 1.1e13
# Half a minute.
_GRID_MULTIPLICATIONS = 4e12


@dataclass(frozen=True)
class Look:
    """Where a run's grids are drawn: at these points, which are those of these seeds, in so many `steps` along every direction."""

    at: Latents
    seeds: tuple[int, ...]
    noise_mode: str = "const"
    steps: int = STEPS


def affordable_images(generator: Generator, most: int, places: int = _PLACES, least: int = 1) -> int:
    """How many images a film has that nobody described, each of which is drawn at so many `places`: `most`, on a processor as many as
    are drawn there in a minute or so, but `least`."""
    if generator.device.type != "cpu":
        return most
    return affordable(places * arithmetic(generator, (Output(),)), most, least, _FILM_MULTIPLICATIONS)


def affordable_grid(generator: Generator, rows: int, most: int) -> tuple[int, int]:
    """(seeds, steps) of a grid that nobody described: `most` seeds and five steps, on a processor what about half a minute draws.

    At least one seed, in at least three steps: the middle of a row is drawn once for all rows.
    """
    if generator.device.type != "cpu":
        return most, STEPS
    image = arithmetic(generator, (Output(),))
    seeds = affordable(rows * (STEPS - 1) * image, most, 1, _GRID_MULTIPLICATIONS)
    return seeds, STEPS if seeds * rows * (STEPS - 1) * image <= _GRID_MULTIPLICATIONS else 3


def grid_size(generator: Generator, most: int, columns: int, steps: int) -> tuple[int, int]:
    """(rows, steps) of a grid with so many `columns` of steps: `most` rows, on a processor what about half a minute draws.

    At least three rows; where all would take longer, three steps instead of more.
    """
    each = columns * arithmetic(generator, (Output(),))
    if generator.device.type != "cpu" or most * steps * each <= _GRID_MULTIPLICATIONS:
        return most, steps
    return min(most, affordable(3 * each, most, 3, _GRID_MULTIPLICATIONS)), 3


def drawn_rows(
    renderer: Renderer,
    at: Latents,
    directions: DirectionSet,
    dimensions: Sequence[int],
    values: Sequence[float],
    progress: Progress | None = None,
) -> list[np.ndarray]:
    """A row of pictures [N * S, h, w, 3] per dimension, at the size of a grid's cells."""
    size = cell_size(max(renderer.generator.image_shape[1:]))
    rows = []
    for row in dimension_rows(renderer, at, directions, dimensions, values):
        rows.append(resize(row, size))
        if progress is not None:
            progress("drawing", len(rows), len(dimensions))
    return rows


def direction_grid(
    renderer: Renderer,
    at: Latents,
    directions: DirectionSet,
    dimensions: Sequence[int],
    *,
    extent: float = 2.0,
    steps: int = STEPS,
    seeds: Sequence[int],
    title: str,
    progress: Progress | None = None,
) -> Image.Image:
    """One row per dimension, for every seed `steps` pictures from -extent to +extent sigmas; `progress` counts the rows drawn."""
    values = strengths(extent, steps)
    return labelled_grid(
        np.stack(drawn_rows(renderer, at, directions, dimensions, values, progress)),
        row_labels=row_labels(directions, dimensions),
        column_labels=[strength_text(value) for value in values] * len(seeds),
        title=title,
        footer=f"{directions.method} in {directions.space}, strength in sigmas",
        group=steps,
        group_labels=[f"seed {seed}" for seed in seeds],
    )
