"""Responses computed piece by piece, and once more when their gradient is taken: a step then needs the memory of one piece.

Gradient checkpointing (Chen et al. 2016, arXiv 1604.06174) along the batch: nothing that a piece computes on its way is kept, only its
result, so memory does not grow with the batch or the number of probes; the price is one more forward pass.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from orojar_cli.devices import memory_budget
from orojar_cli.errors import OptionError
from orojar_cli.generators.protocol import Generator
from orojar_cli.response.outputs import Output, computed_layers

# Of what a gradient keeps, on a processor: a full 1024x1024 image with one of its derivatives needs 4 GiB.
DEFAULT_BUDGET = 4 << 30
# What automatic differentiation holds, in units of the numbers that layers read and write: 1.2 measured for images, 1.4 for derivatives.
_HELD = 1.4
AUTO = "auto"
Result = TypeVar("Result")


def recomputed(function: Callable[..., Result], rows: int | str | None = AUTO) -> Callable[..., Result]:
    """`function` of tensors [N, ...] -> tensor or tuple or list of tensors [N, ...], the same but for its memory: `rows` rows at a time.

    "auto" takes as many rows of a generator of this package as keep 4 GiB (on a GPU: half of what is free there), all of them where they
    fit (then nothing is computed twice: small images one by one cost several times as much), and single rows of any other function.
    With None it is `function` itself.  For functions that treat every row alone; raises OptionError where it returns anything else.
    Gradients reach its arguments and whatever parameters it uses, by `backward` and by `torch.autograd.grad`; random numbers are drawn
    again as they were.  Derivatives may be taken inside.  Keywords go to `function` as they are.

        penalty = orojar_penalty(recomputed(generator), z)
    """

    if rows is None:
        return function
    if isinstance(rows, str) and rows != AUTO:
        raise OptionError(f"{rows!r:.60} is neither a number of rows nor {AUTO}")

    def in_pieces(*arguments: Tensor, **options: Any) -> Any:
        count = _rows_of(function, len(arguments[0])) if isinstance(rows, str) else rows
        if count is None:
            return function(*arguments, **options)
        parts = zip(*(torch.split(argument, count) for argument in arguments), strict=True)
        called = functools.partial(function, **options)  # keywords of `checkpoint` itself are not theirs
        results = [checkpoint(called, *part, use_reentrant=False) for part in parts]
        return _joined(results)

    return in_pieces


def _rows_of(function: Any, points: int) -> int | None:
    """How many rows of so many a function's gradient keeps at once; None: all."""
    if not hasattr(getattr(function, "config", None), "costs"):
        return 1
    few = pieces(function, (Output(),), points)
    return few and few[0]


def _joined(results: Sequence[Any]) -> Any:
    """The rows of all pieces together, in the tuples or lists they came in."""
    first = results[0]
    if isinstance(first, (tuple, list)):
        joined = map(_joined, zip(*results, strict=True))
        return list(joined) if isinstance(first, list) else tuple(joined)
    if not isinstance(first, Tensor) or first.ndim == 0:
        raise OptionError(
            f"a recomputed function returned {'a number' if isinstance(first, Tensor) else f'a {type(first).__name__}'}; "
            "it must return tensors [N, ...], or a tuple or list of them"
        )
    return torch.cat(list(results))


def graph_bytes(generator: Generator, outputs: Sequence[Output]) -> int:
    """Estimated memory that the gradient of one point's responses keeps, in float32; a derivative along one direction as much again."""
    numbers = sum(cost.numbers for cost in computed_layers(generator, outputs))
    return max(1, round(4 * _HELD * numbers * len(outputs)))


def pieces(
    generator: Generator, outputs: Sequence[Output], points: int, axes: int = 0, budget: int | None = None
) -> tuple[int, int] | None:
    """(points, axes) whose responses, and derivatives along so many axes, keep at most `budget` bytes (on a processor 4 GiB, on a GPU what
    is free there); at least one of each.

    None where all of them fit, so that nothing needs to be computed twice.
    """
    budget = memory_budget(generator.device, DEFAULT_BUDGET) if budget is None else budget
    images = budget // graph_bytes(generator, outputs)
    if points * (1 + axes) <= images:
        return None
    together = min(axes, max(1, images - 1))
    return max(1, images // (1 + together)), together
