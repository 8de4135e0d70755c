"""Steps that change the image equally: how many sigmas of each direction make one calibrated step."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from orojar_cli.devices import Chunks, on_processor, wide
from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.errors import NumericalError
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.points import Latents
from orojar_cli.progress import Progress
from orojar_cli.response.jacobian import Response

# Further out than this a direction leaves the data; one that still changes less is shown with what it has.
LIMIT = 2.5
# Sets that move the images less than this share of what the most active one does are low in every loss for that reason alone.
LEAST_ACTIVE = 0.5
_ROUNDS = 5


@dataclass(frozen=True)
class Calibration:
    """`steps` [K] sigmas of one calibrated step of each direction, `changes` [K] the image change measured there, `target` the wanted one,
    `unit` [K] the change at one sigma.

    Image change: the root mean square difference of the pixels (values in about [-1, 1]) between the image at u and at u +- step,
    averaged over both signs and the latents.  It belongs to `LIMIT` sigmas where a direction does not reach the target before.
    """

    target: float
    steps: Tensor
    changes: Tensor
    unit: Tensor

    def applied(self, directions: DirectionSet) -> DirectionSet:
        """The same directions with the calibrated step as unit of strength."""
        return dataclasses.replace(directions, sigma=directions.sigma * self.steps.to(directions.sigma))

    @property
    def capped(self) -> list[bool]:
        """[K] whether the direction stays short of the target at the limit."""
        return [bool(step >= LIMIT and change < 0.95 * self.target) for step, change in zip(self.steps, self.changes, strict=True)]

    @property
    def activity(self) -> float:
        """How much one sigma along the set's directions changes the image: the root mean square over them."""
        return float(self.unit.square().mean().sqrt())

    def to_dict(self) -> dict[str, Any]:
        """JSON-serialisable form."""
        return {"target": self.target, "sigmas": self.steps.tolist(), "changes": self.changes.tolist()} | {
            "capped": self.capped,
            "unit": self.unit.tolist(),
        }


@torch.no_grad()
def image_changes(generator: Generator, at: Latents, directions: DirectionSet, strengths: Tensor, budget: int | None = None) -> Tensor:
    """[K] image change of each direction at its own strength [K], in sigmas (see `Calibration`)."""
    response = Response(generator, directions.space, directions.layers)
    steps = torch.stack([directions.displacement(index, strength) for index, strength in enumerate(strengths.tolist())]).to(at.z)
    kind = wide(steps.device)
    changes = torch.zeros(len(directions), dtype=torch.float64)
    chunks = Chunks(0, len(at), response.at_once(4, budget))
    for start, stop in chunks:
        with chunks.fitting():
            part = at[start:stop]
            (origin,) = response(part, torch.zeros_like(steps[:1]).expand(len(part), -1))
            sums = []
            for step in steps:
                there, back = (response(part, end.expand(len(part), -1))[0] - origin for end in (step, -step))
                sums.append(torch.cat([there, back]).to(kind).square().mean(1).sqrt().sum())
            changes += on_processor(torch.stack(sums)) / (2 * len(at))
    return changes


def calibrated(
    pairs: Sequence[tuple[Generator, DirectionSet]], points: Sequence[Latents], progress: Progress | None = None
) -> list[Calibration]:
    """A calibration for each (generator, directions), measured at its own `points`.

    The target is the median, over all directions of all sets, of the change at one sigma.  The strength s of a direction is corrected
    by the factor target / change(s), which settles fast because the change grows with a power of s between 0 and 2.
    Raises NumericalError where no direction changes the image.
    """
    strengths = [torch.ones(len(directions), dtype=torch.float64) for _, directions in pairs]
    total, done = _ROUNDS * len(pairs), 0
    target = 0.0
    changes: list[Tensor] = []
    unit: list[Tensor] = []
    for turn in range(_ROUNDS):
        if turn:
            strengths = [
                (strength * (target / change.clamp_min(1e-12)).clamp(0.25, 4)).clamp(1e-3, LIMIT)
                for strength, change in zip(strengths, changes, strict=True)
            ]
        changes = []
        for (generator, directions), at, strength in zip(pairs, points, strengths, strict=True):
            changes.append(image_changes(generator, at, directions, strength))
            done += 1
            if progress is not None:
                progress("calibrating steps", done, total)
        if not turn:
            unit, target = changes, float(torch.cat(changes).median())
            if not target > 0:
                raise NumericalError("half of the directions do not change the image at all; name other direction sets")
    return [Calibration(target, *found) for found in zip(strengths, changes, unit, strict=True)]


def shares_of_activity(calibrations: Sequence[Calibration]) -> list[float]:
    """How far each set moves the images, over how far the most active of them does."""
    highest = max(calibration.activity for calibration in calibrations)
    return [calibration.activity / highest for calibration in calibrations]
