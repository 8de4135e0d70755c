"""How purely each method's directions move what can be measured in the pictures of a face GAN (orojar_cli/detectors/attributes.py)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from cost import Cost, measured
from rendering import Column
from shapes_world import axes

from orojar_cli.detectors.attributes import ImageAttributes
from orojar_cli.directions import METHODS, DirectionSet, Settings
from orojar_cli.directions.frame import Frame, finished
from orojar_cli.measures import MetricSettings
from orojar_cli.measures.attribute_response import attribute_response, proposals
from orojar_cli.measures.ground_truth import best_purity, completeness, disentanglement
from orojar_cli.response.outputs import default_output

COUNT = 10
# Of the image attributes those that say most and overlap least: between images of the face GAN no two of them correlate beyond +-0.53.
CHOSEN = (
    "brightness",
    "contrast",
    "light from the right",
    "light from above",
    "middle against border",
    "sharpness",
    "warmth",
    "skin to the right",
)
_FIT_STREAM = 60

COLUMNS = (
    Column("disentanglement", "disentanglement", 3, best=max),
    Column("completeness", "completeness", 3, best=max),
    Column("best purity", "best", 3, best=max),
    Column("attributes named", "named", 1, best=max),
    Column("seconds", "seconds", 1, spread=False),
    Column("evaluations", "evaluations", 0, spread=False),
)
TITLE = "directions"
YARDSTICK = {"latents": 200}
QUICK_YARDSTICK = {"latents": 16}


@dataclass(frozen=True)
class Row:
    """One line of the table: a method and its settings; of `num` directions found the ten most active are compared (SeFa: its first).

    "regression" is told what to look for: it fits every attribute to z over `samples` images.
    """

    name: str
    method: str
    space: str = "z"
    num: int | None = None
    samples: int = 128
    subspace: int | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def quick(self) -> Row:
        """The same with next to nothing to do."""
        options = {"num_samples": 200, "activation": "b4"} if self.method == "ganspace" else self.options
        return replace(self, num=COUNT, samples=200 if self.method == "regression" else 8, options=options)


ROWS = (
    Row("z axes, as trained", "axes"),
    Row("random", "random"),
    Row("SeFa", "sefa", "w"),
    Row("GANSpace, of the first layer's features", "ganspace", "w", options={"activation": "b4"}),
    Row("eigenvectors of the mean Gram matrix", "jacobian-pca"),
    Row("orojar", "orojar", subspace=COUNT),
    Row("orojar, in 32 dimensions", "orojar", subspace=32),
    Row("fitted to the attributes in 10,000 images (eight)", "regression", samples=10_000),
)


@torch.no_grad()
def regression(generator: Any, settings: Settings) -> DirectionSet:
    """The gradient of each attribute's best linear fit to z."""
    at = settings.latents(generator, settings.samples, _FIT_STREAM)
    numbers = torch.cat([ImageAttributes(CHOSEN)(generator(part)) for part in at.z.split(250)])
    known = numbers.isfinite().all(1)
    z, wanted = at.z[known].double(), numbers[known]
    fit = torch.linalg.lstsq(z - z.mean(0), wanted - wanted.mean(0)).solution.T
    frame = Frame.of(generator, settings)
    return finished(generator, settings, frame, fit / fit.norm(dim=1, keepdim=True), "regression", by_activeness=False, keep_signs=True)


def directions_of(generator: Any, row: Row, seed: int) -> tuple[DirectionSet, Cost]:
    """The directions compared, and what finding them cost; measuring how active they are is part of it."""
    settings = Settings(row.space, False, None, row.num, row.samples, seed, row.subspace, (default_output(generator),), options=row.options)
    own = {"axes": axes, "regression": regression}
    with measured(generator) as cost:
        found = own[row.method](generator, settings) if row.method in own else METHODS[row.method](generator, settings)
    if row.method not in ("sefa", "ganspace", "regression"):
        found = found.select(found.activeness.argsort(descending=True, stable=True))
    return found.select(range(min(COUNT, len(found)))), cost


def mean_spans(spans: np.ndarray) -> np.ndarray:
    """[K, F] mean over the images in `spans` [N, K, F] that an attribute has an answer in; one that never has any is moved by nothing."""
    known = np.isfinite(spans)
    return np.where(known, spans, 0.0).sum(0) / known.sum(0).clip(1)


def measure(generator: Any, row: Row, seed: int, yardstick: dict[str, int]) -> dict[str, float]:
    """The scores of one row, in how many different attributes' names its directions get, seconds and evaluations."""
    found, cost = directions_of(generator, row, seed)
    response = attribute_response(generator, found, ImageAttributes(CHOSEN), MetricSettings(samples=yardstick["latents"], seed=seed))
    matrix = mean_spans(response.spans())
    named = {proposal.attribute for proposal in proposals(response) if proposal is not None}
    scores = {"disentanglement": disentanglement(matrix), "completeness": completeness(matrix), "best": best_purity(matrix)}
    return scores | {"named": len(named)} | asdict(cost)


def caption(yardstick: dict[str, int]) -> str:
    """What the table's figures are."""
    return (
        f"At {yardstick['latents']} latents, moved from -1 to +1 sigma; the attributes are {', '.join(CHOSEN[:-1])} and {CHOSEN[-1]}. "
        "Named: how many of them are the name of a direction (docs/label.md)."
    )
