"""Factors of a world: numbers, angles and categories, and what follows from that for their differences and their statistics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor


def shorter_way(difference: Any, period: float) -> Any:
    """A difference of angles (a tensor or an array) as at most half a period, either way round."""
    return (difference + period / 2) % period - period / 2


@dataclass(frozen=True)
class Factor:
    """A factor of a world: a number; an angle, where it has a `period`; or one of so many `categories` (values 0, 1, ...)."""

    name: str
    period: float | None = None
    categories: int | None = None

    def change(self, after: Tensor, before: Tensor) -> Tensor:
        """Differences [N]: of angles at most half a period; of categories 1 where they differ."""
        if self.categories is not None:
            return (after != before).to(after)
        change = after - before
        if self.period is not None:
            change = shorter_way(change, self.period)
        return change

    def deviation(self, values: Tensor) -> Tensor:
        """[] standard deviation of values [N]: of angles about their mean direction; of categories sqrt(p / 2), where two values differ
        with probability p (as for a number, whose squared difference is on average twice the variance)."""
        if self.categories is not None:
            shares = torch.bincount(values.long(), minlength=self.categories).to(values) / len(values)
            return ((1 - shares.square().sum()) / 2).sqrt()
        if self.period is None:
            return values.std()
        turns = values * (2 * math.pi / self.period)
        mean = torch.atan2(turns.sin().mean(), turns.cos().mean()) * (self.period / (2 * math.pi))
        return self.change(values, mean).std()

    def targets(self, values: np.ndarray) -> np.ndarray:
        """[N, M] what a linear model predicts of values [N]: a number itself, an angle's cosine and sine, an indicator of each category."""
        if self.categories is not None:
            return (values[:, None] == np.arange(self.categories)).astype(float)
        if self.period is None:
            return values[:, None]
        turns = values * (2 * math.pi / self.period)
        return np.stack([np.cos(turns), np.sin(turns)], 1)


def changes_of(factors: Sequence[Factor], after: Tensor, before: Tensor) -> Tensor:
    """Differences of factors [N, F], each of its kind."""
    return torch.stack([factor.change(after[:, index], before[:, index]) for index, factor in enumerate(factors)], 1)
