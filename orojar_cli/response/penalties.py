"""The OroJaR loss and the Hessian Penalty, for anybody's generator and training loop.

`g` is any function z [N, ...] -> tensor [N, ...] or a tuple or list of them (activations of several layers), or of such lists.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor

from orojar_cli.errors import OptionError

Function = Callable[[Tensor], Tensor | Sequence[Tensor]]
REDUCTIONS = ("mean", "max")


def rademacher(shape: tuple[int, ...], like: Tensor, rng: torch.Generator | None = None) -> Tensor:
    """Independent signs +1 and -1; `rng` is a generator on the CPU."""
    return (torch.randint(0, 2, shape, generator=rng) * 2 - 1).to(like)


def orojar_penalty(
    g: Function,
    z: Tensor,
    k: int = 2,
    epsilon: float = 0.1,
    *,
    reduction: str = "mean",
    normalised: bool = False,
    rng: torch.Generator | None = None,
) -> Tensor:
    """The stochastic OroJaR loss (Wei et al., ICCV 2021, eq. 6): a scalar, differentiable in g's parameters and z.

    With Rademacher v_1..v_k and d_i = ||(g(z + epsilon v_i) - g(z)) / epsilon||^2 the penalty is the unbiased variance of the d_i,
    whose expectation is 2 sum_{i != j} (J^T J)_ij^2, reduced over the batch and summed over g's outputs.
    `normalised` divides it by 2 E (tr J^T J)^2, estimated without bias by products d_i d_j, which makes it free of scale:
    the off-diagonal share of the Gram matrix's energy.  Raises OptionError for k < 2, an unknown reduction, and a g that returns no tensors
    with a row for each z.
    """
    _check(z, k, epsilon, reduction)
    base = _outputs(g, z)
    moved = [_outputs(g, z + epsilon * rademacher(tuple(z.shape), z, rng)) for _ in range(k)]
    total = z.new_zeros(())
    for index, origin in enumerate(base):
        squares = torch.stack([((step[index] - origin) / epsilon).reshape(len(z), -1).square().sum(1) for step in moved])
        variance = _reduce(squares.var(0, correction=1), reduction)
        if normalised:
            pairs = (squares.sum(0).square() - squares.square().sum(0)) / (k * (k - 1))
            variance = variance / (2 * _reduce(pairs, reduction))
        total = total + variance
    return total


def hessian_penalty(
    g: Function,
    z: Tensor,
    k: int = 2,
    epsilon: float = 0.1,
    *,
    reduction: str = "max",
    normalised: bool = False,
    rng: torch.Generator | None = None,
) -> Tensor:
    """The Hessian Penalty (Peebles et al., ECCV 2020, eq. 6): a scalar, differentiable in g's parameters and z.

    Unbiased variance over k Rademacher directions of the central second difference (g(z + eps v) - 2 g(z) + g(z - eps v)) / eps^2,
    per output element, reduced over all elements (the authors: max; for directions: mean) and summed over g's outputs; its
    expectation per element is 2 sum_{i != j} H_ij^2.  `normalised` divides by the variance of the outputs over the batch.
    Raises OptionError for k < 2, an unknown reduction, and a g that returns no tensors
    with a row for each z.
    """
    _check(z, k, epsilon, reduction)
    base = _outputs(g, z)
    second: list[list[Tensor]] = [[] for _ in base]
    for _ in range(k):
        step = epsilon * rademacher(tuple(z.shape), z, rng)
        for index, (forward, backward) in enumerate(zip(_outputs(g, z + step), _outputs(g, z - step), strict=True)):
            second[index].append((forward - 2 * base[index] + backward) / epsilon**2)
    total = z.new_zeros(())
    for origin, differences in zip(base, second, strict=True):
        penalty = _reduce(torch.stack(differences).var(0, correction=1), reduction)
        total = total + (penalty / origin.var(0, correction=1).mean() if normalised else penalty)
    return total


def _outputs(g: Function, z: Tensor) -> tuple[Tensor, ...]:
    """What g makes of z, one tensor after another; raises OptionError where that is no tensor with a row for each z."""
    found = tuple(_flat(g(z)))
    if not found:
        raise OptionError("g returns no tensor; a penalty needs at least one")
    for tensor in found:
        if tensor.ndim == 0 or len(tensor) != len(z):
            raise OptionError(f"g returns a tensor of shape {list(tensor.shape)} for {len(z)} z; its first axis must be the batch")
    return found


def _flat(result: Any) -> Iterator[Tensor]:
    if isinstance(result, Tensor):
        yield result
    elif isinstance(result, (tuple, list)):
        for part in result:
            yield from _flat(part)
    else:
        raise OptionError(f"g returns a {type(result).__name__}; it must return a tensor, or a tuple or list of tensors")


def _reduce(values: Tensor, reduction: str) -> Tensor:
    return values.mean() if reduction == "mean" else values.max()


def _check(z: Any, k: Any, epsilon: Any, reduction: Any) -> None:
    if not isinstance(z, Tensor) or z.ndim < 1 or not z.is_floating_point():
        raise OptionError(
            f"z is {f'a tensor of {z.dtype}' if isinstance(z, Tensor) else f'a {type(z).__name__}'}; it must be [N, ...] floats"
        )
    if not isinstance(k, Integral) or k < 2:
        raise OptionError(f"k = {k!r:.60}: a variance needs at least two probes, a whole number of them")
    if not isinstance(epsilon, Real) or not 0 < float(epsilon) < math.inf:
        raise OptionError(f"epsilon = {epsilon!r:.60}: it must be a positive number")
    if reduction not in REDUCTIONS:
        raise OptionError(f"unknown reduction {reduction!r}; choose one of {', '.join(REDUCTIONS)}")
