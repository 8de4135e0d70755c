"""The grids that the commands put into their run directories."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.finetune.rotation import default_outputs
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.spaces import Latents
from orojar_cli.media import labelled_grid, resize, save_image
from orojar_cli.pictures.scene import strength_text
from orojar_cli.pictures.still import cell_size, row_labels
from orojar_cli.pictures.walk import Renderer, dimension_rows, strengths
from orojar_cli.progress import Progress
from orojar_cli.response.activeness import activeness, affordable_samples
from orojar_cli.response.jacobian import Response

_GRID_MULTIPLICATIONS = 6e12


def affordable_seeds(generator: Generator, rows: int, steps: int = 5) -> int:
    """For how many seeds a grid is drawn on a processor where nobody asked for some: about a minute's work, at least one."""
    per_image = sum(cost.multiplications for cost in generator.config.costs())
    return max(1, int(_GRID_MULTIPLICATIONS / max(1, rows * steps * per_image)))


def direction_grid(
    renderer: Renderer,
    at: Latents,
    directions: DirectionSet,
    dimensions: Sequence[int],
    path: Path,
    *,
    extent: float = 2.0,
    steps: int = 5,
    seeds: Sequence[int],
    title: str,
    progress: Progress | None = None,
) -> None:
    """Write a grid: one row per dimension, for every seed `steps` pictures from -extent to +extent sigmas."""
    values = strengths(extent, steps)
    size = cell_size(renderer.generator.img_resolution)
    rows = []
    for row in dimension_rows(renderer, at, directions, dimensions, values):
        rows.append(resize(row, size))
        if progress is not None:
            progress("drawing", len(rows), len(dimensions))
    cells = np.stack(rows)
    picture = labelled_grid(
        cells,
        row_labels=row_labels(directions, dimensions),
        column_labels=[strength_text(value) for value in values] * len(seeds),
        title=title,
        footer=f"{directions.method} in {directions.space}, strength in sigmas",
        group=steps,
        group_labels=[f"seed {seed}" for seed in seeds],
    )
    save_image(picture, path)


def before_after_grid(
    before: Renderer,
    after: Renderer,
    at: Latents,
    tuned_at: Latents,
    axes: DirectionSet,
    dimensions: Sequence[int],
    path: Path,
    *,
    seed: int,
) -> None:
    """Write the z axes of two networks side by side: left those most active before, right those most active after.

    `tuned_at` are the tuned network's latents of the pictures that the original draws at `at`: both walks start from the same picture.
    """
    values = strengths(2.0, 7)
    size = cell_size(after.generator.img_resolution)
    original = original_axes(before, at, axes)
    left = [resize(row, size) for row in dimension_rows(before, at, original, dimensions, values)]
    right = [resize(row, size) for row in dimension_rows(after, tuned_at, axes, dimensions, values)]
    cells = np.stack([np.concatenate(pair) for pair in zip(left, right, strict=True)])
    labels = [f"dim {index}\nact {original.activeness[index]:.3g} | {axes.activeness[index]:.3g}" for index in dimensions]
    picture = labelled_grid(
        cells,
        row_labels=labels,
        column_labels=[strength_text(value) for value in values] * 2,
        title=f"z axes before and after, most active first (seed {seed})",
        footer="strength in sigmas of z",
        group=7,
        group_labels=["before", "after"],
    )
    save_image(picture, path)


def original_axes(before: Renderer, at: Latents, axes: DirectionSet) -> DirectionSet:
    """The untuned network's z axes, most active first."""
    response = Response(before.generator, "z", outputs=default_outputs(before.generator))
    count = affordable_samples(response, len(axes), 16)
    points = torch.randn(count, before.generator.z_dim, generator=torch.Generator().manual_seed(0)).to(at.z)
    label = None if at.label is None else at.label[:1].expand(count, -1)
    active = activeness(response, Latents(points, label), torch.eye(len(axes)).to(at.z))
    order = active.argsort(descending=True, stable=True)
    return dataclasses.replace(axes, directions=torch.eye(len(axes))[order], activeness=active[order])
