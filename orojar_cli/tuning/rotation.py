"""Exact fine-tuning: the rotation of z that minimises the OroJaR loss, folded into the first mapping layer.

If z ~ N(0, I), so is Q^T z for orthogonal Q, and StyleGAN's input normalisation commutes with Q: the images' distribution does not
change at all, only which image each z means.  The best rotation is the joint diagonaliser of the Gram matrices {M(z_n)}.
Where weights read parts of z that do not overlap (BigGAN's chunks), only rotations inside each part can be folded into them; what
stands between two parts of a Gram matrix keeps its norm under these, so each part has its own joint diagonaliser.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from orojar_cli.diagonaliser import joint_diagonalise, normalise_by_trace, orojar_loss
from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.directions.settings import Settings
from orojar_cli.errors import OptionError
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.points import Latents
from orojar_cli.progress import Progress
from orojar_cli.response.activeness import activeness, affordable_samples
from orojar_cli.response.jacobian import Response, gram_matrices
from orojar_cli.response.outputs import Output, computed_layers, early

_FIT_STREAM, _STOP_STREAM, _HELD_OUT_STREAM, _ACTIVENESS_STREAM = 30, 31, 32, 33
_ACTIVENESS_SAMPLES = 24
# Arithmetic of one default run, about a minute on two laptop cores; larger networks get fewer samples.
_DEFAULT_MULTIPLICATIONS = 3.3e12
_SAMPLE_RANGE = (32, 1024)


@dataclass(frozen=True)
class Rotation:
    """The result: `matrix` [z_dim, z_dim], row i the old z that the new axis i means, most active first (in each part of z).

    `loss_before` and `loss_after` are normalised OroJaR losses (E sum_{i != j} M_ij^2 / E (tr M)^2) at `held_out` latents that took
    no part in finding or stopping the rotation; `share_*` their per-sample form E [sum_{i != j} M_ij^2 / (tr M)^2].
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

    @property
    def reduction(self) -> float:
        """Share of the held-out loss that is gone; 0 where there was none."""
        return 1 - self.loss_after / self.loss_before if self.loss_before else 0.0

    def to_dict(self) -> dict[str, Any]:
        """The numbers, JSON-serialisable."""
        names = ("loss_before", "loss_after", "share_before", "share_after", "samples", "held_out", "iterations", "reduction")
        return {name: getattr(self, name) for name in names} | {"outputs": list(self.outputs)}


def default_outputs(generator: Generator) -> tuple[Output, ...]:
    """The full image up to 64 pixels; above, the image the skip architecture has accumulated by 32 pixels, which is far cheaper."""
    stopped = early(generator)
    return (stopped if stopped is not None and max(generator.image_shape[1:]) > 64 else Output(),)


def default_samples(generator: Generator, outputs: tuple[Output, ...]) -> int:
    """How many latents fit the arithmetic of a default run: 1024 for the demonstration network, at least 32."""
    per_image = sum(cost.multiplications for cost in computed_layers(generator, outputs))
    low, high = _SAMPLE_RANGE
    return int(max(low, min(high, _DEFAULT_MULTIPLICATIONS / (2 * generator.z_dim * per_image))))


