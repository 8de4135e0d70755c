"""Where pictures of the page are: after edits and mixing, before the synthesis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Place:
    """`ws` [N, num_ws, w_dim], `styles` [N, styles] by layer added to what the affines make of them (None: nothing), and the `seeds` of
    random noise."""

    ws: Tensor
    styles: dict[str, Tensor] | None
    seeds: tuple[int, ...]

    @staticmethod
    def joined(places: Sequence[Place]) -> Place:
        """Several places of the same kind as one."""
        first = places[0].styles
        styles = None if first is None else {name: torch.cat([(place.styles or {})[name] for place in places]) for name in first}
        return Place(torch.cat([place.ws for place in places]), styles, tuple(seed for place in places for seed in place.seeds))

    def repeated(self, count: int) -> Place:
        """So many pictures: these, again from the first on."""
        rows = torch.arange(count, device=self.ws.device) % len(self.ws)
        styles = None if self.styles is None else {name: offsets[rows] for name, offsets in self.styles.items()}
        return Place(self.ws[rows], styles, tuple(self.seeds[row] for row in rows.tolist()))

    def toward(self, other: Place, share: float) -> Place:
        """The place at a share of the straight way to another; the noise stays."""
        mine, theirs = self.styles or {}, other.styles or {}
        # Layers that only one of them moves begin or end unmoved.
        parts = [(mine, 1 - share), (theirs, share)]
        styles = {
            name: torch.stack([weight * offsets[name] for offsets, weight in parts if name in offsets]).sum(0) for name in mine | theirs
        }
        return Place(torch.lerp(self.ws, other.ws, share), styles or None, self.seeds)
