"""The shapes world, whose factors can be measured in a picture: position, size, hue and ground (examples/worlds/disentanglement.py)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from orojar_cli.measures.factors import Factor, changes_of

FACTORS = (Factor("x"), Factor("y"), Factor("size"), Factor("hue", period=2 * math.pi), Factor("ground"))


def measure_factors(images: Tensor) -> Tensor:
    """images [N, 3, H, W] in [-1, 1] -> [N, 5]: x and y of the shape's centre (half the image is 1), its size (square root of its area in
    pixels), its hue (angle in radians), the red of the ground.

    The ground is the median of the border two pixels wide; the shape is what differs from it.
    """
    rgb = (images.clamp(-1, 1) + 1) / 2
    height, width = rgb.shape[2:]
    border = torch.cat([rgb[:, :, :2].flatten(2), rgb[:, :, -2:].flatten(2), rgb[..., :2].flatten(2), rgb[..., -2:].flatten(2)], 2)
    ground = border.median(2).values
    mask = torch.sigmoid(((rgb - ground[:, :, None, None]).abs().sum(1) - 0.35) * 20)
    area = mask.sum((1, 2)) + 1e-3
    ys = (torch.arange(height, device=rgb.device) + 0.5) / height * 2 - 1
    xs = (torch.arange(width, device=rgb.device) + 0.5) / width * 2 - 1
    x = (mask * xs[None, None, :]).sum((1, 2)) / area
    y = (mask * ys[None, :, None]).sum((1, 2)) / area
    red, green, blue = ((rgb * mask[:, None]).sum((2, 3)) / area[:, None]).T
    hue = torch.atan2(math.sqrt(3) * (green - blue), 2 * red - green - blue)
    return torch.stack([x, y, area.sqrt(), hue, ground[:, 0]], 1)


def changes(after: Tensor, before: Tensor) -> Tensor:
    """Differences of factors [N, 5]; hues differ by at most half a turn."""
    return changes_of(FACTORS, after, before)
