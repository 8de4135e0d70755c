"""Exact fine-tuning: the rotation of z that minimises the OroJaR loss, folded into the first mapping layer.

If z ~ N(0, I), so is Q^T z for orthogonal Q, and StyleGAN's input normalisation commutes with Q: the images' distribution does not
change at all, only which image each z means.  The best rotation is the joint diagonaliser of the Gram matrices {M(z_n)}.
Where weights read parts of z that do not overlap (BigGAN's chunks), only rotations inside each part can be folded into them; what
stands between two parts of a Gram matrix keeps its norm under these, so each part has its own joint diagonaliser.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from orojar_cli.devices import on_processor
from orojar_cli.diagonaliser import FactoredGrams, joint_diagonalise, normalise_by_trace, orojar_loss
from orojar_cli.diagonaliser.grams import mean_matrix, traces
from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.directions.frame import Frame
from orojar_cli.directions.settings import Settings
from orojar_cli.distributed import as_first
from orojar_cli.errors import OptionError
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.points import Latents
from orojar_cli.progress import Progress
from orojar_cli.response.activeness import leading_activeness
from orojar_cli.response.budget import affordable, arithmetic, fitting
from orojar_cli.response.jacobian import Response
from orojar_cli.response.outputs import Output, moved_output
from orojar_cli.response.pullback import Pullback, is_mapped
from orojar_cli.response.subspace import Subspace, active_subspace

_FIT_STREAM, _STOP_STREAM, _HELD_OUT_STREAM, _ACTIVENESS_STREAM, _ESTIMATE_STREAM, _SUBSPACE_STREAM = 30, 31, 32, 33, 34, 200
ACTIVENESS_SAMPLES = 24
# At which the activeness of axes too many to be measured is estimated.
_ESTIMATE_SAMPLES = 16
# Share of the squared gradients that the active subspace of a rotation holds.
CAPTURED = 0.99
# Arithmetic of one default run, about a minute and a half on a core that does 200 GFLOP/s; larger networks get fewer samples.
_DEFAULT_MULTIPLICATIONS = 1.6e13
_SAMPLE_RANGE = (32, 2048)
# Forward differences along a column for the fit and an eighth as many for stopping, exact ones of a fifth in twice the subspace.
_COLUMNS_PER_SAMPLE = 1 + 1 / 8 + 2 * 1.5 / 5


@dataclass(frozen=True)
class Rotation:
    """The result: `matrix` [z_dim, z_dim], row i the old z that the new axis i means, most active first (in each part of z).

    `loss_before` and `loss_after` are normalised OroJaR losses (E sum_{i != j} M_ij^2 / E (tr M)^2) at `held_out` latents that took
    no part in finding or stopping the rotation; `share_*` their per-sample form E [sum_{i != j} M_ij^2 / (tr M)^2].  The Jacobians were
    measured along `subspace` directions, which hold the share `captured` of the squared gradients.  `before` [z_dim] are the mean squared
    changes along the old axes, to first order.
    """

    matrix: Tensor
    activeness: Tensor
    loss_before: float
    loss_after: float
    share_before: float
    share_after: float
    samples: int
    held_out: int
    iterations: int
    outputs: tuple[str, ...]
    subspace: int
    captured: float
    before: Tensor

    @property
    def reduction(self) -> float:
        """Share of the held-out loss that is gone; 0 where there was none."""
        return 1 - self.loss_after / self.loss_before if self.loss_before else 0.0

    def to_dict(self) -> dict[str, Any]:
        """The numbers, JSON-serialisable."""
        losses = ("loss_before", "loss_after", "share_before", "share_after", "reduction")
        names = (*losses, "samples", "held_out", "iterations", "subspace", "captured")
        return {name: getattr(self, name) for name in names} | {"outputs": list(self.outputs)}


def fitting_samples(seconds: float, each: float, columns: int) -> int:
    """How many latents fit so many seconds, of which an image takes `each`, with Jacobians of so many columns: from 32 to 16,384."""
    return fitting(seconds, lambda samples: images_of(samples, columns), each, _SAMPLE_RANGE[0], 8 * _SAMPLE_RANGE[1])


def default_samples(generator: Generator, outputs: tuple[Output, ...], columns: int) -> int:
    """How many latents fit the arithmetic of a default run, with Jacobians of so many columns: from 32 to 2048."""
    least, most = _SAMPLE_RANGE
    return affordable(images_of(1, columns) * arithmetic(generator, outputs), most, least, _DEFAULT_MULTIPLICATIONS)


def images_of(samples: int, columns: int) -> float:
    """What finding a rotation at so many latents along so many columns costs, in images."""
    return _COLUMNS_PER_SAMPLE * samples * columns


def _most_columns(generator: Generator, outputs: tuple[Output, ...]) -> int:
    """Columns for which the arithmetic of a default run has the fewest samples, at least 16."""
    each = images_of(_SAMPLE_RANGE[0], 1) * arithmetic(generator, outputs)
    return affordable(each, generator.z_dim, 16, _DEFAULT_MULTIPLICATIONS)


def z_pullback(
    generator: Generator, settings: Settings, *, stream: int = _SUBSPACE_STREAM, progress: Progress | None = None
) -> tuple[Pullback, Pullback]:
    """How z moves the outputs of `settings`, through the active subspace of w (of z, without a mapping): (the directions that hold the
    share CAPTURED, and twice as many, for numbers that are reported).

    `stream` separates the latents it is found at.  Where they would cost more than a default run, fewer are taken.
    """
    space = "w" if is_mapped(generator) else "z"
    frame = Frame.of(generator, replace(settings, space=space, whiten=True, layers=None))
    response = Response(generator, space, outputs=settings.outputs)

    def draw(count: int, number: int) -> Latents:
        return settings.latents(generator, count, stream + number)

    callback = None if progress is None else lambda done: progress("active subspace", done, done)
    most = _most_columns(generator, settings.outputs)
    found = active_subspace(response, draw, frame.steps, captured=CAPTURED, most=most, seed=settings.seed, callback=callback)
    if len(found) >= generator.z_dim and space == "w":
        # As many columns as z has axes are better spent on these.
        found = Subspace.whole(generator.z_dim)
        frame = Frame.of(generator, replace(settings, space="z", layers=None))
        response = Response(generator, "z", outputs=settings.outputs)
    return Pullback.of(response, frame.steps, found), Pullback.of(response, frame.steps, found, 2 * len(found))


def find_rotation(
    generator: Generator,
    settings: Settings,
    progress: Progress | None = None,
    pullbacks: tuple[Pullback, Pullback] | None = None,
) -> Rotation:
    """The rotation of z with the lowest OroJaR loss.

    Gram matrices at `settings.samples` latents are measured by forward differences in the active subspace (`z_pullback`) and diagonalised
    jointly, every one divided by the square root of its trace (halfway between the loss's own weights, which a few latents dominate, and
    equal ones: measured to generalise best); an eighth as many stop the search, and a fifth as many, with exact Jacobians in twice the
    subspace, give the losses reported.  What `settings.partial` holds of an interrupted search is not measured again.
    """
    if settings.space != "z":
        raise OptionError("exact fine-tuning rotates z; leave out --space")
    inside, twice = pullbacks or z_pullback(generator, settings, progress=progress)

    def factors(stage: str, count: int, stream: int, method: str, pullback: Pullback) -> FactoredGrams:
        at = settings.latents(generator, count, stream)
        callback = None if progress is None else lambda done: progress(stage, done, count)
        return FactoredGrams(pullback.factors(at, method=method, callback=callback, kept=settings.partial.section(f"z {stage}")))

    held_out_count = max(16, settings.samples // 5)
    measured = factors("Gram matrices", settings.samples, _FIT_STREAM, "forward", inside)
    fit = _tempered(measured)
    stop = _tempered(factors("stopping set", max(8, settings.samples // 8), _STOP_STREAM, "forward", inside))
    callback = None if progress is None else lambda done, *_: progress("diagonalising", min(done, 199), 200)
    found, iterations = torch.eye(generator.z_dim, dtype=torch.float64), 0
    for part in map(_slice, z_parts(generator)):
        rows = torch.eye(generator.z_dim, dtype=torch.float64)[part]
        if bool((fit.factors[:, :, part] != 0).any()):
            result = joint_diagonalise(fit.along(rows), held_out=stop.along(rows), callback=callback, device=generator.device)
            # Processes may have devices of several kinds, which round otherwise.
            found[part, part] = as_first(result.rotation)
            iterations += result.iterations
    held_out = factors("held-out loss", held_out_count, _HELD_OUT_STREAM, "exact", twice)
    active = axis_activeness(generator, settings, found, progress, pullback=inside)
    order = torch.cat([part.start + active[_slice(part)].argsort(descending=True, stable=True) for part in z_parts(generator)])
    shares = normalise_by_trace(held_out)
    return Rotation(
        matrix=found[order],
        activeness=active[order],
        loss_before=orojar_loss(held_out),
        loss_after=orojar_loss(held_out, found),
        share_before=orojar_loss(shares),
        share_after=orojar_loss(shares, found),
        samples=settings.samples,
        held_out=held_out_count,
        iterations=iterations,
        outputs=tuple(map(str, settings.outputs)),
        subspace=len(inside),
        captured=inside.captured,
        before=mean_matrix(measured).diagonal().clone(),
    )


def default_rotation(generator: Generator, settings: Settings, progress: Progress | None = None) -> Rotation:
    """`find_rotation` at as many latents as a default run affords, whatever `settings.samples` is."""
    pullbacks = z_pullback(generator, settings, progress=progress)
    samples = default_samples(generator, settings.outputs, len(pullbacks[0]))
    return find_rotation(generator, replace(settings, samples=samples), progress, pullbacks)


def z_parts(generator: Generator) -> list[range]:
    """The coordinates of z that can be rotated among each other, in order: all of them, or those of each part that is read alone."""
    return list(getattr(generator, "z_parts", (range(generator.z_dim),)))


def _slice(part: range) -> slice:
    return slice(part.start, part.stop)


def axis_activeness(
    generator: Generator,
    settings: Settings,
    rows: Tensor,
    progress: Progress | None = None,
    stage: str = "activeness",
    pullback: Pullback | None = None,
    expected: Tensor | None = None,
) -> Tensor:
    """Activeness [K] of unit directions `rows` [K, z_dim] of z, on the default output: what moves z moves the coarse image too.

    Where measuring all of them would take minutes, the squared changes to first order that are `expected` [K], or by default the Gram
    matrices of `pullback` (found anew by default), tell which to measure, as `leading_activeness` says.
    """
    outputs = (moved_output(generator),)
    rows = rows.to(generator.device, torch.float32)

    def predicted() -> Tensor:
        if expected is not None:
            return expected
        through = pullback or z_pullback(generator, replace(settings, space="z", outputs=outputs))[0]
        factors = through.factors(settings.latents(generator, _ESTIMATE_SAMPLES, _ESTIMATE_STREAM), method="forward")
        return (factors @ on_processor(rows).T).square().sum(1).mean(0)

    return leading_activeness(
        Response(generator, "z", outputs=outputs),
        lambda count: settings.latents(generator, count, _ACTIVENESS_STREAM),
        rows,
        ACTIVENESS_SAMPLES,
        predicted,
        callback=None if progress is None else lambda done: progress(stage, done, len(rows)),
    )


def _tempered(grams: FactoredGrams) -> FactoredGrams:
    sums = traces(grams)
    return normalise_by_trace(grams).scaled((sums / sums.mean()).sqrt())


@torch.no_grad()
def fold_rotation(generator: Generator, matrix: Tensor) -> None:
    """Make axis i of z mean row i of `matrix`: z_old = Q^T z_new, so the z columns of the weights that read z become W Q^T.

    Changes the generator's `z_columns` in place; columns that read the label embedding stay.  The network is then no longer that of its
    file: its `sha256` is "".  Raises OptionError for a matrix that mixes parts of z which different weights read.
    """
    parts = z_parts(generator)
    if len(parts) > 1:
        inside = torch.block_diag(*[torch.ones(len(part), len(part)) for part in parts]).to(matrix)
        if bool((matrix * (1 - inside) != 0).any()):
            raise OptionError(f"this rotation mixes the {len(parts)} chunks of z, which different layers read; rotate inside each")
    for index, part in enumerate(parts):
        for columns in generator.z_columns(index) if len(parts) > 1 else generator.z_columns():  # type: ignore[call-arg]
            columns.copy_(on_processor(columns) @ on_processor(matrix)[_slice(part), _slice(part)].T)
    generator.identity = ""


def axes_as_directions(rotation: Rotation, checkpoint: str, num_ws: int, options: dict[str, Any]) -> DirectionSet:
    """The axes of the tuned network's z as a direction set (`checkpoint`: the tuned file's SHA-256)."""
    return z_directions(
        torch.eye(len(rotation.matrix), device="cpu"),
        rotation.activeness,
        "orojar-rotation",
        checkpoint,
        num_ws,
        options | rotation.to_dict(),
    )


def rotation_as_directions(rotation: Rotation, checkpoint: str, num_ws: int, options: dict[str, Any]) -> DirectionSet:
    """The rotation's rows as directions in the original network's z (`checkpoint`: the original file's SHA-256)."""
    return z_directions(rotation.matrix.float(), rotation.activeness, "orojar-rotation", checkpoint, num_ws, options | rotation.to_dict())


def z_directions(rows: Tensor, active: Tensor, method: str, checkpoint: str, num_ws: int, options: dict[str, Any]) -> DirectionSet:
    """Unit directions `rows` [K, z_dim] of z, where one sigma is 1, applied at every entry of ws."""
    return DirectionSet(
        directions=rows,
        sigma=torch.ones(len(rows), device="cpu"),
        activeness=active,
        method=method,
        space="z",
        layers=tuple(range(num_ws)),
        checkpoint=checkpoint,
        options=options,
    )


def latents_after(rotation: Rotation, at: Latents) -> Latents:
    """The tuned network's z for the images that the original drew at `at`."""
    return Latents((on_processor(at.z) @ rotation.matrix.T).to(at.z), at.label, at.psi, at.cutoff, at.seeds)
