"""How many pictures contain exactly one clean object of the shapes world?

A picture is clean if it is what the world's renderer draws from the factors measured on it: the better of disc and square, with the
object's and the ground's colour free, leaves a mean absolute error below `TOLERANCE`, and the object is one connected piece.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from disentanglement import measure_factors
from scipy import ndimage
from torch import Tensor
from world import SIZE, Scenes, coverage

TOLERANCE = 0.03
_SMALLEST_PIECE = 3


def fit_error(images: Tensor) -> Tensor:
    """[N] mean absolute error, in units of the range [0, 1], of images [N, 3, R, R] in [-1, 1] against their best disc or square."""
    rgb = (images.clamp(-1, 1) + 1) / 2
    resolution = images.shape[-1]
    x, y, root_area, _, _ = measure_factors(images).T
    size = root_area / (math.sqrt(math.pi) * resolution / 2)
    errors = []
    for square in (False, True):
        # The measured area depends a little on the colours' contrast: the size is searched around it.
        for scale in (0.92, 0.96, 1.0, 1.04, 1.08):
            scenes = Scenes(x, y, size * scale, x, x, torch.full_like(x, square, dtype=torch.bool))
            mask = coverage(scenes, resolution).unsqueeze(1)
            design = torch.cat([mask.flatten(2), 1 - mask.flatten(2)], 1)
            colours = torch.linalg.lstsq(design.transpose(1, 2), rgb.flatten(2).transpose(1, 2)).solution
            errors.append((design.transpose(1, 2) @ colours - rgb.flatten(2).transpose(1, 2)).abs().mean((1, 2)))
    return torch.stack(errors).amin(0)


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


def clean(images: Tensor) -> np.ndarray:
    """[N] whether each of images [N, 3, R, R] in [-1, 1] contains exactly one clean object of a size near the world's."""
    size = measure_factors(images)[:, 2] / (math.sqrt(math.pi) * images.shape[-1] / 2)
    plausible = (size > 0.8 * SIZE[0]) & (size < 1.2 * SIZE[1])
    return (fit_error(images) < TOLERANCE).numpy() & plausible.numpy() & (pieces(images) == 1)
