"""Counting what code of unknown structure computes, function by function, while it runs."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

_PRODUCTS = ("linear", "matmul", "__matmul__", "__rmatmul__", "mm", "bmm", "addmm", "baddbmm", "einsum", "tensordot", "bilinear")


class CostMeter(TorchFunctionMode):
    """While entered, `multiplications` adds up those of matrix products and convolutions (one a number for everything else), and `numbers`
    keeps how many numbers the widest function read and wrote.

    A product of matrices [m, k] and [k, n] is counted from its sizes alone, as sqrt(mk * kn * mn) = mkn; batches are overestimated.
    """

    def __init__(self) -> None:
        super().__init__()
        self.numbers, self.multiplications = 1, 0

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            given = [value for value in (*args, *(kwargs or {}).values()) if isinstance(value, Tensor)]
            # einsum takes its tensors in any way, stack and cat take a list.
            given += [value for group in args if isinstance(group, (list, tuple)) for value in group if isinstance(value, Tensor)]
            self.numbers = max(self.numbers, result.numel() + sum(value.numel() for value in given))
            self.multiplications += _multiplications(getattr(function, "__name__", ""), given, result)
        return result


def _multiplications(name: str, given: list[Tensor], result: Tensor) -> int:
    if len(given) > 1 and name.startswith("conv"):
        pixels = given[0] if "transpose" in name else result
        return pixels.numel() * given[1][0].numel()
    if len(given) > 1 and name in _PRODUCTS:
        return math.isqrt(given[-2 if "add" in name else 0].numel() * given[-1 if "add" in name else 1].numel() * result.numel())
    return result.numel()
