"""What each dimension does to named numbers of the images, and what it may therefore be called."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from orojar_cli.detectors.attributes import Attribute, Attributes
from orojar_cli.devices import Chunks
from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.directions.proposal import Proposal
from orojar_cli.errors import NumericalError
from orojar_cli.generators.protocol import Generator
from orojar_cli.measures.factors import shorter_way
from orojar_cli.measures.settings import MetricSettings, response_of
from orojar_cli.measures.uncertainty import LEVEL
from orojar_cli.progress import Progress

STRENGTHS = (-1.0, 1.0)
LEAST_CORRELATION, LEAST_EFFECT = 0.5, 0.25
"""Of a name: what the whole interval of its correlation lies beyond, and how many standard deviations a sigma moves the attribute."""
# Fewer images in which an attribute has an answer say nothing of it.
_FEWEST = 12
_STREAM = 111
_MOST_ALSO, _BESIDE = 3, 0.5


@dataclass(frozen=True)
class AttributeResponse:
    """Attributes of N images and of the same with each of K dimensions moved: `before` [N, F], `after` [K, S, N, F] at S `strengths` in
    sigmas; NaN where an attribute has no answer.  `attributes` are the F; `by` says what measured."""

    attributes: tuple[Attribute, ...]
    before: np.ndarray
    after: np.ndarray
    strengths: tuple[float, ...]
    by: str

    @property
    def names(self) -> list[str]:
        return [attribute.name for attribute in self.attributes]

    @property
    def changes(self) -> np.ndarray:
        """[K, S, N, F] how far each moved image is from its own beginning; angles go the shorter way round."""
        return self._wrapped(self.after - self.before)

    @property
    def deviations(self) -> np.ndarray:
        """[F] standard deviation of each attribute over the images as they are, of angles the circular one; NaN for none or one that is
        the same everywhere."""
        found = np.full(len(self.attributes), math.nan)
        for index, attribute in enumerate(self.attributes):
            values = self.before[:, index]
            values = values[np.isfinite(values)]
            if len(values) < _FEWEST:
                continue
            if attribute.period is None:
                deviation = float(values.std(ddof=1))
            else:
                length = abs(np.exp(2j * np.pi * values / attribute.period).mean())
                deviation = attribute.period / (2 * np.pi) * math.sqrt(-2 * math.log(max(min(length, 1.0), 1e-9)))
            if deviation > 1e-9 * max(1.0, float(np.abs(values).max())):
                found[index] = deviation
        return found

    def spans(self) -> np.ndarray:
        """[N, K, F] absolute change of each attribute between the least and the largest strength, in its standard deviations."""
        return np.abs(self._wrapped(self.after[:, -1] - self.after[:, 0]) / self.deviations).swapaxes(0, 1)

    def _wrapped(self, difference: np.ndarray) -> np.ndarray:
        for index, attribute in enumerate(self.attributes):
            if attribute.period is not None:
                difference[..., index] = shorter_way(difference[..., index], attribute.period)
        return difference


@torch.no_grad()
def attribute_response(
    generator: Generator,
    directions: DirectionSet,
    attributes: Attributes,
    settings: MetricSettings,
    strengths: tuple[float, ...] = STRENGTHS,
    progress: Progress | None = None,
) -> AttributeResponse:
    """The attributes of `settings.samples` images, and of the same with each dimension at each of `strengths`, in sigmas."""
    at = settings.latents(generator, settings.samples, _STREAM)
    response = response_of(generator, directions)
    unmoved = torch.zeros(directions.directions.shape[1], device="cpu")
    steps = [unmoved, *(directions.displacement(row, strength) for row in range(len(directions)) for strength in strengths)]
    chunks = Chunks(0, len(at), response.at_once(2, settings.budget))
    parts: list[list[Tensor]] = [[] for _ in steps]
    for start, stop in chunks:
        with chunks.fitting():
            chunk, found = at[start:stop], []
            for done, step in enumerate(steps):
                (images,) = response(chunk, step.to(at.z).expand(len(chunk), -1))
                found.append(attributes(images.unflatten(1, generator.image_shape)))
                if progress is not None:
                    progress("attributes", start * len(steps) + (done + 1) * len(chunk), len(at) * len(steps))
        if not chunks.failed:
            for part, numbers in zip(parts, found, strict=True):
                part.append(numbers)
    before, *after = (torch.cat(part).numpy() for part in parts)
    shape = len(directions), len(strengths), *before.shape
    return AttributeResponse(attributes.attributes, before, np.stack(after).reshape(shape), strengths, attributes.name)


@dataclass(frozen=True)
class Correlations:
    """Of K dimensions with F attributes: `value` [K, F] the correlation of the strength with the change, over all images and strengths;
    `low` and `high` [K, F] its interval; `effect` [K, F] how many standard deviations of the attribute over images a sigma moves it, on
    average, with its sign.  NaN where an attribute has no answer often enough, or is the same in all images."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    effect: np.ndarray


