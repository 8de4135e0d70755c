"""Ground truth: which factor of a world whose factors can be measured does each dimension change?"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from orojar_cli.devices import Chunks, on_processor
from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.errors import OptionError
from orojar_cli.generators.protocol import Generator
from orojar_cli.measures.bootstrap import linearised
from orojar_cli.measures.factor_scores import factor_vae_score, importances, sap
from orojar_cli.measures.measurement import Measurement
from orojar_cli.measures.mutual_information import BINS, gap, latent_codes, modularity, mutual_information
from orojar_cli.measures.settings import MetricSettings, response_of
from orojar_cli.measures.uncertainty import WITHOUT_DIMENSION, draw_is_measured, interval_of
from orojar_cli.measures.worlds import World, known_world
from orojar_cli.progress import Progress

_STREAM, _REFERENCE_STREAM = 108, 109
_DCI = "entropy form of Eastwood & Williams (ICLR 2018) over the response matrix, each row or column weighted by its share"
_BLOCKS = 20
_LASSO = "Eastwood & Williams (ICLR 2018), section 2, by the coefficients of linear models with an L1 penalty"
# The scores of codes: metric -> source, in the order they are told.
_SOURCES = {
    "mig": "mutual information gap (Chen et al., NeurIPS 2018), eq. 6, in 20 bins of equal counts where the authors take equal widths",
    "mig_equal_width": "mutual information gap (Chen et al., NeurIPS 2018), eq. 6, in 20 bins of equal width as the authors take it",
    "modularity": "Ridgeway & Mozer (NeurIPS 2018), of the mutual information in 20 bins of equal counts",
    "sap": "separated attribute predictability (Kumar et al., ICLR 2018), section 3",
    "factor_vae": "Kim & Mnih (ICML 2018), section 4, of images whose factor lies in the same of 20 bins of equal counts",
    "dci_disentanglement": _LASSO,
    "dci_completeness": _LASSO,
    "dci_informativeness": "Eastwood & Williams (ICLR 2018), section 2: R^2 of linear models with an L1 penalty, on images held out",
}


def ground_truth(
    generator: Generator, directions: DirectionSet, settings: MetricSettings, progress: Progress | None = None
) -> list[Measurement]:
    """Disentanglement, completeness, best purity and the field's scores of the dimensions; an empty list where the world is not known.

    R [dimensions, factors] is the mean change of each factor between -1 and +1 sigma of each dimension, absolute and in standard
    deviations of the factor over generated images.  "disentanglement" and "completeness" are 1 minus the entropy of R's rows and columns,
    each weighted by its sum, as the original weighs them by their share of all importance; "best_purity" is the mean over factors of the
    largest share it has of any one dimension's response.  All others are of codes, the latents' coordinates along the dimensions, and the
    measured factors, over `settings.images` images drawn as usual: "mig" and "mig_equal_width" (20 bins of equal counts; of equal width as
    the authors take them), "modularity", "sap", "factor_vae", and "dci_disentanglement", "dci_completeness" and "dci_informativeness",
    which see importance in a linear model (`factor_scores`).
    Raises OptionError for an unknown world, or images without colours where the world has them.
    """
    world = known_world(directions.checkpoint, settings.world)
    if world is None:
        return []
    if generator.img_channels < world.channels:
        raise OptionError(f"the factors of the {world.name} world can be measured in colour images only")
    chosen = settings.chosen(directions)
    codes, factors = _reference(generator, chosen, settings, world)
    responses = _responses(generator, chosen, settings, world, world.deviations(factors), progress)
    subject = settings.name(directions)
    matrix = responses.mean(0)
    about: dict[str, Any] = {"world": world.name, "dimensions": len(chosen)}
    record = settings.record(len(responses), **about, factors=world.factor_names)
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
                details={"response": matrix.tolist(), "factors": world.factor_names, **without},
                per_latent=per_latent,
            )
        )
    record = settings.record(len(codes), **about, bins=BINS, blocks=_BLOCKS)
    return [*made, *_of_codes(codes, factors.numpy(), world, subject, record, draw_is_measured(chosen))]


def _of_rows(score: Callable[[np.ndarray], float], responses: np.ndarray, rows: np.ndarray) -> float:
    """The score of the mean response at some of the latents."""
    return score(responses[rows].mean(0))


def _of_codes(codes: np.ndarray, factors: np.ndarray, world: World, subject: str, record: dict[str, Any], drawn: bool) -> list[Measurement]:
    """The scores of codes [N, K] and factors [N, F]; `drawn`: of dimensions whose draw is a part of the variance."""
    everything = np.arange(len(codes))
    values = scores(codes, factors, world, everything)
    # The scores are costly, so the jackknife leaves out blocks of latents instead of single ones.
    left_out = [scores(codes, factors, world, np.setdiff1d(everything, block)) for block in np.array_split(everything, _BLOCKS)]
    without = [scores(np.delete(codes, index, 1), factors, world, everything) for index in range(codes.shape[1])] if drawn else []
    table, entropies = mutual_information(codes, factors)
    importance, explained = importances(codes, factors, world.factors)
    beside: dict[str, dict[str, Any]] = {
        "mig": {"mutual_information": table.tolist(), "entropies": entropies.tolist()},
        "dci_disentanglement": {"importance": importance.tolist(), "explained": explained.tolist()},
    }
    made = []
    for name, source in _SOURCES.items():
        jackknife = np.array([found[name] for found in left_out])
        per_block = values[name] + (_BLOCKS - 1) * (jackknife.mean() - jackknife)
        details = {**beside.get(name, {}), "factors": world.factor_names}
        details |= {WITHOUT_DIMENSION: [found[name] for found in without]} if without else {}
        made.append(Measurement(name, subject, values[name], interval_of(per_block, details), "higher", source, record, details, per_block))
    return made


def scores(codes: np.ndarray, factors: np.ndarray, world: World, rows: np.ndarray) -> dict[str, float]:
    """The scores of codes [N, K] and factors [N, F] at some of the images."""
    some, seen = codes[rows], factors[rows]
    equal_counts, equal_width = (mutual_information(some, seen, width) for width in (False, True))
    importance, explained = importances(codes, factors, world.factors, rows)
    return {
        "mig": gap(*equal_counts),
        "mig_equal_width": gap(*equal_width),
        "modularity": modularity(equal_counts[0]),
        "sap": sap(some, seen, world.factors),
        "factor_vae": factor_vae_score(codes, factors, world.factors, rows),
        "dci_disentanglement": disentanglement(importance),
        "dci_completeness": completeness(importance),
        "dci_informativeness": float(explained.mean()),
    }


@torch.no_grad()
def _reference(generator: Generator, directions: DirectionSet, settings: MetricSettings, world: World) -> tuple[np.ndarray, Tensor]:
    """(the latents' coordinates along the dimensions [N, K], the factors [N, F] of their images, float64)."""
    at = settings.latents(generator, settings.images, _REFERENCE_STREAM)
    found = []
    chunks = Chunks(0, len(at), 250)
    for start, stop in chunks:
        with chunks.fitting():
            chunk = at[start:stop]
            found.append(world.measure(generator.synthesis(generator.mapping(chunk.z, chunk.label, chunk.psi, chunk.cutoff))))
    return latent_codes(generator, at, directions), on_processor(torch.cat(found))


@torch.no_grad()
def _responses(
    generator: Generator,
    directions: DirectionSet,
    settings: MetricSettings,
    world: World,
    deviations: Tensor,
    progress: Progress | None,
) -> np.ndarray:
    """[N, K, F] absolute changes of the factors between -1 and +1 sigma, in their deviations."""
    deviations = torch.where(deviations > 0, deviations, 1)  # what never varies does not change
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
                parts.append(world.changes(*map(world.measure, ends)))
        columns.append((on_processor(torch.cat(parts)) / deviations).abs())
        if progress is not None:
            progress("ground truth", index + 1, len(directions))
    return torch.stack(columns, 1).numpy()


def disentanglement(response: np.ndarray) -> float:
    """R [K, F] -> 1 where every dimension changes one factor only, 0 where all change everything; rows weighted by their sums."""
    return _concentration(response)


def completeness(response: np.ndarray) -> float:
    """R [K, F] -> 1 where every factor is changed by one dimension only; columns weighted by their sums; 1 for a single dimension."""
    return _concentration(response.T)


def best_purity(response: np.ndarray) -> float:
    """R [K, F] -> the mean over factors of the largest share that a factor has of any one dimension's response."""
    return float(_shares(response).max(0).mean())


def _concentration(matrix: np.ndarray) -> float:
    """1 minus the entropy of the rows, over that of equal shares, weighted by the rows' sums; 1 for rows of one number."""
    if matrix.shape[1] < 2:
        return 1.0
    shares, sums = _shares(matrix), matrix.sum(1)
    entropy = -(shares * np.log(shares + 1e-12)).sum(1) / math.log(matrix.shape[1])
    return float(((1 - entropy) * sums).sum() / sums.sum()) if sums.sum() > 0 else 0.0


def _shares(matrix: np.ndarray) -> np.ndarray:
    """Each row over its sum; rows of nothing stay so."""
    sums = matrix.sum(1, keepdims=True)
    return np.divide(matrix, sums, out=np.zeros_like(matrix), where=sums > 0)


def _without_each(score: Callable[[np.ndarray], float], matrix: np.ndarray) -> dict[str, list[float]]:
    return {WITHOUT_DIMENSION: [score(np.delete(matrix, index, 0)) for index in range(len(matrix))]}
