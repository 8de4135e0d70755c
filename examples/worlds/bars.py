"""The bars world: one tilted bar on a plain ground, drawn from six independent factors at any resolution.

Factors of a scene, all independent and uniform: centre x, y in [-0.45, 0.45] (half the image's width is 1), angle in [-pi/3, pi/3] (the
bar looks the same after half a turn), half-length in [0.25, 0.5], half-thickness in [0.06, 0.16], ground t in [0, 1] with the colours of
the shapes world.  The bar itself has one colour.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from shapes import ground_rgb
from torch import Tensor

RESOLUTION, CHANNELS = 64, 3
POSITION, ANGLE, LENGTH, THICKNESS = 0.45, math.pi / 3, (0.25, 0.5), (0.06, 0.16)
COLOUR = (0.98, 0.92, 0.8)


@dataclass(frozen=True)
class Scenes:
    """Factors of N scenes, each a tensor [N]; lengths in halves of the image's width, the angle in radians from x towards y (downwards)."""

    x: Tensor
    y: Tensor
    angle: Tensor
    length: Tensor
    thickness: Tensor
    ground: Tensor

    @classmethod
    def sample(cls, count: int, rng: torch.Generator) -> Scenes:
        """`count` scenes drawn from the world."""
        u = torch.rand(6, count, generator=rng)
        return cls(
            x=(2 * u[0] - 1) * POSITION,
            y=(2 * u[1] - 1) * POSITION,
            angle=(2 * u[2] - 1) * ANGLE,
            length=LENGTH[0] + (LENGTH[1] - LENGTH[0]) * u[3],
            thickness=THICKNESS[0] + (THICKNESS[1] - THICKNESS[0]) * u[4],
            ground=u[5],
        )


def coverage(scenes: Scenes, resolution: int) -> Tensor:
    """[N, R, R] share of each pixel that the bar covers: a linear ramp one pixel wide across the edges."""
    centres = (torch.arange(resolution, device=scenes.x.device) + 0.5) / resolution * 2 - 1
    dx = centres.view(1, 1, -1) - scenes.x.view(-1, 1, 1)
    dy = centres.view(1, -1, 1) - scenes.y.view(-1, 1, 1)
    cosine, sine = scenes.angle.cos().view(-1, 1, 1), scenes.angle.sin().view(-1, 1, 1)
    along = (dx * cosine + dy * sine).abs() - scenes.length.view(-1, 1, 1)
    across = (dy * cosine - dx * sine).abs() - scenes.thickness.view(-1, 1, 1)
    ramps = (0.5 - distance * resolution / 2 for distance in (along, across))
    lengthwise, crosswise = (ramp.clamp(0, 1) for ramp in ramps)
    return lengthwise * crosswise


def render(scenes: Scenes, resolution: int = RESOLUTION) -> Tensor:
    """Images [N, 3, R, R] in [-1, 1]."""
    mask = coverage(scenes, resolution).unsqueeze(1)
    ground = ground_rgb(scenes.ground)[:, :, None, None]
    colour = torch.tensor(COLOUR, device=mask.device).view(1, 3, 1, 1)
    return 2 * (ground + mask * (colour - ground)) - 1
