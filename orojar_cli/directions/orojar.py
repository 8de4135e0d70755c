"""OroJaR directions in closed form.

The OroJaR loss (Wei et al., ICCV 2021) asks that different dimensions change the image orthogonally.  Among rotations its optimum
is the joint diagonaliser of the sampled Gram matrices.  With fewer directions than dimensions the loss is lowest where nothing
happens, so the active subspace comes first (top eigenvectors of E[M]), then the rotation inside it; the rest keeps its eigenvectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from orojar_cli.diagonaliser import joint_diagonalise, mean_eigenvectors, normalise_by_trace, orojar_loss
from orojar_cli.diagonaliser.criteria import CRITERIA
from orojar_cli.diagonaliser.identifiability import degenerate_groups
from orojar_cli.directions.direction_set import DEGENERATE, DirectionSet
from orojar_cli.directions.frame import Frame, finished
from orojar_cli.directions.method import Method, Option, with_defaults
from orojar_cli.directions.settings import Settings
from orojar_cli.distributed import as_first
from orojar_cli.errors import OptionError
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.points import Latents
from orojar_cli.progress import Progress
from orojar_cli.response.budget import MINUTE, arithmetic
from orojar_cli.response.jacobian import Response, gram_matrices
from orojar_cli.response.subspace import PROBES, Subspace, active_subspace

FIT_STREAM, _STOP_STREAM, _HELD_OUT_STREAM, _SUBSPACE_STREAM = 10, 11, 12, 200
_PILOT = 48
CUSTOMARY_SUBSPACE = 10
_AUTO_SHARE, _AUTO_RANGE = 0.95, (4, 32)
# Exact columns cost half as much again as differences; so much arithmetic is worth that.
_EXACT_COST, _QUICK = 1.5, MINUTE / 4
# Directions that are measured, unless more are asked for.
_MOST = 32
_OPTIONS = {"criterion": Option("orojar", choices=tuple(CRITERIA))}


def orojar(generator: Generator, settings: Settings, progress: Progress | None = None) -> DirectionSet:
    """The joint diagonaliser of the Gram matrices in the active subspace, most active direction first.

    `settings.subspace` is the size of that subspace, None for the smallest (4 to 32) that holds 95 % of the mean trace.  Gradients find
    a larger one, which holds 99 % of what moves the response, and at most 48 samples its principal axes; the rotation is found from
    `settings.samples`; a quarter as many stop the search, and another quarter, which took no part, give the losses before and after
    that the options record.
    Directions that could be turned into each other at no cost share a number in the score `degenerate`.
    Option `criterion`: what the joint diagonaliser minimises.
    """
    frame = Frame.of(generator, settings)
    fit = settings.latents(generator, settings.samples, FIT_STREAM)
    quarter = max(8, settings.samples // 4)
    stop, held = (settings.latents(generator, quarter, stream) for stream in (_STOP_STREAM, _HELD_OUT_STREAM))
    pilot = min(settings.samples, _PILOT)
    wide = moving_subspace(generator, settings, frame, 2 * (settings.subspace or _AUTO_RANGE[1]), progress)
    wide_steps = wide.basis.to(frame.steps) @ frame.steps
    pilot_grams = measured_grams(generator, settings, fit[:pilot], wide_steps, progress, "principal axes")
    basis = mean_eigenvectors(normalise_by_trace(pilot_grams))
    size = _subspace_size(settings, pilot_grams, basis, wide.basis.shape[1])
    inside = basis[:size]
    grams = inside @ pilot_grams @ inside.T
    steps = inside.to(frame.steps) @ wide_steps
    if pilot < settings.samples:
        grams = torch.cat([grams, measured_grams(generator, settings, fit[pilot:], steps, progress, "Gram matrices")])
    stop_grams = measured_grams(generator, settings, stop, steps, progress, "stopping set")
    held_grams = measured_grams(generator, replace(settings, jacobian="exact"), held, steps, progress, "held-out Gram matrices")
    criterion = with_defaults(_OPTIONS, settings.options)["criterion"]
    fit_shares, stop_shares = normalise_by_trace(grams), normalise_by_trace(stop_grams)
    result = joint_diagonalise(fit_shares, held_out=stop_shares, criterion=criterion, device=generator.device)
    rotation = as_first(result.rotation)
    turned = torch.cat([rotation @ inside, basis[size:]])
    coordinates = torch.cat([turned @ wide.basis, wide.complement])
    wanted = len(coordinates) if settings.num is None else max(size, settings.num)
    turned_grams = turned @ normalise_by_trace(pilot_grams) @ turned.T
    groups = degenerate_groups(turned_grams)
    predicted = torch.cat([turned_grams.mean(0).diagonal() * wide.captured, wide.beyond])[:wanted]
    scores = {DEGENERATE: F.pad(groups, (0, len(wide.complement)), value=-1)[:wanted]}
    coordinates = coordinates[:wanted]
    found = finished(
        generator, settings, frame, coordinates, "orojar", by_activeness=True, scores=scores, predicted=predicted, progress=progress
    )
    found.options.update(
        subspace=size,
        captured=wide.captured,
        held_out_loss_before=orojar_loss(held_grams),
        held_out_loss=orojar_loss(held_grams, rotation),
        iterations=result.iterations,
    )
    return found


def moving_subspace(generator: Generator, settings: Settings, frame: Frame, least: int, progress: Progress | None) -> Subspace:
    """The subspace of a frame's coordinates that holds 99 % of what moves the settings' outputs, of as many as asked for."""
    response = Response(generator, settings.space, settings.layers_of(generator), settings.outputs)
    return active_subspace(
        response,
        lambda count, number: settings.latents(generator, count, _SUBSPACE_STREAM + number),
        frame.steps,
        least=max(least, settings.num or 0),
        most=_MOST,
        seed=settings.seed,
        callback=None if progress is None else lambda done: progress("active subspace", done, done),
    )


def _subspace_size(settings: Settings, grams: Tensor, basis: Tensor, dim: int) -> int:
    if settings.subspace is not None:
        # The customary size is no demand: spaces of fewer dimensions are rotated as a whole.
        if not 1 <= settings.subspace <= max(dim, CUSTOMARY_SUBSPACE):
            raise OptionError(f"--subspace {settings.subspace}: this space has {dim} dimensions")
        return min(settings.subspace, len(basis))
    spectrum = (basis @ normalise_by_trace(grams).mean(0) @ basis.T).diagonal()
    share = spectrum.cumsum(0) / spectrum.sum()
    return min(len(basis), max(_AUTO_RANGE[0], min(_AUTO_RANGE[1], int((share < _AUTO_SHARE).sum()) + 1)))


def measured_grams(generator: Generator, settings: Settings, at: Latents, steps: Tensor, progress: Progress | None, stage: str) -> Tensor:
    """M [N, d, d] of the points `at` along `steps` [d, D]; finished parts are kept under the name of the stage."""
    response = Response(generator, settings.space, settings.layers_of(generator), settings.outputs)
    callback = None if progress is None else lambda done: progress(stage, done, len(at))
    exact = len(at) * len(steps) * _EXACT_COST * arithmetic(generator, settings.outputs) <= _QUICK
    method = settings.jacobian or ("exact" if exact else "forward")
    return gram_matrices(response, at, steps, method=method, callback=callback, kept=settings.partial.section(stage))


def _images(generator: Generator, settings: Settings) -> float:
    size = settings.subspace or _AUTO_RANGE[1]
    wide = width(generator, settings, 2 * size)
    pilot, quarter = min(settings.samples, _PILOT), max(8, settings.samples // 4)
    return PROBES + pilot * wide + (settings.samples - pilot + quarter * (1 + _EXACT_COST)) * min(size, wide)


def width(generator: Generator, settings: Settings, least: int) -> int:
    """About how many columns the Jacobians of `moving_subspace` have."""
    return min(generator.z_dim if settings.space == "z" else generator.w_dim, max(least, settings.num or 0))


def minimised(options: Mapping[str, Any]) -> tuple[str, ...]:
    """The metrics that are what OroJaR lowers, in this or another weighting."""
    if options.get("criterion") == "loglik":
        return ("mechanism_contrast",)
    return "orojar_loss", "off_diagonal_share", "orojar_loss_raw"


METHOD = Method("orojar", orojar, _OPTIONS, compared=True, images=_images, counted="samples", minimises=minimised)
