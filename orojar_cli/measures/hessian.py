"""The Hessian Penalty of a direction set, by its authors' estimator."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from orojar_cli.devices import Chunks, on_processor, wide
from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.points import Latents
from orojar_cli.measures.measurement import Measurement
from orojar_cli.measures.settings import MetricSettings, response_of
from orojar_cli.measures.uncertainty import WITHOUT_DIMENSION, draw_is_measured, interval_of
from orojar_cli.progress import Progress
from orojar_cli.response.jacobian import Response
from orojar_cli.response.penalties import rademacher

_STREAM, _PROBE_STREAM = 102, 112
_EPSILON = 0.1
# The authors draw two probes; the variance is unbiased for any number, and steadier for more.
_PROBES = 16
_LATENTS = 64
# Latents at which the value is also measured without each dimension: for ten dimensions as much work as all the rest.
_LEFT_OUT_LATENTS = 80
_SOURCE = "Hessian Penalty (Peebles et al., ECCV 2020), eq. 6"


def hessian(
    generator: Generator, directions: DirectionSet, settings: MetricSettings, progress: Progress | None = None
) -> list[Measurement]:
    """The official estimator of the penalty, mean over pixels, in one sigma along each direction; at most 64 latents.

    Rademacher probes v move all dimensions at once: the unbiased variance over v of (g(u + e v) - 2 g(u) + g(u - e v)) / e^2 at every
    pixel, with e = 0.1.  On smooth generators it is 2 sum_{i != j} H_ij^2; on rectifiers, whose second derivative is in their kinks,
    its value depends on e and on how many dimensions move together, so only numbers of one definition may be compared.
    "hessian_penalty_normalised" is divided by the mean squared gradient sum_i J_i^2 from the same probes, because the penalty is
    smallest where nothing happens.
    """
    chosen = settings.chosen(directions)
    count = len(chosen)
    at = settings.latents(generator, min(settings.samples, _LATENTS), _STREAM)
    steps = (chosen.directions * chosen.sigma.unsqueeze(1)).to(at.z)
    response = response_of(generator, chosen, settings.output)
    signs = rademacher((_PROBES, len(at), count), steps, torch.Generator().manual_seed(settings.seed * 1000 + _PROBE_STREAM))

    def report(stage: str, done: int, total: int) -> None:
        if progress is not None:
            progress(f"Hessian penalty{stage}", done, total)

    values, gradient = probed(response, at, steps, signs, settings.budget, lambda done: report("", done, len(at)))
    ratio = values.mean() / gradient.mean() if gradient.mean() > 0 else 0.0
    influences = ratio + (values - ratio * gradient) / gradient.mean() if gradient.mean() > 0 else np.zeros_like(values)
    few = max(4, _LEFT_OUT_LATENTS // count)
    without: list[tuple[float, float]] = []
    if draw_is_measured(chosen):
        without = _without_each(
            response, at[:few], steps, signs[:, :few], settings.budget, lambda done: report(" without each dimension", done, count)
        )
    # What few latents say of leaving a dimension out is a proportion of what they say with all of them.
    shares = [_ratio(penalty, values[:few].mean()) for penalty, _ in without]
    slopes = [_ratio(squared, gradient[:few].mean()) for _, squared in without]
    made = []
    for name, per_latent, proportions in (
        ("hessian_penalty", values, shares),
        ("hessian_penalty_normalised", influences, list(map(_ratio, shares, slopes))),
    ):
        value = float(per_latent.mean())
        details = {WITHOUT_DIMENSION: [value * proportion for proportion in proportions]} if without else {}
        made.append(
            Measurement(
                metric=name,
                subject=settings.name(directions),
                value=value,
                interval=interval_of(per_latent, details),
                better="lower",
                source=_SOURCE + (", over the mean squared gradient" if name.endswith("normalised") else ""),
                settings=settings.record(len(at), epsilon=_EPSILON, output=str(settings.output), dimensions=count, probes=_PROBES),
                details=details,
                per_latent=per_latent,
            )
        )
    return made


def _ratio(value: float, of: float) -> float:
    return float(value / of) if of > 0 else 0.0


@torch.no_grad()
def probed(
    response: Response, at: Latents, steps: Tensor, signs: Tensor, budget: int | None, callback: Callable[[int], None] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(penalty [N], mean squared gradient [N]), means over pixels, float64; `signs` [k, N, K] are the probes at each of N points."""
    probes = len(signs)
    penalty, gradient = np.empty(len(at)), np.empty(len(at))
    chunks = Chunks(0, len(at), response.at_once(2 * (2 * probes + 1), budget))
    for start, stop in chunks:
        with chunks.fitting():
            chunk = at[start:stop]
            moves = _EPSILON * signs[:, start:stop] @ steps
            displacements = torch.cat([torch.zeros_like(moves[:1]), moves, -moves]).flatten(0, 1)
            (found,) = response(chunk.repeat(2 * probes + 1), displacements)
            images = found.unflatten(0, (2 * probes + 1, len(chunk))).to(wide(found.device))
            origin, ahead, behind = images[0], images[1 : probes + 1], images[probes + 1 :]
            second = ((ahead - 2 * origin + behind) / _EPSILON**2).var(0, correction=1).mean(1)
            first = ((ahead - behind) / (2 * _EPSILON)).square().mean((0, 2))
            penalty[start:stop], gradient[start:stop] = on_processor(torch.stack([second, first])).numpy()
        if callback is not None:
            callback(stop)
    return penalty, gradient


def _without_each(
    response: Response, at: Latents, steps: Tensor, signs: Tensor, budget: int | None, callback: Callable[[int], None]
) -> list[tuple[float, float]]:
    """(penalty, mean squared gradient) with each one of the dimensions held still."""
    count = len(steps)
    found = []
    for left_out in range(count):
        still = signs.clone()
        still[..., left_out] = 0
        penalty, gradient = probed(response, at, steps, still, budget)
        found.append((float(penalty.mean()), float(gradient.mean())))
        if callback is not None:
            callback(left_out + 1)
    return found
