"""Tensors that another layout stores under other names and in another form: named now, converted when they are asked for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from orojar_cli.containers.file import printable
from orojar_cli.containers.module_tree import check_tensors
from orojar_cli.containers.records import TensorRecord
from orojar_cli.errors import DamagedCheckpointError, UnsupportedCheckpointError

Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class DerivedRecord:
    """A float tensor of `shape` that `make` computes: from the stored tensor `source`, or from nothing (None).

    `undo` gives the stored tensor of a new value, where it is known.
    """

    shape: Shape
    source: TensorRecord | None
    make: Callable[[Any], Any]
    undo: Callable[[Any], Any] | None = None

    @property
    def numel(self) -> int:
        return math.prod(self.shape)


class Form(NamedTuple):
    """How one of our tensors is stored elsewhere: its shape there, our tensor from that one, and that one from ours."""

    stored_shape: Callable[[Shape], Shape]
    make: Callable[[Any], Any]
    undo: Callable[[Any], Any] | None = None

    def then(self, other: Form) -> Form:
        """What this form makes of the stored tensor, made into ours by `other`."""
        first, second = self.undo, other.undo
        undo = None if first is None or second is None else lambda tensor: first(second(tensor))
        return Form(lambda shape: self.stored_shape(other.stored_shape(shape)), lambda tensor: other.make(self.make(tensor)), undo)


PLAIN = Form(lambda shape: shape, lambda tensor: tensor, lambda tensor: tensor)

# Styles are stored around 0 by those who add the 1 in the forward pass.
PLUS_ONE = Form(PLAIN.stored_shape, lambda tensor: tensor + 1, lambda tensor: tensor - 1)


def scaled(factor: float) -> Form:
    """Ours is `factor` times the stored one."""
    return Form(lambda shape: shape, lambda tensor: tensor * factor, lambda tensor: tensor / factor)


def unsqueezed(axes: int) -> Form:
    """Stored with `axes` leading axes of size 1."""
    return Form(lambda shape: (1,) * axes + shape, lambda tensor: tensor[(0,) * axes], lambda tensor: tensor[(None,) * axes])


def constant(shape: Shape, value: float) -> DerivedRecord:
    """A tensor full of one number."""

    def make(_: Any) -> Any:
        import torch

        return torch.full(shape, value, device="cpu")

    return DerivedRecord(shape, None, make)


def resample_kernel(taps: tuple[float, ...]) -> DerivedRecord:
    """The buffer that PyTorch-era networks keep of a 1-D resample filter: its outer product, with sum 1."""

    def make(_: Any) -> Any:
        import torch

        row = torch.tensor(taps, device="cpu")
        return torch.outer(row, row) / row.sum().square()

    return DerivedRecord((len(taps),) * 2, None, make)


def derive(
    stored: dict[str, TensorRecord | float], shapes: dict[str, Shape], rules: dict[str, tuple[str, Form]], where: str
) -> dict[str, TensorRecord | DerivedRecord]:
    """Our tensors from the stored ones; `rules` gives our name -> (stored name, form).

    Every stored tensor must be there, have the shape that ours implies, and be used; a tensor of no axes may be stored as a plain
    number.  Raises DamagedCheckpointError and UnsupportedCheckpointError with the file's own names.
    """
    needed = {theirs: form.stored_shape(shapes[ours]) for ours, (theirs, form) in rules.items()}
    numbers = {name: value for name, value in stored.items() if not isinstance(value, TensorRecord)}
    for name, value in numbers.items():
        if name not in needed:
            raise UnsupportedCheckpointError(f"not supported: {where} has a number {printable(name)} that its architecture does not have")
        if needed[name] != () or type(value) not in (int, float) or not math.isfinite(value):
            raise DamagedCheckpointError(f"damaged: {where}.{printable(name)} is not a tensor of finite numbers")
    arrays = {name: value for name, value in stored.items() if isinstance(value, TensorRecord)}
    check_tensors(arrays, {name: shape for name, shape in needed.items() if name not in numbers}, where)
    result: dict[str, TensorRecord | DerivedRecord] = {}
    for ours, (theirs, form) in rules.items():
        if theirs in numbers:
            result[ours] = constant((), float(numbers[theirs]))
        else:
            result[ours] = DerivedRecord(shapes[ours], arrays[theirs], form.make, form.undo)
    return result
