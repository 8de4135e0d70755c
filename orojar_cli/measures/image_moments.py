"""A shape in a picture: which pixels it covers, and its moments.

Positions are complex numbers, x + iy with y downwards, where half the image is 1: the n-th power of an offset turns n times as fast as
the shape does.
"""

from __future__ import annotations

import torch
from torch import Tensor


def border_median(values: Tensor) -> Tensor:
    """[N, C] median of the border, two pixels wide, of values [N, C, H, W]."""
    sides = (values[:, :, :2], values[:, :, -2:], values[..., :2], values[..., -2:])
    return torch.cat([side.flatten(2) for side in sides], 2).median(2).values


def soft_mask(covered: Tensor) -> Tensor:
    """Covered shares of pixels with those below 0.2 taken for 0 and those above 0.8 for 1: noise of the ground weighs nothing."""
    return ((covered - 0.2) / 0.6).clamp(0, 1)


def centred(mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(area in pixels [N], never 0; centre of mass [N]; the pixels' offsets from it [N, H, W]) of a mask [N, H, W]."""
    height, width = mask.shape[1:]
    ys = (torch.arange(height, device=mask.device) + 0.5) / height * 2 - 1
    xs = (torch.arange(width, device=mask.device) + 0.5) / width * 2 - 1
    position = torch.complex(xs.expand(height, width), ys[:, None].expand(height, width))
    area = mask.sum((1, 2)) + 1e-3
    centre = (mask * position).sum((1, 2)) / area
    return area, centre, position - centre[:, None, None]


def weighted(mask: Tensor, values: Tensor) -> Tensor:
    """[N] mean of values [N, H, W] over a mask [N, H, W]."""
    return (mask * values).sum((1, 2)) / (mask.sum((1, 2)) + 1e-3)
