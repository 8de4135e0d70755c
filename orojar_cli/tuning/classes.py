"""Labels of conditional networks while their mapping is tuned: one class, or all of them."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from orojar_cli.directions.settings import Settings
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.points import Latents, normal_latents


def random_labels(classes: int, count: int, rng: torch.Generator) -> Tensor:
    """One-hot labels [count, classes] drawn evenly; [count, 0] for a network without classes."""
    return (
        torch.eye(classes, device="cpu")[torch.randint(0, classes, (count,), generator=rng)]
        if classes
        else torch.zeros(count, 0, device="cpu")
    )


@dataclass(frozen=True)
class AllClasses(Settings):
    """Settings whose latents have random classes, where the network has classes; z are those that Settings draws."""

    @classmethod
    def of(cls, settings: Settings) -> AllClasses:
        """The same settings over all classes."""
        return cls(**{entry.name: getattr(settings, entry.name) for entry in fields(settings)} | {"class_index": None})

    def latents(self, generator: Generator, count: int, stream: int = 0) -> Latents:
        rng = torch.Generator().manual_seed(self.seed * 1000 + stream)
        z = normal_latents(generator, count, rng, self.psi)
        return Latents(z, random_labels(generator.c_dim, count, rng).to(z) if generator.c_dim else None, self.psi)
