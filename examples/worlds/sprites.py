"""The sprites world: one white shape on black, with the factors and values of dSprites (Matthey et al. 2017), drawn by ourselves.

Factors of a scene, all independent, each value as likely as any other: shape (square, ellipse, heart), scale (6 values, 0.5 to 1),
orientation (40 values, 0 to 2 pi, both ends included), centre x and y (32 values each, -0.5 to 0.5, where half the image's width is 1).
Images are binary and 64x64.  What the original leaves open is chosen so that the factors can be measured: the three shapes have equal
areas at equal scales, x and y are those of the centre of mass, and no sprite touches the border.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

RESOLUTION, CHANNELS = 64, 1
SHAPES = ("square", "ellipse", "heart")
SCALES = torch.linspace(0.5, 1, 6, device="cpu")
ORIENTATIONS = torch.linspace(0, 2 * math.pi, 40, device="cpu")
POSITIONS = torch.linspace(-0.5, 0.5, 32, device="cpu")
HALF_SIDE = 0.33  # of the square of scale 1
ASPECT = 1.6  # of the ellipse
# The heart (u^2 + v^2 - 1)^3 = u^2 v^3 has this area, and its centre of mass at this v.
HEART_AREA, HEART_CENTRE = 3.6623, 0.2935


@dataclass(frozen=True)
class Scenes:
    """Factors of N scenes, each a tensor [N]; `shape` indexes SHAPES, the orientation is in radians from x towards y (downwards)."""

    shape: Tensor
    scale: Tensor
    orientation: Tensor
    x: Tensor
    y: Tensor

    @classmethod
    def sample(cls, count: int, rng: torch.Generator) -> Scenes:
        """`count` scenes drawn from the world."""
        values = (torch.arange(len(SHAPES), device="cpu"), SCALES, ORIENTATIONS, POSITIONS, POSITIONS)
        return cls(*(value[torch.randint(len(value), (count,), generator=rng)] for value in values))


def inside(scenes: Scenes, resolution: int) -> Tensor:
    """[N, R, R] whether the centre of each pixel is inside the sprite."""
    centres = (torch.arange(resolution, device=scenes.x.device) + 0.5) / resolution * 2 - 1
    dx = centres.view(1, 1, -1) - scenes.x.view(-1, 1, 1)
    dy = centres.view(1, -1, 1) - scenes.y.view(-1, 1, 1)
    cosine, sine = scenes.orientation.cos().view(-1, 1, 1), scenes.orientation.sin().view(-1, 1, 1)
    half = HALF_SIDE * scenes.scale.view(-1, 1, 1)
    along, across = (dx * cosine + dy * sine) / half, (dy * cosine - dx * sine) / half
    square = torch.maximum(along.abs(), across.abs()) <= 1
    ellipse = along.square() / ASPECT + across.square() * ASPECT <= 4 / math.pi
    unit = math.sqrt(HEART_AREA / 4)
    u, v = along * unit, HEART_CENTRE - across * unit
    heart = (u.square() + v.square() - 1) ** 3 <= u.square() * v**3
    return torch.stack([square, ellipse, heart], 1)[torch.arange(len(dx), device=dx.device), scenes.shape]


def render(scenes: Scenes, resolution: int = RESOLUTION) -> Tensor:
    """Images [N, 1, R, R]: 1 inside, -1 outside."""
    return 2 * inside(scenes, resolution).unsqueeze(1).to(scenes.x) - 1