def correlations(response: AttributeResponse) -> Correlations:
    """The correlation of every dimension's strength with the change of every attribute, images as the unit of chance.

    Intervals are Fisher's z with the jackknife's standard error over the images, whose strengths belong together, and Student's t; they
    hold at 95 % for all pairs of a dimension and an attribute at once (Bonferroni).  An image counts for a pair where the attribute has an
    answer at every strength.
    """
    changes, deviations = response.changes, response.deviations
    shape = changes.shape[0], changes.shape[3]
    value, low, high, effect = (np.full(shape, math.nan) for _ in range(4))
    strengths = np.array(response.strengths)
    known = np.isfinite(changes).all(1)  # [K, N, F]
    judged = (known.sum(1) >= _FEWEST) & np.isfinite(deviations)
    level = LEVEL / max(1, int(judged.sum()))
    for row, column in zip(*np.nonzero(judged), strict=True):
        change = changes[row][:, known[row, :, column], column].T / deviations[column]  # [n, S]
        count = len(change)
        sums = np.stack([change @ strengths, change.sum(1), (change**2).sum(1)])  # [3, n]
        total = sums.sum(1)
        value[row, column] = _correlation(total, count, strengths)
        effect[row, column] = _slope(total, count, strengths)
        low[row, column], high[row, column] = _interval(
            value[row, column], _correlation(total[:, None] - sums, count - 1, strengths), level
        )
    return Correlations(value, low, high, effect)


def _slope(sums: np.ndarray, count: int, strengths: np.ndarray) -> Any:
    """The slope of changes on strengths: of `sums` over the images of strength times change, of change and of change squared."""
    mean = strengths.mean()
    return (sums[0] - mean * sums[1]) / (count * ((strengths - mean) ** 2).sum())


def _correlation(sums: np.ndarray, count: int, strengths: np.ndarray) -> Any:
    """Pearson's, of changes and strengths; 0 where nothing changes."""
    size = len(strengths)
    variance = sums[2] / (count * size) - (sums[1] / (count * size)) ** 2
    steady = variance <= 1e-18
    return np.where(steady, 0.0, _slope(sums, count, strengths) * strengths.std() / np.sqrt(np.where(steady, 1.0, variance)))


def _interval(value: float, without: np.ndarray, level: float) -> tuple[float, float]:
    """Of a correlation: `without` [n] is it with each image left out."""
    most = 1 - 1e-12
    count, z = len(without), np.arctanh(np.clip(without, -most, most))
    error = math.sqrt((count - 1) * float(z.var()))
    half = float(stats.t.ppf(1 - level / 2, count - 1)) * error
    middle = float(np.arctanh(np.clip(value, -most, most)))
    return math.tanh(middle - half), math.tanh(middle + half)


def proposals(response: AttributeResponse, found: Correlations | None = None) -> list[Proposal | None]:
    """A name for each dimension, or None where nothing is clear.

    An attribute is clear where the whole interval of its correlation lies beyond +-0.5 and a sigma moves it by a quarter of its standard
    deviation or more.  Of the clear ones whose effect is at least half of the dimension's largest the name is the one for which the
    dimension is specific: with the largest product of its effect and of its share in what all the dimensions do to the attribute.
    `also` are the others of at least half of its effect, the largest first, at most three.  Two dimensions may have one name.

    Raises NumericalError where no attribute has an answer in enough images, or none differs between them.
    """
    found = correlations(response) if found is None else found
    if not np.isfinite(found.value).any():
        raise NumericalError(f"none of {len(response.attributes)} attributes ({response.by}) has an answer that differs between the images")
    effect = np.nan_to_num(np.abs(found.effect))
    beyond = np.where(found.value > 0, found.low, -found.high)
    clear = (np.nan_to_num(beyond, nan=-1.0) >= LEAST_CORRELATION) & (effect >= LEAST_EFFECT)
    share = effect / np.maximum(effect.sum(0), 1e-300)
    names, made = response.names, list[Proposal | None]()
    for row in range(len(effect)):
        if not clear[row].any():
            made.append(None)
            continue
        able = clear[row] & (effect[row] >= _BESIDE * effect[row][clear[row]].max())
        best = int(np.where(able, effect[row] * share[row], -1.0).argmax())
        beside = [index for index in np.argsort(-effect[row]) if clear[row, index] and effect[row, index] >= _BESIDE * effect[row, best]]
        also = [(names[index], float(found.value[row, index])) for index in beside if index != best][:_MOST_ALSO]
        interval = float(found.low[row, best]), float(found.high[row, best])
        made.append(
            Proposal(names[best], float(found.value[row, best]), interval, float(found.effect[row, best]), tuple(also), response.by)
        )
    return made
