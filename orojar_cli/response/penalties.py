"""The OroJaR loss and the Hessian Penalty, for anybody's generator and training loop: drop-in for the authors' own functions.

`G` is any function z [N, ...] -> tensor [N, ...] or a tuple or list of them (activations of several layers), or of such lists.
Parameters have the authors' names, order and defaults, so that a loop written for their `orojar` or `hessian_penalty` runs unchanged:

    from orojar_cli import orojar_penalty as orojar

Their implementations differ in how they reduce.  The portable function (and the small GANs) takes the unbiased variance over probes and
the max over the batch; the discovery of directions in BigGAN the unbiased variance and the mean; the ProGANs in TensorFlow the population
variance, at k = 2 half of the unbiased one, which is what is computed here.  A finite difference over epsilon = 0.1 is far from its limit
where rectifiers have kinks: the loss was 42 % below it on a leaky-ReLU network, and is 71 % below it on the bundled one (`epsilon=0.001`
comes near it).  On a GPU they are differences of full float32: TF32 is turned off for the process (`orojar_cli.devices.prepare`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor

from orojar_cli.devices import prepare
from orojar_cli.errors import OptionError

Function = Callable[..., Tensor | Sequence[Any]]
Reduction = str | Callable[[Tensor], Tensor]
REDUCTIONS = ("mean", "max")


def rademacher(shape: tuple[int, ...], like: Tensor, rng: torch.Generator | None = None) -> Tensor:
    """Independent signs +1 and -1; `rng` is a generator on the CPU."""
    return (torch.randint(0, 2, shape, generator=rng) * 2 - 1).to(like)


def orojar_penalty(
    G: Function,
    z: Tensor,
    k: int = 2,
    epsilon: float = 0.1,
    reduction: Reduction | None = None,
    return_separately: bool = False,
    G_z: Tensor | Sequence[Any] | None = None,
    *,
    normalised: bool = False,
    rng: torch.Generator | None = None,
    **G_kwargs: Any,
) -> Any:
    """The stochastic OroJaR loss (Wei et al., ICCV 2021, eq. 6): a scalar, differentiable in G's parameters and z.

    With Rademacher v_1..v_k and d_i = ||(G(z + epsilon v_i) - G(z)) / epsilon||^2 the penalty is the unbiased variance of the d_i,
    whose expectation is 2 sum_{i != j} (J^T J)_ij^2 where epsilon is small, reduced over the batch and summed over G's outputs.
    `reduction` is a function of the variances [N] such as torch.max, or "mean" or "max"; None is the authors' max, as in their portable
    function (their search in BigGAN: mean), or with `normalised` the mean.  `return_separately` gives the list of the outputs' penalties
    instead of their sum.  `G_z` is G(z), where it is known already; further keywords go to G.
    `normalised` divides it by 2 E (tr J^T J)^2, estimated without bias by products d_i d_j, which makes it free of scale:
    the off-diagonal share of the Gram matrix's energy.  `rng` draws the probes.
    Raises OptionError for k < 2, an unknown reduction, and a G that returns no tensors with a row for each z.
    """
    reduce = _reducing(z, k, epsilon, reduction, "mean" if normalised else "max")
    base = _base(G, z, G_z, G_kwargs)
    moved = [_outputs(G, z + epsilon * rademacher(tuple(z.shape), z, rng), G_kwargs, len(base)) for _ in range(k)]
    penalties = []
    for index, origin in enumerate(base):
        squares = torch.stack([((step[index] - origin) / epsilon).reshape(len(z), -1).square().sum(1) for step in moved])
        penalty = reduce(squares.var(0, correction=1))
        if normalised:
            pairs = (squares.sum(0).square() - squares.square().sum(0)) / (k * (k - 1))
            penalty = penalty / (2 * reduce(pairs))
        penalties.append(penalty)
    return penalties if return_separately else _total(penalties)


def hessian_penalty(
    G: Function,
    z: Tensor,
    k: int = 2,
    epsilon: float = 0.1,
    reduction: Reduction | None = None,
    return_separately: bool = False,
    G_z: Tensor | Sequence[Any] | None = None,
    *,
    normalised: bool = False,
    rng: torch.Generator | None = None,
    **G_kwargs: Any,
) -> Any:
    """The Hessian Penalty (Peebles et al., ECCV 2020, eq. 6): a scalar, differentiable in G's parameters and z.

    Unbiased variance over k Rademacher directions of the central second difference (G(z + eps v) - 2 G(z) + G(z - eps v)) / eps^2,
    per output element, reduced over all elements and summed over G's outputs; its expectation per element is 2 sum_{i != j} H_ij^2.
    `reduction` is a function of the variances [N, ...] such as torch.max, or "mean" or "max"; None is the authors' max (their search in
    BigGAN: mean).  `return_separately`, `G_z`, further keywords and `rng` as in `orojar_penalty`.  `normalised` divides by the variance
    of the outputs over the batch.
    Raises OptionError for k < 2, an unknown reduction, and a G that returns no tensors with a row for each z.
    """
    reduce = _reducing(z, k, epsilon, reduction, "max")
    base = _base(G, z, G_z, G_kwargs)
    second: list[list[Tensor]] = [[] for _ in base]
    for _ in range(k):
        step = epsilon * rademacher(tuple(z.shape), z, rng)
        ahead, behind = (_outputs(G, at, G_kwargs, len(base)) for at in (z + step, z - step))
        for index, origin in enumerate(base):
            second[index].append((ahead[index] - 2 * origin + behind[index]) / epsilon**2)
    penalties = []
    for origin, differences in zip(base, second, strict=True):
        penalty = reduce(torch.stack(differences).var(0, correction=1))
        penalties.append(penalty / origin.var(0, correction=1).mean() if normalised else penalty)
    return penalties if return_separately else _total(penalties)


def _total(penalties: list[Tensor]) -> Tensor:
    total = penalties[0]
    for penalty in penalties[1:]:
        total = total + penalty
    return total


def _base(G: Function, z: Tensor, given: Any, options: dict[str, Any]) -> tuple[Tensor, ...]:
    """What G makes of z, computed where it is not given."""
    return _outputs(G, z, options) if given is None else _checked("G_z is", given, len(z))


def _outputs(G: Function, z: Tensor, options: dict[str, Any], count: int | None = None) -> tuple[Tensor, ...]:
    """What G makes of z, one tensor after another; raises OptionError where that is no tensor with a row for each z, or not `count`."""
    found = _checked("G returns", G(z, **options), len(z))
    if count is not None and len(found) != count:
        raise OptionError(f"G returns {len(found)} tensors, and {count} for z itself: is G_z of the same layers?")
    return found


def _checked(what: str, result: Any, rows: int) -> tuple[Tensor, ...]:
    found = tuple(_flat(what, result))
    if not found:
        raise OptionError(f"{what} no tensor; a penalty needs at least one")
    for tensor in found:
        if tensor.ndim == 0 or len(tensor) != rows:
            raise OptionError(f"{what} a tensor of shape {list(tensor.shape)} for {rows} z; its first axis must be the batch")
    return found


def _flat(what: str, result: Any) -> Iterator[Tensor]:
    if isinstance(result, Tensor):
        yield result
    elif isinstance(result, (tuple, list)):
        for part in result:
            yield from _flat(what, part)
    else:
        raise OptionError(f"{what} a {type(result).__name__}; it must be a tensor, or a tuple or list of tensors")


def _reducing(z: Any, k: Any, epsilon: Any, reduction: Any, usual: str) -> Callable[[Tensor], Tensor]:
    """What reduces variances to a number; raises OptionError where an argument cannot be."""
    if not isinstance(z, Tensor) or z.ndim < 1 or not z.is_floating_point():
        raise OptionError(
            f"z is {f'a tensor of {z.dtype}' if isinstance(z, Tensor) else f'a {type(z).__name__}'}; it must be [N, ...] floats"
        )
    if not isinstance(k, Integral) or k < 2:
        raise OptionError(f"k = {k!r:.60}: a variance needs at least two probes, a whole number of them")
    if not isinstance(epsilon, Real) or not 0 < float(epsilon) < math.inf:
        raise OptionError(f"epsilon = {epsilon!r:.60}: it must be a positive number")
    prepare(z.device)
    reduction = usual if reduction is None else reduction
    if not callable(reduction):
        if reduction not in REDUCTIONS:
            raise OptionError(f"unknown reduction {reduction!r}; choose one of {', '.join(REDUCTIONS)}, or a function such as torch.max")
        return torch.mean if reduction == "mean" else torch.max

    def reduced(values: Tensor) -> Tensor:
        result = reduction(values)
        if not isinstance(result, Tensor) or result.ndim:
            raise OptionError(
                f"the reduction {getattr(reduction, '__name__', reduction)!s:.60} does not give a single number, as torch.max does"
            )
        return result

    return reduced
