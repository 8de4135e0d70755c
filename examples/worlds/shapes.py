"""The shapes world: one disc or square on a plain ground, drawn from independent factors at any resolution.

Factors of a scene, all independent and uniform: centre x, y in [-0.5, 0.5] (half the image's width is 1), half-size in [0.2, 0.45], object
hue in [0, 0.6] of the HSV circle (saturation 0.9, value 0.95), ground t in [0, 1] with RGB (0.15 + 0.6 t, 0.2 + 0.1 t, 0.65 - 0.5 t),
shape disc or square.  A square's half-width is sqrt(pi) / 2 of its half-size, so that both shapes have the same area.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

RESOLUTION, CHANNELS = 32, 3
POSITION, SIZE, HUE = 0.5, (0.2, 0.45), 0.6
SATURATION, VALUE = 0.9, 0.95


@dataclass(frozen=True)
class Scenes:
    """Factors of N scenes, each a tensor [N]; `square` is boolean."""

    x: Tensor
    y: Tensor
    size: Tensor
    hue: Tensor
    ground: Tensor
    square: Tensor

    @classmethod
    def sample(cls, count: int, rng: torch.Generator) -> Scenes:
        """`count` scenes drawn from the world."""
        u = torch.rand(6, count, generator=rng)
        return cls(
            x=(2 * u[0] - 1) * POSITION,
            y=(2 * u[1] - 1) * POSITION,
            size=SIZE[0] + (SIZE[1] - SIZE[0]) * u[2],
            hue=HUE * u[3],
            ground=u[4],
            square=u[5] < 0.5,
        )


def hsv_to_rgb(hue: Tensor, saturation: float, value: float) -> Tensor:
    """RGB [N, 3] in [0, 1] of hue [N] on the circle [0, 1)."""
    shift = torch.tensor([5.0, 3.0, 1.0], device=hue.device)
    k = torch.remainder(shift + 6 * hue.unsqueeze(1), 6)
    return value - value * saturation * torch.minimum(k, 4 - k).clamp(0, 1)


def ground_rgb(t: Tensor) -> Tensor:
    """RGB [N, 3] in [0, 1] of the ground factor t [N]."""
    return torch.stack([0.15 + 0.6 * t, 0.2 + 0.1 * t, 0.65 - 0.5 * t], 1)


def coverage(scenes: Scenes, resolution: int) -> Tensor:
    """[N, R, R] share of each pixel that the object covers: a linear ramp one pixel wide across the edge."""
    centres = (torch.arange(resolution, device=scenes.x.device) + 0.5) / resolution * 2 - 1
    dx = (centres.view(1, 1, -1) - scenes.x.view(-1, 1, 1)).abs()
    dy = (centres.view(1, -1, 1) - scenes.y.view(-1, 1, 1)).abs()
    size = scenes.size.view(-1, 1, 1)
    disc = torch.sqrt(dx.square() + dy.square()) - size
    half = size * (math.sqrt(math.pi) / 2)
    square = torch.maximum(dx - half, dy - half)
    distance = torch.where(scenes.square.view(-1, 1, 1), square, disc)
    return (0.5 - distance * resolution / 2).clamp(0, 1)


def render(scenes: Scenes, resolution: int = RESOLUTION) -> Tensor:
    """Images [N, 3, R, R] in [-1, 1]."""
    mask = coverage(scenes, resolution).unsqueeze(1)
    ground = ground_rgb(scenes.ground)[:, :, None, None]
    colour = hsv_to_rgb(scenes.hue, SATURATION, VALUE)[:, :, None, None]
    return 2 * (ground + mask * (colour - ground)) - 1
