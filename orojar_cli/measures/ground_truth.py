"""Ground truth: which factor of a world whose factors can be measured does each dimension change?"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from orojar_cli.containers.file import CheckpointFile
from orojar_cli.demonstration import demonstration
from orojar_cli.devices import Chunks, on_processor
from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.errors import InputFileError, OptionError
from orojar_cli.generators.protocol import Generator
from orojar_cli.measures.bootstrap import linearised
from orojar_cli.measures.measurement import Measurement
from orojar_cli.measures.mutual_information import gap, latent_codes, mutual_information
from orojar_cli.measures.settings import MetricSettings, response_of
from orojar_cli.measures.shapes_factors import FACTORS, changes, measure_factors
from orojar_cli.measures.uncertainty import WITHOUT_DIMENSION, draw_is_measured, interval_of
from orojar_cli.progress import Progress

WORLDS = ("shapes",)
_STREAM, _REFERENCE_STREAM = 108, 109
_DCI = "entropy form of Eastwood & Williams (ICLR 2018) over the response matrix, each row or column weighted by its share"


@functools.cache
def bundled_sha256() -> str | None:
    """SHA-256 of the bundled network, None where it is not installed."""
    try:
        with CheckpointFile(demonstration()[0]) as file:
            return file.sha256()
    except InputFileError:
        return None


def is_known_world(directions: DirectionSet, settings: MetricSettings) -> bool:
    """Whether the factors can be measured: the world is named, or the network is the bundled one.  Raises OptionError for another name."""
    if settings.world is not None and settings.world not in WORLDS:
        raise OptionError(f"unknown world {settings.world!r}; choose one of {', '.join(WORLDS)}")
    return settings.world is not None or (directions.checkpoint != "" and directions.checkpoint == bundled_sha256())


def ground_truth(
    generator: Generator, directions: DirectionSet, settings: MetricSettings, progress: Progress | None = None
) -> list[Measurement]:
    """Disentanglement, completeness, best purity and MIG of the dimensions; an empty list where the world is not known.

    R [dimensions, factors] is the mean absolute change of each factor between -1 and +1 sigma of each dimension, in standard deviations
    of the factor over generated images.  "disentanglement" and "completeness" are 1 minus the entropy of R's rows and columns, each
    weighted by its sum, as the original weighs them by their share of all importance; "best_purity" is the mean over factors of the
    largest share it has of any one dimension's response; "mig" is of the latents' coordinates along the dimensions and the measured
    factors, both in 20 bins of equal counts (the authors take 20 of equal width), over `settings.images` images drawn as usual.
    Raises OptionError for an unknown world, or images without colours.
    """
    if not is_known_world(directions, settings):
        return []
    if generator.img_channels < 3:
        raise OptionError("the factors of the shapes world can be measured in colour images only")
    chosen = settings.chosen(directions)
    codes, factors = _reference(generator, chosen, settings)
    responses = _responses(generator, chosen, settings, factors.std(0), progress)
    subject = settings.name(directions)
    matrix = responses.mean(0)
    record = settings.record(len(responses), world="shapes", dimensions=len(chosen), factors=list(FACTORS))
    made = []
    for name, score in (("disentanglement", disentanglement), ("completeness", completeness), ("best_purity", best_purity)):
        value, per_latent = linearised(functools.partial(_of_rows, score, responses), len(responses))
        without = _without_each(score, matrix) if draw_is_measured(chosen) else {}
        made.append(
            Measurement(
                metric=name,
                subject=subject,
                value=value,
                interval=interval_of(per_latent, without),
                better="higher",
                source=_DCI if name != "best_purity" else "largest share of a factor in a row of the response matrix, mean over factors",
                settings=record,
                details={"response": matrix.tolist(), "factors": list(FACTORS), **without},
                per_latent=per_latent,
            )
        )
    return [*made, _mig(codes, factors.numpy(), subject, settings, draw_is_measured(chosen))]


def _of_rows(score: Callable[[np.ndarray], float], responses: np.ndarray, rows: np.ndarray) -> float:
    """The score of the mean response at some of the latents."""
    return score(responses[rows].mean(0))


def _mig(codes: np.ndarray, factors: np.ndarray, subject: str, settings: MetricSettings, drawn: bool) -> Measurement:
    table, entropies = mutual_information(codes, factors)
    blocks = np.array_split(np.arange(len(codes)), 20)

    def without(block: int) -> float:
        kept = np.concatenate([rows for index, rows in enumerate(blocks) if index != block])
        return gap(*mutual_information(codes[kept], factors[kept]))

    # Entropies are costly, so the jackknife leaves out blocks of latents instead of single ones.
    value = gap(table, entropies)
    left_out = np.array([without(block) for block in range(len(blocks))])
    per_block = value + (len(blocks) - 1) * (left_out.mean() - left_out)
    count = codes.shape[1]
    details: dict[str, Any] = {
        "mutual_information": table.tolist(),
        "entropies": entropies.tolist(),
        "factors": list(FACTORS),
    }
    if drawn:
        details[WITHOUT_DIMENSION] = [gap(np.delete(table, index, 0), entropies) for index in range(count)]
    return Measurement(
        metric="mig",
        subject=subject,
        value=value,
        interval=interval_of(per_block, details),
        better="higher",
        source="mutual information gap (Chen et al., NeurIPS 2018), eq. 6, in 20 bins of equal counts where the authors take equal widths",
        settings=settings.record(len(codes), world="shapes", dimensions=count, bins=20, blocks=len(blocks)),
        details=details,
        per_latent=per_block,
    )


@torch.no_grad()
def _reference(generator: Generator, directions: DirectionSet, settings: MetricSettings) -> tuple[np.ndarray, Tensor]:
    """(the latents' coordinates along the dimensions [N, K], the factors [N, 5] of their images, float64)."""
    at = settings.latents(generator, settings.images, _REFERENCE_STREAM)
    found = []
    chunks = Chunks(0, len(at), 250)
    for start, stop in chunks:
        with chunks.fitting():
            chunk = at[start:stop]
            found.append(measure_factors(generator.synthesis(generator.mapping(chunk.z, chunk.label, chunk.psi, chunk.cutoff))))
    return latent_codes(generator, at, directions), on_processor(torch.cat(found))


@torch.no_grad()
def _responses(
    generator: Generator, directions: DirectionSet, settings: MetricSettings, deviations: Tensor, progress: Progress | None
) -> np.ndarray:
    """[N, K, 5] absolute changes of the factors between -1 and +1 sigma, in their deviations."""
    at = settings.latents(generator, settings.samples, _STREAM)
    response = response_of(generator, directions)
    at_once = response.at_once(4, settings.budget)
    columns = []
    steps = torch.stack([directions.displacement(index, 1.0) for index in range(len(directions))]).to(at.z)
    for index, step in enumerate(steps):
        parts = []
        chunks = Chunks(0, len(at), at_once)
        for start, stop in chunks:
            with chunks.fitting():
                chunk = at[start:stop]
                ends = (response(chunk, (side * step).expand(len(chunk), -1))[0] for side in (1, -1))
                ends = (images.unflatten(1, generator.image_shape) for images in ends)
                parts.append(changes(*map(measure_factors, ends)))
        columns.append((on_processor(torch.cat(parts)) / deviations).abs())
        if progress is not None:
            progress("ground truth", index + 1, len(directions))
    return torch.stack(columns, 1).numpy()


def disentanglement(response: np.ndarray) -> float:
    """R [K, F] -> 1 where every dimension changes one factor only, 0 where all change everything; rows weighted by their sums."""
    rows = response / response.sum(1, keepdims=True)
    entropy = -(rows * np.log(rows + 1e-12)).sum(1) / math.log(response.shape[1])
    return float(((1 - entropy) * response.sum(1)).sum() / response.sum())


def completeness(response: np.ndarray) -> float:
    """R [K, F] -> 1 where every factor is changed by one dimension only; columns weighted by their sums; 1 for a single dimension."""
    if len(response) < 2:
        return 1.0
    columns = response / response.sum(0, keepdims=True)
    entropy = -(columns * np.log(columns + 1e-12)).sum(0) / math.log(len(response))
    return float(((1 - entropy) * response.sum(0)).sum() / response.sum())


def best_purity(response: np.ndarray) -> float:
    """R [K, F] -> the mean over factors of the largest share that a factor has of any one dimension's response."""
    return float((response / response.sum(1, keepdims=True)).max(0).mean())


def _without_each(score: Callable[[np.ndarray], float], matrix: np.ndarray) -> dict[str, list[float]]:
    return {WITHOUT_DIMENSION: [score(np.delete(matrix, index, 0)) for index in range(len(matrix))]}
