"""The OroJaR loss against generator evaluations on a BigGAN: the paper's own optimiser and the joint diagonaliser, at equal loss.

The network is a reference of this project's tests, with random weights and statistics: what it costs to reach a loss shows on it, what
directions look like does not.  Both search the whole z, of one class, by the whole image.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
from cost import Cost, measured
from rendering import Column
from torch import Tensor

from orojar_cli.diagonaliser import joint_diagonalise, normalise_by_trace, orojar_loss
from orojar_cli.directions import METHODS, Settings
from orojar_cli.directions.frame import Frame
from orojar_cli.directions.method import with_defaults
from orojar_cli.directions.optimised import OPTIONS, descent
from orojar_cli.response.jacobian import Response, gram_matrices
from orojar_cli.response.penalties import orojar_penalty

_FIT_STREAM, _STOP_STREAM, _HELD_OUT_STREAM = 10, 11, 12
_CLASS = 2

COLUMNS = (
    Column("held-out loss", "loss", 4, best=min),
    Column("steps", "steps", 0),
    Column("evaluations", "evaluations", 0),
    Column("seconds", "seconds", 1, spread=False),
)
TITLE = "rotation of z"
YARDSTICK = {"held_out": 256}
QUICK_YARDSTICK = {"held_out": 4}


@dataclass(frozen=True)
class Row:
    """One line of the table: the diagonaliser at `samples` latents, or the paper's search of at most `steps`, which ends where it reaches
    the loss of the diagonaliser at `until` latents; it is looked at every `every` steps, which is not counted."""

    name: str
    samples: int = 0
    steps: int = 0
    until: int = 0
    every: int = 10

    def quick(self) -> Row:
        """The same with next to nothing to do."""
        return replace(self, samples=min(self.samples, 4), steps=min(self.steps, 2), until=min(self.until, 4), every=1)


ROWS = (
    Row("z axes, as they are"),
    Row("joint diagonaliser, 8 samples", samples=8),
    Row("joint diagonaliser, 32 samples", samples=32),
    Row("the paper's protocol, 100 steps", steps=100),
    Row("the paper's protocol, until it is where the diagonaliser was after 8 samples (at most 600 steps)", steps=600, until=8),
)


def grams(generator: Any, samples: int, seed: int, stream: int) -> Tensor:
    """[samples, d, d] Gram matrices of the whole image in z, at latents of their own stream."""
    settings = Settings(space="z", seed=seed, class_index=_CLASS)
    return gram_matrices(Response(generator, "z"), settings.latents(generator, samples, stream), Frame.of(generator, settings).steps)


@cache
def held_out(generator: Any, samples: int) -> Tensor:
    """Gram matrices that no method sees, the same for every seed; the loss is the paper's, not normalised by their traces."""
    return grams(generator, samples, 0, _HELD_OUT_STREAM)


def diagonalised(generator: Any, samples: int, seed: int) -> Tensor:
    """The diagonaliser's rotation; a quarter of its samples stops it."""
    stop = max(2, samples // 4)
    fit = normalise_by_trace(grams(generator, samples - stop, seed, _FIT_STREAM))
    return joint_diagonalise(fit, held_out=normalise_by_trace(grams(generator, stop, seed, _STOP_STREAM))).rotation


def paper(generator: Any, row: Row, seed: int, yard: Tensor) -> tuple[Tensor, int, Cost]:
    """(rotation, steps taken, cost) of `discover --method orojar-sgd --protocol paper` in the whole of z."""
    preset, total = METHODS["orojar-sgd"].protocol("paper"), Cost()
    wanted = orojar_loss(yard, diagonalised(generator, row.until, seed)) if row.until else -1.0
    settings = Settings(space="z", seed=seed, class_index=_CLASS, outputs=preset.outputs)
    steps = Frame.of(generator, settings).steps
    with torch.enable_grad():
        path = descent(orojar_penalty, generator, settings, steps, len(steps), with_defaults(OPTIONS, preset.options))
        rotation, _ = next(path)
        done = 0
        while done < row.steps:
            with measured(generator) as cost:
                rotation, _ = next(path)
            total = Cost(total.seconds + cost.seconds, total.evaluations + cost.evaluations)
            done += 1
            if done % row.every == 0 and orojar_loss(yard, rotation.double()) <= wanted:
                break
    return rotation.double(), done, total


def measure(generator: Any, row: Row, seed: int, yardstick: dict[str, int]) -> dict[str, float]:
    """Held-out loss, steps, evaluations and seconds of one row; the seed draws the latents a method sees and the optimiser's start."""
    yard, done = held_out(generator, yardstick["held_out"]), 0
    if row.steps:
        rotation, done, cost = paper(generator, row, seed, yard)
    else:
        with measured(generator) as cost:
            axes = torch.eye(yard.shape[1], dtype=torch.float64)
            rotation = diagonalised(generator, row.samples, seed) if row.samples else axes
    return {"loss": orojar_loss(yard, rotation), "steps": done, "evaluations": cost.evaluations, "seconds": cost.seconds}


def caption(yardstick: dict[str, int]) -> str:
    """What the table's figures are."""
    return (
        f"Loss at {yardstick['held_out']} latents that no method saw; the diagonaliser keeps a quarter of its samples to stop. "
        "A network of random weights (`tests/references/biggan_pt_noshared_32.pth`), one class."
    )
