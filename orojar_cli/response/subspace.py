"""The active subspace: the few directions of a latent space along which images change, found by gradients.

E[J^T J] has low rank: the images of large networks move along 10 to 30 directions of w, whatever its dimension.  For random u the gradient
v = J^T u has E[v v^T] = J^T J and costs one backward pass, so the leading singular vectors of a few hundred of them span that subspace
(Constantine, Active Subspaces, 2015; the range finder of Halko, Martinsson & Tropp 2011).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from orojar_cli.devices import Chunks, memory_budget, on_processor
from orojar_cli.distributed import gathered, share
from orojar_cli.errors import NumericalError
from orojar_cli.latents.points import Latents
from orojar_cli.response.jacobian import DEFAULT_BUDGET, Response
from orojar_cli.response.recomputation import graph_bytes

# Gradients to begin with, and those that judge: they take no part in finding the subspace they judge.
_FIRST, _JUDGES = 96, 48
# A subspace of more directions than this share of the gradients it was found from is their noise.
_TRUSTED = 1 / 3


PROBES = 3 * (_FIRST + _JUDGES)
"""What the first round of gradients costs, in images: one forward and one backward pass each."""


@dataclass(frozen=True)
class Subspace:
    """Orthonormal rows `basis` [k, d] (float64) in the coordinates of some steps, and what is left out.

    `complement` [d - k, d] completes them; `captured` is the share of squared gradients inside the basis, every gradient counting the
    same, at points that took no part in finding it (1 for a whole space), `beyond` [d - k] the shares along the complement.
    """

    basis: Tensor
    complement: Tensor
    captured: float
    beyond: Tensor

    @classmethod
    def whole(cls, dim: int) -> Subspace:
        """All of a space, without looking."""
        return cls(torch.eye(dim, dtype=torch.float64), torch.zeros(0, dim, dtype=torch.float64), 1.0, torch.zeros(0, dtype=torch.float64))

    def __len__(self) -> int:
        return len(self.basis)


def active_subspace(
    response: Response,
    draw: Callable[[int, int], Latents],
    steps: Tensor,
    *,
    captured: float = 0.99,
    least: int = 1,
    most: int | None = None,
    seed: int = 0,
    callback: Callable[[int], None] | None = None,
) -> Subspace:
    """The smallest leading subspace of the coordinates of `steps` [d, D] that holds the share `captured` of the gradients.

    `draw(count, round)` gives fresh points for every round of gradients; each round doubles them, until a third as many directions are
    enough.  Every gradient counts the same, so that no latent dominates.  At least `least` directions are taken and at most `most`, which
    may hold less: `Subspace.captured` tells.  A space that needs more than half of its directions, and the latents of a generator that
    gives no gradients, stay whole.  `callback(gradients)` reports progress.  Deterministic given the seed, and the same in every process
    of a group.  Raises NumericalError where the response does not change or is not finite.
    """
    dim = len(steps)
    if not getattr(response.generator, "differentiable", True) or 2 * least >= dim:
        return Subspace.whole(dim)
    most = dim if most is None else max(least, most)
    rows, number, count = torch.zeros(0, dim, dtype=torch.float64), 0, _FIRST
    while True:
        fresh = gradients(response, draw(count, number), steps, seed * 1000 + number)
        judges = gradients(response, draw(_JUDGES, number + 1), steps, seed * 1000 + number + 1)
        rows, number = torch.cat([rows, fresh]), number + 2
        if callback is not None:
            callback(len(rows))
        axes = torch.linalg.svd(rows, full_matrices=len(rows) < dim).Vh
        along = (judges @ axes.T).square().mean(0)
        shares = along.cumsum(0)
        needed = min(max(least, int((shares < captured).sum()) + 1), most)
        if needed <= _TRUSTED * len(rows):
            if 2 * needed > dim:
                return Subspace.whole(dim)
            return Subspace(axes[:needed], axes[needed:], float(shares[needed - 1]), along[needed:])
        rows = torch.cat([rows, judges])
        count = len(rows)


def gradients(response: Response, at: Latents, steps: Tensor, seed: int, budget: int | None = None) -> Tensor:
    """[N, d] float64 on the CPU: one gradient J^T u of unit length at each of the points, u normal, in the coordinates of `steps` [d, D].

    Of several outputs each gives its own, [outputs * N, d].  In a group of processes each computes its share of the points.
    Raises NumericalError where the response is not finite, or changes nowhere along the steps.
    """
    mine = share(len(at))
    budget = memory_budget(response.generator.device, DEFAULT_BUDGET) if budget is None else budget
    found = []
    chunks = Chunks(mine.start, mine.stop, budget // graph_bytes(response.generator, response.outputs))
    for start, stop in chunks:
        with chunks.fitting():
            coordinates = torch.zeros(stop - start, len(steps), device=steps.device, requires_grad=True)
            with torch.enable_grad():
                values = response(at[start:stop], coordinates @ steps)
                # A point's own source of randomness, so that its numbers depend on no other point, no chunk and no process.
                sources = [torch.Generator().manual_seed(seed * 1_000_003 + point) for point in range(start, stop)]
                pulled = []
                for value in values:
                    directions = torch.stack([torch.randn(value.shape[1], generator=source) for source in sources])
                    pulled.append(torch.autograd.grad(value, coordinates, directions.to(value), retain_graph=True)[0])
            found.append(on_processor(torch.stack(pulled, 1)))
    part = torch.cat(found) if found else torch.zeros(0, len(response.outputs), len(steps), dtype=torch.float64)
    rows = gathered(part, len(at)).flatten(0, 1)
    lengths = rows.norm(dim=1, keepdim=True)
    moving = lengths.flatten() > 0
    if not bool(torch.isfinite(lengths).all()) or not bool(moving.any()):
        raise NumericalError("the generator's response is not finite or does not change along any direction; its weights may be damaged")
    return rows[moving] / lengths[moving]
