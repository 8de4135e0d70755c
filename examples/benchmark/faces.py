"""Held-out OroJaR loss against cost on a face GAN: the joint diagonaliser, the paper's optimiser, SeFa, mean-Gram eigenvectors.

All compare rotations of the whole latent space z by the normalised loss: the off-diagonal share of the Gram matrices' energy.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
from cost import Cost, measured
from rendering import Column
from torch import Tensor

from orojar_cli.diagonaliser import joint_diagonalise, mean_eigenvectors, normalise_by_trace, orojar_loss
from orojar_cli.directions import Settings
from orojar_cli.directions.method import with_defaults
from orojar_cli.directions.optimised import OPTIONS, descent
from orojar_cli.directions.sefa import style_factors, style_weights
from orojar_cli.response.jacobian import Response, gram_matrices
from orojar_cli.response.penalties import orojar_penalty

_FIT_STREAM, _STOP_STREAM, _HELD_OUT_STREAM = 10, 11, 12

COLUMNS = (
    Column("held-out loss", "loss", 4, best=min),
    Column("seconds", "seconds", 1, spread=False),
    Column("evaluations", "evaluations", 0, spread=False),
)
TITLE = "rotation of z"
YARDSTICK = {"held_out": 48}
QUICK_YARDSTICK = {"held_out": 4}


@dataclass(frozen=True)
class Row:
    """One line of the table: a method, how many latents it sees, and how long it optimises: `steps`, and until `seconds` are over."""

    name: str
    method: str
    samples: int = 0
    steps: int = 0
    seconds: float = 0

    def quick(self) -> Row:
        """The same with next to nothing to do: four samples, two steps."""
        return replace(self, samples=min(self.samples, 4), steps=2, seconds=0)


ROWS = (
    Row("z axes, as trained", "axes"),
    Row("SeFa", "sefa"),
    Row("eigenvectors of the mean Gram matrix, 64 samples", "mean", samples=64),
    Row("joint diagonaliser, 8 samples", "diagonaliser", samples=8),
    Row("joint diagonaliser, 64 samples", "diagonaliser", samples=64),
    Row("the paper's OroJaR optimisation, 100 steps", "sgd", steps=100),
    Row("the paper's OroJaR optimisation, 60 seconds", "sgd", seconds=60),
)


def grams(generator: Any, samples: int, seed: int, stream: int) -> Tensor:
    """[samples, d, d] Gram matrices of the full image in z, at latents of their own stream."""
    latents = Settings(space="z", seed=seed).latents(generator, samples, stream)
    return gram_matrices(Response(generator, "z"), latents, torch.eye(generator.z_dim, device=generator.device))


@cache
def held_out(generator: Any, samples: int) -> Tensor:
    """Gram matrices that no method sees, the same for every seed: what varies is then the methods, not the yardstick.

    Not normalised by their traces: the loss is the paper's, although the diagonaliser is fitted to normalised ones.
    """
    return grams(generator, samples, 0, _HELD_OUT_STREAM)


def rotation_of(generator: Any, row: Row, seed: int) -> tuple[Tensor, Cost]:
    """The method's orthonormal rows [d, d], and what finding them cost."""
    if row.method == "sgd":
        return paper(generator, row, seed)
    with measured(generator) as cost:
        if row.method == "axes":
            rotation = torch.eye(generator.z_dim, dtype=torch.float64)
        elif row.method == "sefa":
            rotation, _ = style_factors(style_weights(generator, (0,)))
        elif row.method == "mean":
            rotation = mean_eigenvectors(normalise_by_trace(grams(generator, row.samples, seed, _FIT_STREAM)))
        else:
            stop = max(2, row.samples // 4)
            fit = normalise_by_trace(grams(generator, row.samples - stop, seed, _FIT_STREAM))
            rotation = joint_diagonalise(fit, held_out=normalise_by_trace(grams(generator, stop, seed, _STOP_STREAM))).rotation
    return rotation, cost


def paper(generator: Any, row: Row, seed: int) -> tuple[Tensor, Cost]:
    """The paper's SGD (k = 2, epsilon 0.1, batch 32, Adam 0.01, Gram-Schmidt): `row.steps` steps and more until `row.seconds` are over."""
    dim, total = generator.z_dim, Cost()
    with torch.enable_grad():
        path = descent(
            orojar_penalty,
            generator,
            Settings(space="z", seed=seed),
            torch.eye(dim, device=generator.device),
            dim,
            with_defaults(OPTIONS, {}),
        )
        rotation, _ = next(path)
        done = 0
        while done < row.steps or total.seconds < row.seconds:
            with measured(generator) as cost:
                rotation, _ = next(path)
            total = Cost(total.seconds + cost.seconds, total.evaluations + cost.evaluations)
            done += 1
    return rotation.double(), total


def measure(generator: Any, row: Row, seed: int, yardstick: dict[str, int]) -> dict[str, float]:
    """Held-out loss, seconds and evaluations of one row; the seed draws the latents a method sees and the optimiser's start."""
    yard = held_out(generator, yardstick["held_out"])
    rotation, cost = rotation_of(generator, row, seed)
    return {"loss": orojar_loss(yard, rotation), "seconds": cost.seconds, "evaluations": cost.evaluations}


def caption(yardstick: dict[str, int]) -> str:
    """What the table's figures are."""
    return (
        f"Loss at {yardstick['held_out']} latents that no method saw, the same for every seed; "
        "the diagonaliser keeps a quarter of its samples to stop."
    )
