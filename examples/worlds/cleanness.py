"""How many pictures contain exactly one clean object of their world?

A picture is clean if it is what the world's renderer draws from the factors measured on it, with the object's and the ground's colour
free, and the object is one connected piece of a plausible size.  In the shapes world the better of disc and square must leave a mean
absolute error below `TOLERANCE`; in the others the absolute errors that can be seen (`VISIBLE`) must sum to less than `MISDRAWN` of the
object (its area times its contrast), which is stricter where objects are small.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import bars
import numpy as np
import shapes
import sprites
import torch
from disentanglement import measure_factors
from scipy import ndimage
from torch import Tensor

from orojar_cli.measures.bars_factors import measure_bars
from orojar_cli.measures.sprites_factors import SYMMETRY, measure_sprites

TOLERANCE, MISDRAWN = 0.03, 0.2
# A texture of the ground that nobody sees would add up over thousands of pixels to more than a small object is.
VISIBLE = 0.05
_SMALLEST_PIECE = 3
_SCALES = (0.92, 0.96, 1.0, 1.04, 1.08)


def _shapes_masks(images: Tensor) -> Iterator[Tensor]:
    """Discs and squares; the measured area depends a little on the colours' contrast, so the size is searched around it."""
    x, y, root_area, _, _ = measure_factors(images).T
    size = root_area / (math.sqrt(math.pi) * images.shape[-1] / 2)
    for square in (False, True):
        for scale in _SCALES:
            scenes = shapes.Scenes(x, y, size * scale, x, x, torch.full_like(x, square, dtype=torch.bool))
            yield shapes.coverage(scenes, images.shape[-1])


def _bars_masks(images: Tensor) -> Iterator[Tensor]:
    x, y, angle, length, thickness, _ = measure_bars(images).T
    for long in _SCALES:
        for thick in _SCALES:
            yield bars.coverage(bars.Scenes(x, y, angle, length * long, thickness * thick, x), images.shape[-1])


def _sprites_masks(images: Tensor) -> Iterator[Tensor]:
    kind, scale, share, x, y = measure_sprites(images).T
    shape = kind.long()
    for factor in _SCALES:
        scenes = sprites.Scenes(shape, scale * factor, share * torch.tensor(SYMMETRY, device=images.device)[shape], x, y)
        yield sprites.inside(scenes, images.shape[-1]).to(images)


def _errors(images: Tensor, mask: Tensor, least: float = 0.0) -> tuple[Tensor, Tensor]:
    """(sum of absolute errors [N], the object's area times its contrast [N]) of the picture that a mask [N, R, R] draws with the best
    colours, summed over channels, in units of the range [0, 1]; errors up to `least` do not count."""
    rgb = ((images.clamp(-1, 1) + 1) / 2).flatten(2)
    design = torch.stack([mask.flatten(1), 1 - mask.flatten(1)], 1)
    colours = torch.linalg.lstsq(design.transpose(1, 2), rgb.transpose(1, 2)).solution
    errors = (design.transpose(1, 2) @ colours - rgb.transpose(1, 2)).abs()
    errors = torch.where(errors > least, errors, 0).sum((1, 2))
    return errors, mask.sum((1, 2)) * (colours[:, 0] - colours[:, 1]).abs().sum(1)


def fit_error(images: Tensor) -> Tensor:
    """[N] mean absolute error, in units of the range [0, 1], of images [N, 3, R, R] in [-1, 1] against their best disc or square."""
    return torch.stack([_errors(images, mask)[0] for mask in _shapes_masks(images)]).amin(0) / images[0].numel()


def misdrawn(images: Tensor, world: str) -> Tensor:
    """[N] visible absolute error, summed, against the best object of the bars or sprites world, as a share of that object."""
    masks = {"bars": _bars_masks, "sprites": _sprites_masks}[world](images)
    found = (_errors(images, mask, VISIBLE) for mask in masks)
    return torch.stack([errors / objects.clamp_min(1e-3) for errors, objects in found]).amin(0)


def pieces(images: Tensor) -> np.ndarray:
    """[N] number of connected pieces, of at least three pixels, that differ from the ground."""
    rgb = ((images.clamp(-1, 1) + 1) / 2).numpy()
    border = np.concatenate([rgb[:, :, 0], rgb[:, :, -1], rgb[:, :, :, 0], rgb[:, :, :, -1]], 2)
    distance = np.abs(rgb - np.median(border, 2)[:, :, None, None]).sum(1)
    counts = []
    for mask in distance > 0.35:
        labels, count = ndimage.label(mask)
        counts.append(int((np.bincount(labels.ravel(), minlength=count + 1)[1:] >= _SMALLEST_PIECE).sum()))
    return np.array(counts)


def plausible(images: Tensor, world: str) -> Tensor:
    """[N] whether each object's size is near those of the world: within a fifth of the smallest and the largest."""
    if world == "shapes":
        sizes, (least, most) = measure_factors(images)[:, 2] / (math.sqrt(math.pi) * images.shape[-1] / 2), shapes.SIZE
    elif world == "bars":
        sizes, (least, most) = measure_bars(images)[:, 3], bars.LENGTH
    else:
        sizes, (least, most) = measure_sprites(images)[:, 1], (0.5, 1.0)
    return (sizes > 0.8 * least) & (sizes < 1.2 * most)


def clean(images: Tensor, world: str = "shapes") -> np.ndarray:
    """[N] whether each of images [N, C, R, R] in [-1, 1] contains exactly one clean object of a size near the world's."""
    fits = fit_error(images) < TOLERANCE if world == "shapes" else misdrawn(images, world) < MISDRAWN
    return fits.numpy() & plausible(images, world).numpy() & (pieces(images) == 1)
