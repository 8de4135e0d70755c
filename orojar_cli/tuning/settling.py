"""The last stage of training a mapping: the distribution of every coordinate of w becomes the frozen mapping's again.

The anchors hold distributions by the surrogate and by random projections of some hundred samples, which leaves standard deviations of
some hundredths more or less than before, and images are then more or less varied than they were.  A monotone map of each coordinate onto
the frozen one's quantiles puts that right (the optimal transport of one dimension), and hardly turns what the axes of z do.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from orojar_cli.devices import sent
from orojar_cli.progress import Progress
from orojar_cli.tuning.anchor import Anchor
from orojar_cli.tuning.training import Kept

_SAMPLES, _KNOTS = 32_768, 257
_STREAM = 53


@dataclass(frozen=True)
class QuantileMap:
    """A monotone function of each of D coordinates: through the points (`given`, `wanted`), both [D, K] ascending; beyond the first and
    the last of them coordinates are shifted as these are."""

    given: Tensor
    wanted: Tensor

    @classmethod
    def between(cls, given: Tensor, wanted: Tensor, knots: int = _KNOTS) -> QuantileMap:
        """What takes the distribution of each column of `given` [N, D] to that of `wanted` [M, D]."""
        at = torch.linspace(0, 1, knots, dtype=torch.float64, device="cpu")
        return cls(*(_quantiles(samples, at) for samples in (given, wanted)))

    def __call__(self, coordinates: Tensor) -> Tensor:
        """Coordinates [N, D] moved."""
        columns = coordinates.T.contiguous()
        least, most = self.given[:, :1], self.given[:, -1:]
        after = torch.searchsorted(self.given, columns).clamp(1, self.given.shape[1] - 1)
        start, stop = (self.given.gather(1, index) for index in (after - 1, after))
        first, last = (self.wanted.gather(1, index) for index in (after - 1, after))
        share = ((columns - start) / (stop - start).clamp_min(1e-12)).clamp(0, 1)
        moved = torch.where(columns <= least, self.wanted[:, :1] + columns - least, first + share * (last - first))
        return torch.where(columns >= most, self.wanted[:, -1:] + columns - most, moved).T


def _quantiles(samples: Tensor, at: Tensor) -> Tensor:
    """[D, K] of the columns of samples [N, D], at shares `at` [K] in float64 on the processor: the nearest of the ordered values."""
    index = (at * (len(samples) - 1)).round().long()
    return samples.sort(0).values[sent(index, samples.device)].T.contiguous()


class Settling(Kept):
    """What the stage trains towards: the mapping as the stage found it, its coordinates moved by a `QuantileMap`.

    A companion of the stage (training.py): the mapping as it was found is kept with the state.
    """

    def __init__(self, anchor: Anchor, mapping: nn.Module, seed: int, progress: Progress | None = None) -> None:
        self.anchor, self.seed, self.progress = anchor, seed, progress
        self.found: Any = copy.deepcopy(mapping).requires_grad_(False)
        super().__init__({"found.": self.found})
        self._moved: QuantileMap | None = None

    def step(self, mapping: Any, step: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Take over the mapping when the stage begins; it takes no steps of its own."""
        if step == 0:
            self.found.load_state_dict(mapping.state_dict())
            self._moved = None
        return {}

    @torch.no_grad()
    def target(self, z: Tensor, label: Tensor) -> Tensor:
        """Coordinates [N, D] that z with labels shall have."""
        anchor = self.anchor
        if self._moved is None:
            rng = torch.Generator().manual_seed(self.seed * 1000 + _STREAM)
            found, frozen = (self._inside(mapping, *anchor.draw(_SAMPLES, rng)) for mapping in (self.found, anchor.generator.mapping))
            self._moved = QuantileMap.between(found, frozen)
            if self.progress is not None:
                self.progress("quantiles", 1, 1)  # so that its time is not taken for that of a step
        return self._moved(self._inside(self.found, z, label)) + label @ anchor.offsets

    @torch.no_grad()
    def _inside(self, mapping: Any, z: Tensor, label: Tensor) -> Tensor:
        """Coordinates [N, D] about the means of the frozen mapping's classes."""
        return self.anchor.of(mapping.w(z, label)) - label @ self.anchor.offsets