def find_rotation(generator: Generator, settings: Settings, progress: Progress | None = None) -> Rotation:
    """The rotation of z with the lowest OroJaR loss.

    Gram matrices at `settings.samples` latents by central differences are diagonalised jointly, every one divided by the square root
    of its trace (halfway between the loss's own weights, which a few latents dominate, and equal ones: measured to generalise best);
    an eighth as many stop the search, and a fifth as many, with exact Jacobians, give the losses reported.
    """
    if settings.space != "z":
        raise OptionError("exact fine-tuning rotates z; leave out --space")
    response = Response(generator, "z", outputs=settings.outputs)
    axes = torch.eye(generator.z_dim, device=generator.device)

    def grams(stage: str, count: int, stream: int, method: str) -> Tensor:
        at = settings.latents(generator, count, stream)
        callback = None if progress is None else lambda done: progress(stage, done, count)
        return gram_matrices(response, at, axes, method=method, callback=callback)

    held_out_count = max(16, settings.samples // 5)
    fit = _tempered(grams("Gram matrices", settings.samples, _FIT_STREAM, "central"))
    stop = _tempered(grams("stopping set", max(8, settings.samples // 8), _STOP_STREAM, "central"))
    callback = None if progress is None else lambda done, *_: progress("diagonalising", min(done, 199), 200)
    found, iterations = torch.eye(generator.z_dim, dtype=torch.float64), 0
    for part in map(_slice, z_parts(generator)):
        if bool((fit[:, part, part] != 0).any()):
            result = joint_diagonalise(fit[:, part, part], held_out=stop[:, part, part], callback=callback)
            found[part, part] = result.rotation.to(found)
            iterations += result.iterations
    held_out = grams("held-out loss", held_out_count, _HELD_OUT_STREAM, "exact")
    active = axis_activeness(generator, settings, found, progress)
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
    )


def z_parts(generator: Generator) -> list[range]:
    """The coordinates of z that can be rotated among each other, in order: all of them, or those of each part that is read alone."""
    return list(getattr(generator, "z_parts", (range(generator.z_dim),)))


def _slice(part: range) -> slice:
    return slice(part.start, part.stop)


def axis_activeness(
    generator: Generator, settings: Settings, rows: Tensor, progress: Progress | None = None, stage: str = "activeness"
) -> Tensor:
    """Activeness [K] of unit directions `rows` [K, z_dim] of z, on the default output: what moves z moves the coarse image too."""
    response = Response(generator, "z", outputs=default_outputs(generator))
    at = settings.latents(generator, affordable_samples(response, len(rows), _ACTIVENESS_SAMPLES), _ACTIVENESS_STREAM)
    return activeness(response, at, rows.to(at.z), callback=None if progress is None else lambda done: progress(stage, done, len(rows)))


def _tempered(grams: Tensor) -> Tensor:
    traces = grams.diagonal(dim1=1, dim2=2).sum(1)
    return normalise_by_trace(grams) * (traces / traces.mean()).sqrt()[:, None, None]


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
            wide = columns.double()
            columns.copy_(wide @ matrix[_slice(part), _slice(part)].to(wide).T)
    generator.identity = ""


def axes_as_directions(rotation: Rotation, checkpoint: str, num_ws: int, options: dict[str, Any]) -> DirectionSet:
    """The axes of the tuned network's z as a direction set (`checkpoint`: the tuned file's SHA-256)."""
    return z_directions(
        torch.eye(len(rotation.matrix)), rotation.activeness, "orojar-rotation", checkpoint, num_ws, options | rotation.to_dict()
    )


def rotation_as_directions(rotation: Rotation, checkpoint: str, num_ws: int, options: dict[str, Any]) -> DirectionSet:
    """The rotation's rows as directions in the original network's z (`checkpoint`: the original file's SHA-256)."""
    return z_directions(rotation.matrix.float(), rotation.activeness, "orojar-rotation", checkpoint, num_ws, options | rotation.to_dict())


def z_directions(rows: Tensor, active: Tensor, method: str, checkpoint: str, num_ws: int, options: dict[str, Any]) -> DirectionSet:
    """Unit directions `rows` [K, z_dim] of z, where one sigma is 1, applied at every entry of ws."""
    return DirectionSet(
        directions=rows,
        sigma=torch.ones(len(rows)),
        activeness=active,
        method=method,
        space="z",
        layers=tuple(range(num_ws)),
        checkpoint=checkpoint,
        options=options,
    )


def latents_after(rotation: Rotation, at: Latents) -> Latents:
    """The tuned network's z for the images that the original drew at `at`."""
    return Latents((at.z.double() @ rotation.matrix.to(at.z.device).T).to(at.z), at.label, at.psi, at.cutoff, at.seeds)
