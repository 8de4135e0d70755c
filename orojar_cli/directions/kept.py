"""One thing without another: steps along a dimension from whose change of the picture that of other dimensions is taken away.

At a point u let v be the step, P the steps along the dimensions to be kept and M(u) = J^T J the Gram matrix of the pictures' changes.  The
step taken instead is

    d = v - P (P^T M P)^-1 P^T M v,

of all steps v - P c the one that changes the picture least (||J (v - P c)|| is least where P^T M d = 0): of what v does nothing
is left that a mixture of P would do.  M changes from point to point, so the step is a path, followed with M anew every `NODE` sigmas.
Where a kept dimension does next to nothing the inverse would send the points anywhere; P^T M P has a share of v^T M v on its diagonal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from orojar_cli.devices import Chunks, on_processor
from orojar_cli.directions.applied import chosen_layers
from orojar_cli.errors import NumericalError, OptionError
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.projected import Points
from orojar_cli.response.jacobian import Response, chunk_sizes, jacobian_columns, products
from orojar_cli.response.outputs import Output, moved_output

if TYPE_CHECKING:
    from orojar_cli.directions.direction_set import DirectionSet

NODE = 0.25
"""Sigmas between the places of a path at which the Gram matrix is taken anew."""
MOST = 20.0
"""Sigmas that a path is followed at most."""
# Of the step's own squared change.  On the demonstration network little is left of what the formula takes away, and places are spared
# where a kept dimension hardly acts, at which the formula alone adds more of other things than it takes (docs/keep.md).
RIDGE = 0.1


class KeptPath:
    """The way of N points along one step while other dimensions are kept; called with a strength it says where on it the points are.

    `response` says what is compared, in which space and at which layers; `step` [D], or [N, D], is one sigma of the movement, `kept`
    [K, D] are the steps of a sigma along the kept dimensions, `start` [N, D] displaces the points before they begin.  What is computed
    for a strength serves all smaller ones, too, and the place at a strength does not depend on which others were asked for.
    `advanced(points)` is called whenever so many points have gone the next `NODE` sigmas.  Exact derivatives where the generator gives
    them, else differences.
    """

    def __init__(
        self,
        response: Response,
        at: Points,
        step: Tensor,
        kept: Tensor,
        *,
        start: Tensor | None = None,
        budget: int | None = None,
        advanced: Callable[[int], None] | None = None,
    ) -> None:
        like = response.generator.device
        self.response, self.at, self.budget, self.advanced = response, at, budget, advanced
        self.step = step.to(like).expand(len(at), -1)
        self.kept = kept.to(self.step)
        self.start = torch.zeros_like(self.step) if start is None else start.to(self.step)
        # The places reached so far, upwards and downwards.
        self._nodes: dict[int, list[Tensor]] = {1: [self.start], -1: [self.start]}

    def __call__(self, strength: float | Tensor) -> Tensor:
        """Displacements [N, D] at a strength in sigmas, or at one for each point [N]; `start` included.

        Raises OptionError for more than `MOST` sigmas, NumericalError where the pictures' changes are not finite.
        """
        strengths = torch.as_tensor(strength, dtype=torch.float64, device="cpu").expand(len(self.at))
        if not bool((strengths.abs() <= MOST).all()):
            raise OptionError(f"strength {float(strengths.abs().max()):g}: with other dimensions kept a path has at most {MOST:g} sigmas")
        if not self.bends:
            return self.start + self.step * strengths.unsqueeze(1).to(self.step)
        result, rows = self.start, torch.arange(len(self.at), device="cpu")
        for side in (1, -1):
            places = (side * strengths / NODE).clamp_min(0)
            if not bool(places.any()):
                continue
            # Places of numbers that are exact but for their rounding.
            places = torch.where((places - places.round()).abs() < 1e-6, places.round(), places)
            nodes = torch.stack(self._reached(side, math.ceil(float(places.max()))))
            below, above = nodes[places.floor().long(), rows], nodes[places.ceil().long(), rows]
            beyond = (places - places.floor()).unsqueeze(1).to(self.step)
            result = torch.where((places > 0).unsqueeze(1).to(self.step.device), below + beyond * (above - below), result)
        return result

    @property
    def bends(self) -> bool:
        """Whether the way is other than straight."""
        return len(self.kept) > 0

    def _reached(self, side: int, count: int) -> list[Tensor]:
        nodes = self._nodes[side]
        while len(nodes) <= count:
            nodes.append(nodes[-1] + side * NODE * self.velocity(nodes[-1]))
            if self.advanced is not None:
                self.advanced(len(self.at))
        return nodes

    @torch.no_grad()
    def velocity(self, displacement: Tensor) -> Tensor:
        """The corrected step d [N, D] at displacements [N, D]."""
        (grams,) = self._grams(displacement, self.kept)
        inner, across, own = grams[:, 1:, 1:], grams[:, 1:, 0], grams[:, 0, 0]
        share = torch.linalg.solve(inner + ridge(own, len(self.kept)), across)
        return self.step - share.to(self.step) @ self.kept

    def _grams(self, displacement: Tensor, others: Tensor, *weights: Tensor) -> list[Tensor]:
        """[N, 1 + K, 1 + K] float64 on the CPU: M of the step and K other steps, at displacements [N, D]; and for every `weights` [P] of
        the response's numbers M of these.  Raises NumericalError where they are not finite."""
        chunks = Chunks(0, len(self.at), *chunk_sizes(self.response, 1 + len(others), "exact", self.budget))
        found: list[list[Tensor]] = [[] for _ in (None, *weights)]
        for start, stop in chunks:
            with chunks.fitting():
                part = slice(start, stop)
                tangents = torch.cat([self.step[None, part], others[:, None].expand(-1, stop - start, -1)])
                few = tangents.split(chunks.inside)
                pieces = [jacobian_columns(self.response, self.at[part], some, origin=displacement[part]) for some in few]
                columns = torch.cat([columns for (columns,) in pieces]).transpose(0, 1)
                made = [on_processor(products(columns * weight.sqrt() if weight is not None else columns)) for weight in (None, *weights)]
            for whole, grams in zip(found, made, strict=True):
                whole.append(grams)
        result = [torch.cat(whole) for whole in found]
        if not all(bool(torch.isfinite(grams).all()) for grams in result):
            raise NumericalError("the generator's response is not finite along the path; use a smaller strength")
        return result


