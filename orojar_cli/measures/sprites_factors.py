"""The sprites world (the factors of dSprites), whose factors can be measured in a picture: shape, scale, orientation and position."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from orojar_cli.measures.factors import Factor, changes_of, shorter_way
from orojar_cli.measures.image_moments import centred, soft_mask, weighted

SHAPES = ("square", "ellipse", "heart")
FACTORS = (Factor("shape", categories=len(SHAPES)), Factor("scale"), Factor("orientation", period=1.0), Factor("x"), Factor("y"))
# The turn after which each shape looks as before, in radians.
SYMMETRY = (math.pi / 2, math.pi, 2 * math.pi)
# Size of the mean second and fourth power of the offsets, over the mean of their sizes' powers, for each shape.
_ELONGATION = ((0.0, 0.43), (0.44, 0.26), (0.09, 0.04))
_REACH = 1.6
_SIDE = 0.66  # of the square of scale 1


def measure_sprites(images: Tensor) -> Tensor:
    """images [N, C, H, W] in [-1, 1] -> [N, 5]: shape (index into SHAPES), scale (1: as large as the world's largest), orientation, and x
    and y of the centre of mass (half the image is 1).

    The orientation is told as the share, from 0 up to 1, of the turn after which the shape looks as before (`SYMMETRY`): no picture tells
    more.  What is brighter than the middle is the sprite.  The shape is the one whose elongation (second power of the offsets) and
    fourfold symmetry (fourth power) are nearest; the orientation comes from the fourth power of the offsets for a square, the second for
    an ellipse; for a heart from the third, of whose three answers the one is taken that agrees with where the lobes are.  All is on
    the processor.
    """
    mask = soft_mask((images.cpu().clamp(-1, 1).mean(1) + 1) / 2)  # not every device has complex numbers
    area, centre, offsets = centred(mask)
    # Of no shape is a point farther from the centre than 1.3 radii of the disc of its area: a faint speck far away would outweigh all.
    radius = (area * (2 / mask.shape[1]) * (2 / mask.shape[2]) / math.pi).sqrt()
    mask = mask * (offsets.abs() < _REACH * radius[:, None, None])
    area, centre, offsets = centred(mask)
    sizes = offsets.abs()
    second, third, fourth = (weighted(mask, offsets**power) for power in (2, 3, 4))
    seen = torch.stack([second.abs() / (weighted(mask, sizes**2) + 1e-12), fourth.abs() / (weighted(mask, sizes**4) + 1e-12)], 1)
    shape = torch.cdist(seen, torch.tensor(_ELONGATION, device=seen.device)).argmin(1)
    lobes = weighted(mask, offsets * sizes**2).angle() + math.pi / 2
    fine = (third.angle() + math.pi / 2) / 3
    heart = fine + torch.round((lobes - fine) * 3 / (2 * math.pi)) * 2 * math.pi / 3
    radians = torch.stack([(fourth.angle() + math.pi) / 4, second.angle() / 2, heart], 1).gather(1, shape[:, None])[:, 0]
    symmetry = torch.tensor(SYMMETRY, device=radians.device)[shape]
    scale = area.sqrt() * 2 / (mask.shape[1] * mask.shape[2]) ** 0.5 / _SIDE
    return torch.stack([shape.to(scale), scale, torch.remainder(radians / symmetry, 1), centre.real, centre.imag], 1)


def sprites_changes(after: Tensor, before: Tensor) -> Tensor:
    """Differences of factors [N, 5]: of shapes 1 where they differ, of orientations at most half of the turn after which both look as
    before.

    A square that becomes a heart of another orientation has turned by the share of a quarter turn: of the heart's, too, only that much is
    known.
    """
    change = changes_of(FACTORS, after, before)
    symmetry = torch.tensor(SYMMETRY, device=after.device)
    now, then = (symmetry[values[:, 0].long()] for values in (after, before))
    common = torch.minimum(now, then)
    share = (after[:, 2] * now - before[:, 2] * then) / common
    change[:, 2] = shorter_way(share, 1)
    return change
