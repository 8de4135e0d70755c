"""The z axes of a network before and after fine-tuning, side by side."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.directions.settings import Settings
from orojar_cli.latents.points import Latents
from orojar_cli.media import labelled_grid
from orojar_cli.numbers import as_classes
from orojar_cli.pictures.axes import STEPS, drawn_rows
from orojar_cli.pictures.scene import strength_text
from orojar_cli.pictures.walk import Renderer, strengths
from orojar_cli.tuning.rotation import axis_activeness


def before_after_grid(
    before: Renderer,
    after: Renderer,
    at: Latents,
    tuned_at: Latents,
    axes: DirectionSet,
    dimensions: Sequence[int],
    *,
    seed: int,
    steps: int = STEPS,
    expected: torch.Tensor | None = None,
) -> Image.Image:
    """The z axes of two networks side by side: left those most active before, right those most active after, by their numbers in each.

    `tuned_at` are the tuned network's latents of the pictures that the original draws at `at`: both walks start from the same picture.
    `expected` [z_dim] are the squared changes along the original's axes, where they are known.
    """
    values = strengths(2.0, steps)
    original = original_axes(before, at, axes, expected)
    left = drawn_rows(before, at, original, dimensions, values)
    right = drawn_rows(after, tuned_at, axes, dimensions, values)
    cells = np.stack([np.concatenate(pair) for pair in zip(left, right, strict=True)])
    numbers = [each.directions.abs().argmax(1).tolist() for each in (original, axes)]
    labels = [
        f"dim {numbers[0][row]} | {numbers[1][row]}\nact {original.activeness[row]:.3g} | {axes.activeness[row]:.3g}" for row in dimensions
    ]
    return labelled_grid(
        cells,
        row_labels=labels,
        column_labels=[strength_text(value) for value in values] * 2,
        title=f"z axes before and after, most active first (seed {seed})",
        footer="strength in sigmas of z",
        group=steps,
        group_labels=["before", "after"],
    )


def original_axes(before: Renderer, at: Latents, axes: DirectionSet, expected: torch.Tensor | None) -> DirectionSet:
    """The untuned network's z axes, most active first."""
    generator = before.generator
    classes = None if at.label is None else {index: weight for index, weight in enumerate(at.label[0].tolist()) if weight}
    settings = Settings(space="z", class_index=as_classes(classes))
    identity = torch.eye(len(axes), device="cpu")
    active = axis_activeness(generator, settings, identity, expected=expected)
    order = active.argsort(descending=True, stable=True)
    return dataclasses.replace(axes, directions=identity[order], activeness=active[order])