def ridge(own: Tensor, count: int) -> Tensor:
    """[N, K, K] what stands on the diagonal of K steps' Gram matrices, of the step's `own` squared change [N]."""
    shares = (RIDGE * own).clamp_min(torch.finfo(own.dtype).tiny)
    return shares[:, None, None] * torch.eye(count, dtype=own.dtype, device="cpu")


@dataclass(frozen=True)
class Region:
    """A part of the picture: `weights` [P] of the response's numbers, 1 inside and 0 outside, and the steps [A, D] that move the pictures
    (those of an active subspace), of which a mixture may be added."""

    weights: Tensor
    free: Tensor


class RegionPath(KeptPath):
    """A way on which a region of the picture changes as little as may be.

    With Gram matrices M_in of the region's changes and M_out of the others', a step d = v + A a of the step v and the active subspace A has
    the least

        d^T M_in d + mu (d - v)^T M_out (d - v)     where v^T M_out d = v^T M_out v:

    the region's change, with the step's own effect outside kept at full strength, and every other effect outside counted by mu.  With
    mu = v^T M_in v / v^T M_out v nothing outside differs (squared) by more than v itself does there: v is one of the steps compared, and
    costs v^T M_in v.  M_in + mu M_out has the share of v^T M v on its diagonal, too.  What kept dimensions would do is taken out of d
    afterwards.
    """

    def __init__(
        self,
        response: Response,
        at: Points,
        step: Tensor,
        kept: Tensor,
        region: Region,
        *,
        start: Tensor | None = None,
        budget: int | None = None,
        advanced: Callable[[int], None] | None = None,
    ) -> None:
        super().__init__(response, at, step, kept, start=start, budget=budget, advanced=advanced)
        self.weights, self.free = region.weights.to(self.step), region.free.to(self.step)

    @property
    def bends(self) -> bool:
        return True

    @torch.no_grad()
    def velocity(self, displacement: Tensor) -> Tensor:
        others = torch.cat([self.kept, self.free])
        whole, inside = self._grams(displacement, others, self.weights)
        outside, own, dims = whole - inside, whole[:, 0, 0], len(self.kept)
        counted = inside[:, 0, 0] / outside[:, 0, 0].clamp_min(torch.finfo(own.dtype).tiny)
        free = slice(1 + dims, None)
        least = inside[:, free, free] + counted[:, None, None] * outside[:, free, free] + ridge(own, len(self.free))
        both = torch.linalg.solve(least, torch.stack([inside[:, free, 0], outside[:, free, 0]], 2))
        constraint = outside[:, free, 0]
        stray, response = (torch.einsum("na,na->n", constraint, both[:, :, number]) for number in (0, 1))
        back = stray / response.clamp_min(torch.finfo(own.dtype).tiny)
        mixed = torch.cat(
            [torch.ones(len(own), 1, dtype=own.dtype, device=own.device), torch.zeros(len(own), dims, dtype=own.dtype, device=own.device)],
            1,
        )
        mixed = torch.cat([mixed, back[:, None] * both[:, :, 1] - both[:, :, 0]], 1)
        if dims:
            held = slice(1, 1 + dims)
            across = torch.einsum("nkt,nt->nk", whole[:, held], mixed)
            mixed[:, held] -= torch.linalg.solve(whole[:, held, held] + ridge(own, dims), across)
        return mixed[:, :1].to(self.step) * self.step + mixed[:, 1:].to(self.step) @ others


