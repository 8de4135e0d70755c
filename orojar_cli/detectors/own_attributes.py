"""Attributes by the user's own code: a classifier, CLIP, a ruler.

What is asked for is a callable: images [N, C, H, W] in [-1, 1], float32 on the network's device -> a dictionary of names with numbers
[N], or a tensor [N, K] where the callable has `names` of K.  Tensors, arrays and lists will do; NaN where there is no answer.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from orojar_cli.detectors.attributes import Attribute, Attributes
from orojar_cli.devices import on_processor
from orojar_cli.directions.labels import checked_label
from orojar_cli.errors import OptionError, OwnCodeError
from orojar_cli.generators.own.running import own_code


class OwnAttributes(Attributes):
    """The attributes of a callable `thing`, called `name`; of a class the object that it makes without arguments.

    Raises OwnCodeError for what cannot be called, fails, or gives something else than named numbers, always the same ones.
    """

    def __init__(self, thing: Any, name: str) -> None:
        self.name = name
        if inspect.isclass(thing):
            with own_code(name, "making it"):
                thing = thing()
        if not callable(thing):
            raise OwnCodeError(f"{name} is a {type(thing).__name__} that cannot be called: it must take images and give named numbers")
        self._measure = thing

    def __call__(self, images: Tensor) -> Tensor:
        with torch.no_grad(), own_code(self.name, "measuring images"):
            told = self._measure(images)
        named = told if isinstance(told, Mapping) else self._columns(told)
        if not named:
            raise OwnCodeError(f"{self.name} measured nothing: it must give named numbers")
        columns = [self._column(name, numbers, len(images)) for name, numbers in named.items()]
        attributes = tuple(Attribute(self._name(name), "") for name in named)
        if self.attributes and attributes != self.attributes:
            raise OwnCodeError(f"{self.name} gives other names at every call; they must be the same ones in the same order")
        self.attributes = attributes
        return torch.stack(columns, 1)

    def _columns(self, told: Any) -> Mapping[Any, Any]:
        """Columns [N] of a tensor [N, K], by the callable's own names."""
        names = getattr(self._measure, "names", None)
        if not isinstance(told, Tensor) or names is None:
            lacking = " without `names`" if isinstance(told, Tensor) else ""
            raise OwnCodeError(
                f"{self.name} gives a {type(told).__name__}{lacking}; it must give a dictionary of names with numbers, or a tensor [N, K] "
                "and have `names`"
            )
        names = list(names)
        if told.ndim != 2 or told.shape[1] != len(names) or len(set(names)) != len(names):
            raise OwnCodeError(f"{self.name} gives a tensor {list(told.shape)} for {len(set(names))} different names; it must be [N, K]")
        return dict(zip(names, told.unbind(1), strict=True))

    def _column(self, name: Any, numbers: Any, count: int) -> Tensor:
        try:
            column = on_processor(numbers if isinstance(numbers, Tensor) else torch.as_tensor(numbers, device="cpu"))
        except (TypeError, ValueError, RuntimeError) as error:
            raise OwnCodeError(f"{self.name}: {name!r:.60} is not a list of numbers, one for each image") from error
        if column.shape != (count,):
            raise OwnCodeError(f"{self.name}: {name!r:.60} has shape {list(column.shape)} for {count} images; it must be [{count}]")
        return torch.where(column.isfinite(), column, torch.nan)

    def _name(self, name: Any) -> str:
        try:
            if isinstance(name, str) and (text := checked_label(name)):
                return text
        except OptionError as error:
            raise OwnCodeError(f"{self.name}: {error}") from error
        raise OwnCodeError(f"{self.name}: {name!r:.60} is no name of an attribute; use words")
