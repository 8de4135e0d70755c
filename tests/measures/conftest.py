from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from orojar_cli.directions import DirectionSet


@pytest.fixture
def direction_set() -> Callable[..., DirectionSet]:
    """A direction set of given rows [K, D]."""

    def make(
        rows: torch.Tensor,
        sigma: torch.Tensor | None = None,
        space: str = "w",
        layers=(0,),
        checkpoint: str = "a",
        method: str = "made",
    ) -> DirectionSet:
        count = len(rows)
        sigma = torch.ones(count) if sigma is None else sigma
        return DirectionSet(rows, sigma, torch.ones(count), method, space, layers, checkpoint)

    return make