def kept_path(
    generator: Generator,
    at: Points,
    directions: DirectionSet,
    strengths: Sequence[tuple[int, float]],
    keep: Sequence[int],
    *,
    layers: Sequence[int] | None = None,
    start: Tensor | None = None,
    output: Output | None = None,
    region: Region | None = None,
    advanced: Callable[[int], None] | None = None,
) -> tuple[KeptPath, float]:
    """(path, strength at its end): the way of points along dimensions of these strengths in sigmas, with the dimensions `keep` kept.

    The end is `path(strength)`, displacements [N, D] in the set's space.  What a kept dimension is itself moved by comes first, as it
    is.  `start` [N, D] displaces the points before that, `layers` take the place of the set's own, `output` is the response that M is
    measured of, by default that of `keeping_output`; `region` a part of the picture that is held still, too.  Raises OptionError for
    layers and dimensions that there are not.
    """
    rows = [directions.index(dimension) for dimension in keep]
    moving = {index: strength for index, strength in strengths if index not in rows and strength}
    begin = torch.zeros(len(at), directions.directions.shape[1], device="cpu") if start is None else start.cpu()
    for index, strength in strengths:
        if index in rows:
            begin = begin + directions.displacement(index, strength).cpu()
    total = torch.zeros(begin.shape[1], device="cpu")
    for index, strength in moving.items():
        total = total + directions.displacement(index, strength).cpu()
    length = math.sqrt(sum(strength**2 for strength in moving.values()))
    kept = torch.stack([directions.displacement(row, 1.0) for row in rows]) if rows else begin[:0]
    response = Response(generator, directions.space, chosen_layers(generator, directions, layers), (output or keeping_output(generator),))
    step = total / (length or 1.0)
    if region is not None:
        return RegionPath(response, at, step, kept, region, start=begin, advanced=advanced), length
    return KeptPath(response, at, step, kept, start=begin, advanced=advanced), length


def keeping_output(generator: Generator) -> Output:
    """What the changes of pictures are compared by unless somebody says: the image itself up to 64 pixels; above, where the skip
    architecture allows, the image accumulated by 32 pixels."""
    return moved_output(generator)
