"""The bars world, whose factors can be measured in a picture: position, angle, length and thickness of the bar, and the ground."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from orojar_cli.measures.factors import Factor, changes_of
from orojar_cli.measures.image_moments import border_median, centred, soft_mask, weighted

FACTORS = (Factor("x"), Factor("y"), Factor("angle", period=math.pi), Factor("length"), Factor("thickness"), Factor("ground"))
_BAR = (0.98, 0.92, 0.8)


def measure_bars(images: Tensor) -> Tensor:
    """images [N, 3, H, W] in [-1, 1] -> [N, 6]: x and y of the bar's centre (half the image is 1), its angle from x towards y (radians in
    (-pi/2, pi/2]: a bar has no head), half its length and half its thickness, and the red of the ground.

    The ground is the median of the border two pixels wide.  The share of a pixel that the bar covers is the pixel's place between the
    colours of the ground and of the world's bars; length and thickness are those of the rectangle with the same second moments (a^2 / 3
    for a half side a).  All is on the processor.
    """
    rgb = (images.cpu().clamp(-1, 1) + 1) / 2  # not every device has complex numbers
    ground = border_median(rgb)
    towards = torch.tensor(_BAR, device=rgb.device) - ground
    along = torch.einsum("nchw,nc->nhw", rgb - ground[:, :, None, None], towards)
    mask = soft_mask(along / towards.square().sum(1)[:, None, None].clamp_min(1e-3))
    _, centre, offsets = centred(mask)
    second, spread = weighted(mask, offsets**2), weighted(mask, offsets.abs().square())
    length, thickness = ((3 * (spread + side * second.abs()) / 2).clamp_min(0).sqrt() for side in (1, -1))
    return torch.stack([centre.real, centre.imag, second.angle() / 2, length, thickness, ground[:, 0]], 1)


def bars_changes(after: Tensor, before: Tensor) -> Tensor:
    """Differences of factors [N, 6]; angles differ by at most a quarter of a turn."""
    return changes_of(FACTORS, after, before)
