"""How well each method's directions separate the known factors of the shapes world (examples/worlds/disentanglement.py)."""

from __future__ import annotations

import copy
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import tuning
from cost import Cost, measured
from rendering import Column
from torch import Tensor

from orojar_cli.directions import METHODS, DirectionSet, Settings
from orojar_cli.directions.frame import Frame, finished
from orojar_cli.latents.moments import latent_samples
from orojar_cli.response.outputs import default_output

sys.path.insert(0, str(Path(__file__).parent.parent / "worlds"))
from disentanglement import measure_factors, response_matrix, scores

COUNT = 10
_LATENTS_STREAM, _REFERENCE_STREAM = 50, 51

COLUMNS = (
    Column("disentanglement", "disentanglement", 3, best=max),
    Column("completeness", "completeness", 3, best=max),
    Column("best purity", "best", 3, best=max),
    Column("seconds", "seconds", 1, spread=False),
    Column("evaluations", "evaluations", 0, spread=False),
)
TITLE = "directions"
# Latents at which the responses are measured, and those that give the factors' standard deviations.
YARDSTICK = {"latents": 256, "reference": 1024}
QUICK_YARDSTICK = {"latents": 8, "reference": 256}


@dataclass(frozen=True)
class Row:
    """One line of the table: a method and its settings; `num` directions are found, of which ten are compared (None: all).

    Methods "rotation" and "mapping" tune the network (samples None: as many as the command takes); its z axes are compared.
    """

    name: str
    method: str
    space: str = "w"
    whiten: bool = False
    num: int | None = None
    samples: int | None = 128
    options: dict[str, Any] = field(default_factory=dict)

    def quick(self) -> Row:
        """The same with next to nothing to do: 8 samples, two steps, ten directions to choose from."""
        options = self.options | ({"steps": 2} if "steps" in self.options else {})
        if self.method == "mapping":
            options = {"steps": 2, "regression_steps": 2, "surrogate_steps": 2, "images": 1200, "frame_samples": 8}
        return replace(self, num=COUNT, samples=8, options=options)


ROWS = (
    Row("z axes, as trained", "axes", "z"),
    Row("w, random", "random"),
    Row("w, SeFa", "sefa"),
    Row("w, GANSpace", "ganspace"),
    Row("w, eigenvectors of the mean Gram matrix", "jacobian-pca"),
    Row("w, Hessian Penalty, 300 steps", "hessian", options={"steps": 300}),
    Row("w, the paper's OroJaR optimisation, 300 steps", "orojar-sgd", options={"steps": 300}),
    Row("w, orojar", "orojar"),
    Row("whitened w, random", "random", whiten=True),
    Row("whitened w, orojar", "orojar", whiten=True),
    Row("z axes after `orojar finetune`", "rotation", "z", samples=None),
    Row("z axes after `orojar finetune --mode mapping`", "mapping", "z", samples=None),
)


def axes(generator: Any, settings: Settings) -> DirectionSet:
    """The axes of z, with their activeness."""
    frame = Frame.of(generator, settings)
    return finished(generator, settings, frame, torch.eye(len(frame.steps), device=generator.device), "axes", by_activeness=False)


def directions_of(generator: Any, row: Row, settings: Settings) -> tuple[DirectionSet, Cost]:
    """The method's ten most active directions (SeFa: its first ten, as everybody uses it), and what finding them cost.

    Measuring the activeness of all the directions found is part of the cost: 144 evaluations each.  A generator to be tuned is.
    """
    with measured(generator) as cost:
        if row.method in tuning.METHODS:
            tuning.tune(generator, row.method, settings.seed, row.samples, row.options)
        found = METHODS[row.method](generator, settings) if row.method in METHODS else axes(generator, settings)
    if row.method != "sefa":
        found = found.select(found.activeness.argsort(descending=True, stable=True))
    return found.select(range(min(COUNT, len(found)))), cost


@torch.no_grad()
def separation(generator: Any, found: DirectionSet, seed: int, yardstick: dict[str, int]) -> dict[str, float]:
    """Disentanglement, completeness and best purity of directions in z or w.

    Steps are one sigma, in plain w two mean standard deviations of w's coordinates.
    """

    def render(points: Tensor) -> Tensor:
        return generator(points) if found.space == "z" else generator.synthesis(points.unsqueeze(1).expand(-1, generator.num_ws, -1))

    draw = Settings(seed=seed)
    points = latent_samples(generator, draw.latents(generator, yardstick["latents"], _LATENTS_STREAM), found.space)
    reference = latent_samples(generator, draw.latents(generator, yardstick["reference"], _REFERENCE_STREAM), found.space)
    deviation = torch.cat([measure_factors(render(part)) for part in reference.split(256)]).std(0)
    plain = found.space == "w" and not found.options["whiten"]
    step = 2 * reference.std(0).mean() if plain else found.sigma
    return scores(response_matrix(render, points, found.directions, step, deviation))


def measure(generator: Any, row: Row, seed: int, yardstick: dict[str, int]) -> dict[str, float]:
    """The three scores, seconds and evaluations of one row; the seed draws what the method and the scores are measured at."""
    outputs = (default_output(generator),)
    settings = Settings(row.space, row.whiten, None, row.num, row.samples or 128, seed, COUNT, outputs, options=row.options)
    if row.method in tuning.METHODS:
        generator = copy.deepcopy(generator)
    found, cost = directions_of(generator, row, settings)
    return separation(generator, found, seed, yardstick) | {"seconds": cost.seconds, "evaluations": cost.evaluations}


def caption(yardstick: dict[str, int]) -> str:
    """What the table's figures are."""
    return f"Scores at {yardstick['latents']} latents; the cost includes measuring how active the directions found are."
