"""Where pictures of the page are: after edits, locks and mixing, before the synthesis."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from orojar_cli.directions.applied import displaced
from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.directions.kept import KeptPath, kept_path
from orojar_cli.errors import OptionError
from orojar_cli.explore.view import View
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.points import Latents, seed_latents
from orojar_cli.latents.spaces import style_offsets
from orojar_cli.pictures.walk import along, centring

_MOST_PATHS = 8


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


class Places:
    """The places of views of one network; `directions(method)` are those of a view's method."""

    def __init__(self, generator: Generator, directions: Callable[[str], DirectionSet]) -> None:
        self.generator, self.directions = generator, directions
        self._paths = OrderedDict[tuple[View, int], KeptPath]()

    def of(self, view: View) -> Place:
        """Where the pictures of a view are.  Raises OptionError for a view that this network or these directions do not have."""
        return next(self.walk(view, None, (0.0,)))

    def way(self, view: View, to: View) -> Callable[[float], Place]:
        """The place at each share of the straight way in w from one view's to another's, of which the shorter one repeats its pictures."""
        start, end = self.of(view), self.of(to)
        count = max(len(view.seeds), len(to.seeds))
        start, end = start.repeated(count), end.repeated(count)
        return lambda share: start.toward(end, share)

    @torch.no_grad()
    def walk(self, view: View, index: int | None, values: Sequence[float], center: bool = False) -> Iterator[Place]:
        """The places of a view whose dimension `index` is at each of some strengths, its other edits as they are.

        `center` takes from every image first what it has along that dimension.
        """
        directions = self.directions(view.method)
        edits = tuple(edit for edit in view.edits if edit[0] != index)
        for dimension in (*(dimension for dimension, _ in edits), *view.keep, *(() if index is None else (index,))):
            directions.index(dimension)
        at = seed_latents(self.generator, view.seeds, view.class_index, view.psi)
        offset = None if index is None or not center else centring(self.generator, at, directions, (index,), view.layers)
        others = () if view.mix is None else view.mix[1]
        if others and max(others) >= self.generator.num_ws:
            raise OptionError(f"no layer {max(others)} to mix: this network has layers 0-{self.generator.num_ws - 1}")
        beside = at if view.mix is None else seed_latents(self.generator, [view.mix[0]] * len(at), view.class_index, view.psi)
        for step in self._steps(view, at, offset, edits, index, values):
            ws = displaced(self.generator, at, directions, step, view.layers)
            if others:
                # What is mixed in is moved as the pictures are.
                ws = ws.clone()
                ws[:, list(others)] = displaced(self.generator, beside, directions, step, view.layers)[:, list(others)]
            yield Place(ws, style_offsets(self.generator, step, directions.space, directions.layers), view.seeds)

    def _steps(
        self,
        view: View,
        at: Latents,
        offset: Tensor | None,
        edits: Sequence[tuple[int, float]],
        index: int | None,
        values: Sequence[float],
    ) -> Iterator[Tensor]:
        """Displacements [N, D] at each of some strengths of dimension `index`, with the edits; `offset` [N, D] comes before all."""
        directions = self.directions(view.method)
        if not view.keep:
            for step in along(directions, index, values, edits).to(self.generator.device):
                yield step.expand(len(at), -1) if offset is None else step + offset
            return
        for value in values:
            strengths = edits if index is None or not value else sorted([*edits, (index, value)])
            moving = [(dimension, strength) for dimension, strength in strengths if dimension not in view.keep]
            if len(moving) == 1 and offset is None:
                # One way, on which a slider goes back and forth.
                yield self._path(view, at, moving[0][0], [pair for pair in strengths if pair[0] in view.keep])(moving[0][1])
            else:
                path, end = kept_path(self.generator, at, directions, strengths, view.keep, layers=view.layers, start=offset)
                yield path(end)

    def _path(self, view: View, at: Latents, index: int, first: Sequence[tuple[int, float]]) -> KeptPath:
        """The way along one dimension while others are kept, which is remembered as far as it was followed."""
        key = dataclasses.replace(view, edits=tuple(first), mix=None, noise_mode=None), index
        if key not in self._paths:
            strengths = [*first, (index, 1.0)]
            self._paths[key] = kept_path(self.generator, at, self.directions(view.method), strengths, view.keep, layers=view.layers)[0]
        self._paths.move_to_end(key)
        while len(self._paths) > _MOST_PATHS:
            self._paths.popitem(last=False)
        return self._paths[key]
