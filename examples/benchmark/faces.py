"""Held-out OroJaR loss against cost on a face GAN: the joint diagonaliser, the paper's optimiser, SeFa, mean-Gram eigenvectors.

All compare rotations of the whole latent space z by the normalised loss: the off-diagonal share of the Gram matrices' energy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from cost import measured
from torch import Tensor

from orojar_cli.diagonaliser import joint_diagonalise, mean_eigenvectors, normalise_by_trace, orojar_loss
from orojar_cli.directions import Settings
from orojar_cli.directions.optimised import DEFAULTS, descent
from orojar_cli.directions.sefa import style_factors, style_weights
from orojar_cli.jacobian import Response, gram_matrices
from orojar_cli.penalties import orojar_penalty

_FIT_STREAM, _STOP_STREAM, _HELD_OUT_STREAM = 10, 11, 12


def grams(generator: Any, count: int, stream: int) -> Tensor:
    """[count, d, d] Gram matrices of the full image in z, at latents of their own stream."""
    settings = Settings(space="z")
    tangents = torch.eye(generator.z_dim)
    return gram_matrices(Response(generator, "z"), settings.latents(generator, count, stream), tangents)


def diagonalisers(generator: Any, sample_counts: Sequence[int], held_out: Tensor) -> list[dict[str, Any]]:
    """Mean-Gram eigenvectors and joint diagonaliser for several sample counts; a quarter of the diagonaliser's samples stop it."""
    results = []
    for count in sample_counts:
        with measured(generator) as cost:
            rotation = mean_eigenvectors(normalise_by_trace(grams(generator, count, _FIT_STREAM)))
        results.append(_result(f"mean-Gram eigenvectors, {count} samples", held_out, rotation, cost.seconds, cost.evaluations))
        with measured(generator) as cost:
            stop = max(2, count // 4)
            fit = normalise_by_trace(grams(generator, count - stop, _FIT_STREAM))
            found = joint_diagonalise(fit, held_out=normalise_by_trace(grams(generator, stop, _STOP_STREAM)))
        name = f"joint diagonaliser, {count} samples ({stop} of them to stop)"
        results.append(_result(name, held_out, found.rotation, cost.seconds, cost.evaluations))
    return results


def paper(generator: Any, held_out: Tensor, marks: Sequence[int], seconds: float, report: Callable[[str], None]) -> list[dict[str, Any]]:
    """The paper's SGD (k = 2, epsilon 0.1, batch 32, Adam 0.01, Gram-Schmidt) at the steps `marks` and when `seconds` are over."""
    results = []
    dim = generator.z_dim
    with torch.enable_grad():
        path = descent(orojar_penalty, generator, Settings(space="z"), torch.eye(dim), dim, DEFAULTS)
        spent, evaluations, step, rotation = 0.0, 0, 0, next(path)[0]
        while spent < seconds or step < max(marks):
            with measured(generator) as cost:
                rotation, _ = next(path)
            spent, evaluations, step = spent + cost.seconds, evaluations + cost.evaluations, step + 1
            if step in marks or (spent >= seconds and step > max(marks)):
                results.append(_result(f"the paper's SGD, {step} steps", held_out, rotation.double(), spent, evaluations))
                report(str(results[-1]))
    return results


def measure(
    generator: Any,
    *,
    sample_counts: Sequence[int],
    held_out_samples: int,
    marks: Sequence[int],
    seconds: float,
    report: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Rows of name, held-out loss, seconds and evaluations, in no particular order of merit."""
    held_out = grams(generator, held_out_samples, _HELD_OUT_STREAM)
    dim = generator.z_dim
    results = [_result("z axes, as trained", held_out, torch.eye(dim, dtype=torch.float64), 0.0, 0)]
    for normalise in (True, False):
        with measured(generator) as cost:
            rotation, _ = style_factors(style_weights(generator, (0,)), normalise=normalise)
        name = "SeFa" if normalise else "SeFa, rows not normalised"
        results.append(_result(name, held_out, rotation, cost.seconds, cost.evaluations))
    results += diagonalisers(generator, sample_counts, held_out)
    report("\n".join(map(str, results)))
    return results + paper(generator, held_out, marks, seconds, report)


def _result(name: str, held_out: Tensor, rotation: Tensor, seconds: float, evaluations: int) -> dict[str, Any]:
    return {"name": name, "loss": orojar_loss(held_out, rotation), "seconds": seconds, "evaluations": evaluations}
