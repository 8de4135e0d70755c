"""OroJaR directions in closed form.

The OroJaR loss (Wei et al., ICCV 2021) asks that different dimensions change the image orthogonally.  Among rotations its optimum
is the joint diagonaliser of the sampled Gram matrices.  With fewer directions than dimensions the loss is lowest where nothing
happens, so the active subspace comes first (top eigenvectors of E[M]), then the rotation inside it; the rest keeps its eigenvectors.
"""

from __future__ import annotations

import torch
from torch import Tensor

from orojar_cli.diagonaliser import joint_diagonalise, mean_eigenvectors, normalise_by_trace, orojar_loss
from orojar_cli.diagonaliser.criteria import CRITERIA
from orojar_cli.diagonaliser.identifiability import degenerate_groups
from orojar_cli.directions.direction_set import DEGENERATE, DirectionSet
from orojar_cli.directions.frame import Frame, finished
from orojar_cli.directions.method import Method, Option, with_defaults
from orojar_cli.directions.settings import Settings
from orojar_cli.errors import OptionError
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.points import Latents
from orojar_cli.progress import Progress
from orojar_cli.response.jacobian import Response, gram_matrices

FIT_STREAM, _STOP_STREAM, _HELD_OUT_STREAM = 10, 11, 12
_PILOT = 48
CUSTOMARY_SUBSPACE = 10
_AUTO_SHARE, _AUTO_RANGE = 0.95, (4, 32)
_OPTIONS = {"criterion": Option("orojar", choices=tuple(CRITERIA))}


def orojar(generator: Generator, settings: Settings, progress: Progress | None = None) -> DirectionSet:
    """The joint diagonaliser of the Gram matrices in the active subspace, most active direction first.

    `settings.subspace` is the size of that subspace, None for the smallest (4 to 32) that holds 95 % of the mean trace.  The
    subspace is found from at most 48 samples, the rotation from `settings.samples`; a quarter as many stop the search, and another
    quarter, which took no part, give the losses before and after that the options record.
    Directions that could be turned into each other at no cost share a number in the score `degenerate`.
    Option `criterion`: what the joint diagonaliser minimises.
    """
    frame = Frame.of(generator, settings)
    fit = settings.latents(generator, settings.samples, FIT_STREAM)
    quarter = max(8, settings.samples // 4)
    stop, held = (settings.latents(generator, quarter, stream) for stream in (_STOP_STREAM, _HELD_OUT_STREAM))
    pilot = min(settings.samples, _PILOT)
    pilot_grams = measured_grams(generator, settings, fit[:pilot], frame.steps, progress, "active subspace")
    basis = mean_eigenvectors(normalise_by_trace(pilot_grams))
    size = _subspace_size(settings, pilot_grams, basis)
    inside = basis[:size]
    grams = inside @ pilot_grams @ inside.T
    steps = inside.to(frame.steps) @ frame.steps
    if pilot < settings.samples:
        grams = torch.cat([grams, measured_grams(generator, settings, fit[pilot:], steps, progress, "Gram matrices")])
    stop_grams = measured_grams(generator, settings, stop, steps, progress, "stopping set")
    held_grams = measured_grams(generator, settings, held, steps, progress, "held-out Gram matrices")
    criterion = with_defaults(_OPTIONS, settings.options)["criterion"]
    result = joint_diagonalise(normalise_by_trace(grams), held_out=normalise_by_trace(stop_grams), criterion=criterion)
    wanted = len(basis) if settings.num is None else max(size, settings.num)
    coordinates = torch.cat([result.rotation @ inside, basis[size:]])[:wanted]
    turned = coordinates @ normalise_by_trace(pilot_grams) @ coordinates.T
    scores = {DEGENERATE: degenerate_groups(turned)}
    found = finished(generator, settings, frame, coordinates, "orojar", by_activeness=True, scores=scores, progress=progress)
    found.options.update(
        subspace=size,
        held_out_loss_before=orojar_loss(held_grams),
        held_out_loss=orojar_loss(held_grams, result.rotation),
        iterations=result.iterations,
    )
    return found


def _subspace_size(settings: Settings, grams: Tensor, basis: Tensor) -> int:
    dim = len(basis)
    if settings.subspace is not None:
        # The customary size is no demand: spaces of fewer dimensions are rotated as a whole.
        if not 1 <= settings.subspace <= max(dim, CUSTOMARY_SUBSPACE):
            raise OptionError(f"--subspace {settings.subspace}: this space has {dim} dimensions")
        return min(settings.subspace, dim)
    spectrum = (basis @ normalise_by_trace(grams).mean(0) @ basis.T).diagonal()
    share = spectrum.cumsum(0) / spectrum.sum()
    return min(dim, max(_AUTO_RANGE[0], min(_AUTO_RANGE[1], int((share < _AUTO_SHARE).sum()) + 1)))


def measured_grams(generator: Generator, settings: Settings, at: Latents, steps: Tensor, progress: Progress | None, stage: str) -> Tensor:
    """M [N, d, d] of the points `at` along `steps` [d, D]; finished parts are kept under the name of the stage."""
    response = Response(generator, settings.space, settings.layers_of(generator), settings.outputs)
    callback = None if progress is None else lambda done: progress(stage, done, len(at))
    return gram_matrices(response, at, steps, method=settings.jacobian, callback=callback, kept=settings.partial.section(stage))


METHOD = Method("orojar", orojar, _OPTIONS, compared=True)
