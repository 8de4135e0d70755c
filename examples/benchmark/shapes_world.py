"""How well each method's directions separate the known factors of the shapes world (examples/shapes/disentanglement.py)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from cost import Cost, measured
from torch import Tensor

from orojar_cli.directions import METHODS, DirectionSet, Settings
from orojar_cli.directions.frame import Frame, finished
from orojar_cli.outputs import default_output
from orojar_cli.statistics import latent_samples

sys.path.insert(0, str(Path(__file__).parent.parent / "shapes"))
from disentanglement import measure_factors, response_matrix, scores

COUNT = 10
_LATENTS_STREAM, _REFERENCE_STREAM, _REFERENCE = 50, 51, 1024


@dataclass(frozen=True)
class Row:
    """One line of the table: a method and its settings."""

    name: str
    method: str
    space: str = "w"
    whiten: bool = True
    subspace: int | None = COUNT
    options: dict[str, Any] = field(default_factory=dict)


ROWS = (
    Row("z axes, as trained", "axes", "z"),
    Row("w, random", "random", whiten=False),
    Row("w, SeFa", "sefa", whiten=False),
    Row("w, GANSpace", "ganspace", whiten=False),
    Row("w, jacobian-pca", "jacobian-pca", whiten=False),
    Row("w, hessian", "hessian", whiten=False, options={"steps": 300}),
    Row("w, orojar-sgd", "orojar-sgd", whiten=False, options={"steps": 300}),
    Row("w, orojar, subspace 10", "orojar", whiten=False),
    Row("w, orojar, subspace auto", "orojar", whiten=False, subspace=None),
    Row("whitened w, random", "random"),
    Row("whitened w, jacobian-pca", "jacobian-pca"),
    Row("whitened w, hessian", "hessian", options={"steps": 300}),
    Row("whitened w, orojar-sgd", "orojar-sgd", options={"steps": 300}),
    Row("whitened w, orojar, subspace 10", "orojar"),
    Row("whitened w, orojar, subspace auto", "orojar", subspace=None),
)


def directions_of(generator: Any, row: Row, settings: Settings) -> tuple[DirectionSet, Cost]:
    """The method's ten most active directions (SeFa: its first ten, as everybody uses it), and what finding them cost.

    Measuring the activeness of all the directions found is part of the cost: 144 evaluations each.
    """
    with measured(generator) as cost:
        if row.method == "axes":
            frame = Frame.of(generator, settings)
            found = finished(generator, settings, frame, torch.eye(len(frame.steps)), "axes", by_activeness=False)
        else:
            found = METHODS[row.method](generator, settings)
    if row.method != "sefa":
        found = found.select(found.activeness.argsort(descending=True, stable=True))
    return found.select(range(min(COUNT, len(found)))), cost


@torch.no_grad()
def separation(generator: Any, found: DirectionSet, seed: int, latents: int) -> dict[str, float]:
    """Disentanglement, completeness and best purity of directions in z or w.

    Steps are one sigma, in plain w two mean standard deviations of w's coordinates.
    """

    def render(points: Tensor) -> Tensor:
        return generator(points) if found.space == "z" else generator.synthesis(points.unsqueeze(1).expand(-1, generator.num_ws, -1))

    draw = Settings(seed=seed)
    points = latent_samples(generator, draw.latents(generator, latents, _LATENTS_STREAM), found.space)
    reference = latent_samples(generator, draw.latents(generator, _REFERENCE, _REFERENCE_STREAM), found.space)
    deviation = torch.cat([measure_factors(render(part)) for part in reference.split(256)]).std(0)
    plain = found.space == "w" and not found.options["whiten"]
    step = 2 * reference.std(0).mean() if plain else found.sigma
    return scores(response_matrix(render, points, found.directions, step, deviation))


def measure(
    generator: Any, rows: tuple[Row, ...], seeds: range, *, quick: bool = False, report: Callable[[str], None]
) -> list[dict[str, Any]]:
    """For every row its name and, per seed, the three scores, seconds and evaluations.

    `quick` measures next to nothing, to see that everything runs: 8 latents, 8 samples, two steps, ten directions to choose from.
    """
    num, latents, samples = (COUNT, 8, 8) if quick else (None, 256, 128)
    results = []
    for row in rows:
        options = row.options | ({"steps": 2} if quick and "steps" in row.options else {})
        runs = []
        for seed in seeds:
            outputs = (default_output(generator),)
            settings = Settings(row.space, row.whiten, None, num, samples, seed, row.subspace, outputs, options=options)
            found, cost = directions_of(generator, row, settings)
            runs.append(separation(generator, found, seed, latents) | {"seconds": cost.seconds, "evaluations": cost.evaluations})
        results.append({"name": row.name, "runs": runs})
        report(f"{row.name}: {runs}")
    return results
