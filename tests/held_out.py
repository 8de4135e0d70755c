"""What was measured where: records the points at which a module takes Gram matrices, and what it makes of them."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch
from torch import Tensor

from orojar_cli.diagonaliser import joint_diagonalise
from orojar_cli.response import pullback
from orojar_cli.response.jacobian import gram_matrices


class Record:
    """`points` z [N, d] and `grams` of every call of gram_matrices in order; `fit` and `stop` what the diagonaliser was given."""

    def __init__(self, module: ModuleType, patch: pytest.MonkeyPatch) -> None:
        self.points: list[Tensor] = []
        self.grams: list[Tensor] = []

        def measured(response, at, *arguments, **options) -> Tensor:
            self.points.append(at.z)
            self.grams.append(gram_matrices(response, at, *arguments, **options))
            return self.grams[-1]

        def searched(fit: Tensor, **options):
            self.fit, self.stop = fit, options["held_out"]
            return joint_diagonalise(fit, **options)

        for place in (module, pullback):
            patch.setattr(place, "gram_matrices", measured, raising=False)
        patch.setattr(module, "joint_diagonalise", searched)

    def check_apart(self) -> None:
        """No point took part twice."""
        points = torch.cat(self.points)
        assert len(points.unique(dim=0)) == len(points)
