"""The OroJaR loss of z axes and its estimators, differentiable in the mapping: what training on the generator itself uses.

Every estimator works on `draw`, a function of z [N, z_dim] and labels [N, c_dim] -> responses, a tuple of [N, P], through the mapping
that is trained.  The loss is made of two numbers of every z: the off-diagonal energy sum_{i != j} M_ij^2 and the squared trace
(tr M)^2 (Wei et al., ICCV 2021, eq. 4-6; M = J^T J).  `examples/estimator_noise.py` measures what each costs for its noise.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import jvp, vmap

from orojar_cli.distributed import joined, own
from orojar_cli.errors import OptionError
from orojar_cli.response.penalties import hessian_penalty, rademacher
from orojar_cli.response.recomputation import recomputed

Draw = Callable[[Tensor, Tensor], tuple[Tensor, ...]]
METHODS = ("exact", "central")
_PROBES = 2
HESSIAN_DRAWS = 1 + 2 * _PROBES
"""How many times the Hessian Penalty draws every point."""
# Of central differences, in units of z.
_STEP = 0.05


def axis_columns(
    draw: Draw, z: Tensor, label: Tensor, dims: int, method: str = "exact", at_once: tuple[int, int] | None = None
) -> tuple[Tensor, ...]:
    """J e_0..J e_{dims-1} at every z: for each response [N, dims, P], differentiable.

    "exact" is forward-mode differentiation, of `at_once` (points, axes) at a time, recomputed for the gradient; by default all together.
    "central", (g(z + h e) - g(z - h e)) / 2h, has nearly the same values but a useless gradient
    in networks of leaky rectifiers, whose slopes jump between the two points.  Raises OptionError for another method.
    """
    axes = torch.eye(z.shape[1], dtype=z.dtype, device=z.device)[:dims]
    if method == "exact":

        def columns(axes: Tensor, z: Tensor, label: Tensor) -> tuple[Tensor, ...]:
            def column(axis: Tensor) -> tuple[Tensor, ...]:
                return jvp(lambda point: draw(point, label), (z,), (axis.expand(len(z), -1),))[1]

            return tuple(part.transpose(0, 1) for part in vmap(column)(axes))

        if at_once is None:
            return columns(axes, z, label)
        points, together = at_once
        groups = [recomputed(partial(columns, part), points)(z, label) for part in axes.split(together)]
        return tuple(torch.cat(parts, 1) for parts in zip(*groups, strict=True))
    if method != "central":
        raise OptionError(f"unknown estimator {method!r}; choose one of {', '.join(METHODS)}")
    steps = _STEP * torch.cat([axes, -axes])
    values = draw((z.unsqueeze(1) + steps).flatten(0, 1), label.repeat_interleave(len(steps), 0))
    halves = (value.unflatten(0, (len(z), 2, dims)) for value in values)
    return tuple((half[:, 0] - half[:, 1]) / (2 * _STEP) for half in halves)


def axis_grams(
    draw: Draw, z: Tensor, label: Tensor, dims: int, method: str = "exact", at_once: tuple[int, int] | None = None
) -> tuple[Tensor, ...]:
    """Gram matrices [N, dims, dims] of the first `dims` axes of z, one per response, differentiable; arguments as above."""
    return tuple(columns @ columns.transpose(1, 2) for columns in axis_columns(draw, z, label, dims, method, at_once))


def gram_energies(grams: Tensor) -> tuple[Tensor, Tensor]:
    """(off-diagonal energy, squared trace) [N] of Gram matrices [N, K, K]."""
    diagonal = grams.diagonal(dim1=1, dim2=2)
    return grams.square().sum((1, 2)) - diagonal.square().sum(1), diagonal.sum(1).square()


def probe_energies(
    draw: Draw, z: Tensor, label: Tensor, k: int = 2, epsilon: float = 0.1, rng: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """The paper's estimator of the same pair [N]: forward differences along k Rademacher vectors over all of z (eq. 6).

    With d_i = ||(g(z + epsilon v_i) - g(z)) / epsilon||^2, half the unbiased variance of the d_i, and the mean of d_i d_j over i != j.
    Several responses are summed.
    """
    base = draw(z, label)
    moved = [draw(z + epsilon * rademacher(tuple(z.shape), z, rng), label) for _ in range(k)]
    off, total = z.new_zeros(len(z)), z.new_zeros(len(z))
    for index, origin in enumerate(base):
        squares = torch.stack([((step[index] - origin) / epsilon).square().sum(1) for step in moved])
        off = off + squares.var(0, correction=1) / 2
        total = total + (squares.sum(0).square() - squares.square().sum(0)) / (k * (k - 1))
    return off, total


def hessian_of_axes(draw: Draw, z: Tensor, label: Tensor, dims: int, rng: torch.Generator, k: int = _PROBES) -> Tensor:
    """The normalised Hessian Penalty (Peebles et al. 2020) in the first `dims` axes of z: per axis, the mean over responses.

    In a group of processes each computes its share of the points, and all get the penalty of the whole.
    """

    def moved(step: Tensor) -> tuple[Tensor, ...]:
        points = z + F.pad(step, (0, z.shape[1] - dims))
        return tuple(joined(part, len(z)) for part in draw(own(points), own(label)))

    with torch.no_grad():
        responses = len(draw(z[:1], label[:1]))
    return hessian_penalty(moved, z.new_zeros(len(z), dims), k, reduction="mean", normalised=True, rng=rng) / (responses * dims)
