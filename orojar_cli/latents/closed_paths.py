"""Closed paths through points of a latent space: when which point is passed, and what lies between them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from scipy.interpolate import CubicSpline
from torch import Tensor

from orojar_cli.errors import OptionError

PACES = ("ease", "flow", "even")
"""How a path goes by its stops: slowing down to rest at each, along one smooth curve through all, or straight on at constant speed."""
# Digits that are kept: the same place on the way there and on the way back is the same number.
_DIGITS = 12
# Below this sine two points have no great circle of their own.
_PARALLEL = 1e-6


def timetable(stops: int, leg: int, hold: int = 0, pace: str = "ease") -> list[float]:
    """Where a closed path through `stops` points is at each of its stops * (leg + hold) frames: at stop k where it is k, between k and
    k + 1 on the leg that leads away from it; the last leg leads back to stop 0.

    Raises OptionError for a pace that there is not, for stops that a smooth curve does not rest at, and for a path without frames.
    """
    if pace not in PACES:
        raise OptionError(f"--pace {pace!r:.40} is none of {', '.join(PACES)}")
    if pace == "flow" and hold:
        raise OptionError("--pace flow does not rest at its stops: leave out --hold")
    if stops < 1 or leg < 1 or hold < 0:
        raise OptionError(f"{stops} stops with {leg} frames between them make no path; at least one of each is needed")
    parts = [frame / leg for frame in range(leg)]
    if pace == "ease":
        parts = [(1 - math.cos(math.pi * part)) / 2 for part in parts]
    each = [0.0] * hold + parts
    return [stop + part for stop in range(stops) for part in each]


def stop_weights(places: Sequence[float], stops: int, smooth: bool = False) -> Tensor:
    """[F, stops] float64, rows that sum to 1: the share of every stop in what lies at these places of a closed path.

    Straight legs, or with `smooth` the periodic cubic spline through the stops, whose second derivative is continuous everywhere.
    """
    at = np.asarray(places, np.float64) % stops
    own = np.eye(stops)
    if stops == 1:
        return torch.ones(len(at), 1, dtype=torch.float64)
    if smooth:
        found = CubicSpline(np.arange(stops + 1), np.concatenate([own, own[:1]]), bc_type="periodic")(at)
    else:
        before = np.floor(at).astype(int)
        share = (at - before)[:, None]
        found = (1 - share) * own[before] + share * own[(before + 1) % stops]
    return torch.from_numpy(np.round(found, _DIGITS) + 0.0)


def on_spheres(points: Tensor, weights: Tensor, smooth: bool = False) -> Tensor:
    """[F, D] between points [stops, D] around the origin, where `stop_weights` [F, stops] say: great circles (Shoemake 1985, slerp).

    Lengths pass evenly from one point's to the next one's, so that what is drawn from a normal distribution stays as far from the origin
    as its samples are.  With `smooth` the curve through the unit vectors is brought back to the sphere.  Points in the same direction, or
    in opposite ones, have no great circle of their own and are joined straight.
    """
    lengths = points.double().norm(dim=1)
    units = points.double() / lengths.clamp_min(1e-12).unsqueeze(1)
    weights = weights.to(units)
    if smooth:
        curve = weights @ units
        found = curve / curve.norm(dim=1, keepdim=True).clamp_min(1e-12)
    else:
        found = torch.stack([_slerp(units, row) for row in weights])
    return (found * (weights @ lengths).unsqueeze(1)).to(points.dtype)


def _slerp(units: Tensor, row: Tensor) -> Tensor:
    """What lies between the (at most two) unit vectors that have a share."""
    parts = row.nonzero().flatten()
    if len(parts) == 1:
        return units[parts[0]]
    first, second = units[parts[0]], units[parts[1]]
    angle = torch.acos((first @ second).clamp(-1, 1))
    if float(torch.sin(angle)) < _PARALLEL:
        return row[parts] @ units[parts]
    return (torch.sin(row[parts] * angle) / torch.sin(angle)) @ units[parts]


def there_and_back_between(first: float, second: float, frames: int, even: bool = False) -> list[float]:
    """A closed way from a number to another and back in `frames` frames, slow at both ends or `even`ly."""
    phases = [frame / frames for frame in range(frames)]
    parts = [1 - abs(2 * phase - 1) if even else (1 - math.cos(2 * math.pi * phase)) / 2 for phase in phases]
    return [round(first + (second - first) * part, _DIGITS) for part in parts]
