"""The Hessian Penalty of a direction set, pair by pair."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from torch import Tensor

from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.points import Latents
from orojar_cli.metrics.bootstrap import WITHOUT_DIMENSION, interval
from orojar_cli.metrics.measurement import Measurement
from orojar_cli.metrics.settings import MetricSettings, response_of
from orojar_cli.progress import Progress
from orojar_cli.response.jacobian import Response

_STREAM = 102
_EPSILON = 0.1
# A pair costs two images per latent; more pairs than ten dimensions have, and more latents, would cost more than all the rest.
_PAIRS, _LATENTS = 45, 64
_SOURCE = "Hessian Penalty (Peebles et al., ECCV 2020), eq. 4-5"


def hessian(
    generator: Generator, directions: DirectionSet, settings: MetricSettings, progress: Progress | None = None
) -> list[Measurement]:
    """The penalty's expectation 2 sum_{i != j} H_ij^2, mean over pixels, in one sigma along each direction.

    H_ij are central mixed differences of step 0.1, the authors' epsilon, of all pairs or of 45 drawn from the seed and scaled up; at most
    64 latents.  "hessian_penalty_normalised" is divided by the mean squared gradient sum_i J_i^2 at the same pixels, because the
    penalty is smallest where nothing happens.
    """
    chosen = settings.chosen(directions)
    count = len(chosen)
    at = settings.latents(generator, min(settings.samples, _LATENTS), _STREAM)
    steps = _EPSILON * (chosen.directions * chosen.sigma.unsqueeze(1)).to(at.z)
    pairs = list(itertools.combinations(range(count), 2))
    if len(pairs) > _PAIRS:
        drawn = np.random.default_rng(settings.seed).choice(len(pairs), _PAIRS, replace=False)
        pairs = [pairs[index] for index in sorted(drawn)]
    squares, gradients = _second_differences(response_of(generator, chosen, settings.output), at, steps, pairs, settings.budget, progress)
    # Every pair stands for its share of all of them, and twice in the sum over i != j.
    weight = 2 * 2 * (count * (count - 1) / 2) / max(1, len(pairs))
    values = weight * squares.sum(0)
    gradient = gradients.sum(0)
    ratio = values.mean() / gradient.mean() if gradient.mean() > 0 else 0.0
    influences = ratio + (values - ratio * gradient) / gradient.mean() if gradient.mean() > 0 else np.zeros_like(values)
    made = []
    for name, per_latent, scales in (
        ("hessian_penalty", values, np.ones(count)),
        ("hessian_penalty_normalised", influences, gradient.mean() - gradients.mean(1)),
    ):
        made.append(
            Measurement(
                metric=name,
                subject=settings.name(directions),
                value=float(per_latent.mean()),
                interval=interval(per_latent, settings.seed),
                better="lower",
                source=_SOURCE + (", over the mean squared gradient" if name.endswith("normalised") else ""),
                settings=settings.record(len(at), epsilon=_EPSILON, output=str(settings.output), dimensions=count, pairs=len(pairs)),
                details=_without_each(squares.mean(1), pairs, count, scales),
                per_latent=per_latent,
            )
        )
    return made


@torch.no_grad()
def _second_differences(
    response: Response, at: Latents, steps: Tensor, pairs: list[tuple[int, int]], budget: int, progress: Progress | None
) -> tuple[np.ndarray, np.ndarray]:
    """(H_ij^2 [pairs, N], J_i^2 [K, N]), means over pixels.

    2 e^2 H_ij = g(i + j) + g(-i - j) - g(i) - g(-i) - g(j) - g(-j) + 2 g, correct to the second order of the step e.
    """
    squares, gradients = torch.empty(len(pairs), len(at), dtype=torch.float64), torch.empty(len(steps), len(at), dtype=torch.float64)
    at_once = max(1, budget // (2 * response.bytes_per_point() * (2 * len(steps) + 1)))

    def images(chunk: Latents, displacements: Tensor) -> Tensor:
        """[M, N, P] with each of M displacements [M, D]."""
        label = None if chunk.label is None else chunk.label.repeat(len(displacements), 1)
        points = Latents(chunk.z.repeat(len(displacements), 1), label, chunk.psi, chunk.cutoff)
        (found,) = response(points, displacements.repeat_interleave(len(chunk), 0))
        return found.unflatten(0, (len(displacements), len(chunk))).cpu().double()

    for start in range(0, len(at), at_once):
        chunk = at[start : start + at_once]
        stop = start + len(chunk)
        alone = images(chunk, torch.cat([torch.zeros_like(steps[:1]), steps, -steps]))
        origin, forward, backward = alone[0], alone[1 : len(steps) + 1], alone[len(steps) + 1 :]
        gradients[:, start:stop] = ((forward - backward) / (2 * _EPSILON)).square().mean(2)
        both = forward + backward
        for index, (first, second) in enumerate(pairs):
            step = steps[first] + steps[second]
            mixed = images(chunk, torch.stack([step, -step])).sum(0)
            squares[index, start:stop] = ((mixed - both[first] - both[second] + 2 * origin) / (2 * _EPSILON**2)).square().mean(1)
        if progress is not None:
            progress("Hessian penalty", stop, len(at))
    return squares.numpy(), gradients.numpy()


def _without_each(squares: np.ndarray, pairs: list[tuple[int, int]], count: int, scales: np.ndarray) -> dict[str, list[float]]:
    """The value without each one of the dimensions, over the given scale, where three or more are left."""
    if count < 4:
        return {}
    values = []
    for left_out in range(count):
        kept = [index for index, pair in enumerate(pairs) if left_out not in pair]
        mean = squares[kept].mean() if kept else 0.0
        values.append(float(2 * (count - 1) * (count - 2) * mean / scales[left_out]) if scales[left_out] > 0 else 0.0)
    return {WITHOUT_DIMENSION: values}
