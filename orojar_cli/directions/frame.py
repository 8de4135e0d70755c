"""From coordinates to a finished direction set: the frame directions are measured in, their sigma, activeness and order."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from orojar_cli.devices import on_processor
from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.directions.settings import Settings
from orojar_cli.errors import OptionError
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.moments import Moments, latent_samples
from orojar_cli.latents.spaces import free_coordinates, space_dim, style_affine
from orojar_cli.progress import Progress
from orojar_cli.response.activeness import VALUES, affordable_rows, affordable_samples, leading_activeness
from orojar_cli.response.jacobian import Response
from orojar_cli.response.outputs import moved_output

_MOMENT_SAMPLES = 10_000
_ACTIVENESS_SAMPLES = 48
_MOMENT_STREAM, _ACTIVENESS_STREAM = 1, 2


@dataclass(frozen=True)
class Frame:
    """Unit steps of the coordinates: `steps` [d, D], one row each; `moments` of the latents (None in z, where sigma is 1).

    In s the moments are those of w, and `affine` [D, w_dim] carries them over.
    """

    steps: Tensor
    moments: Moments | None
    whitened: bool
    affine: Tensor | None = None

    @classmethod
    def of(cls, generator: Generator, settings: Settings) -> Frame:
        """The frame of the settings' space: the axes, or with `whiten` one standard deviation along each principal axis.

        Whitened coordinates are c with latent = mean + S c, S S^T the covariance of the latents: there the data are isotropic.
        In s, where the data fill only a plane of w_dim dimensions (whitening that would give back w), each channel is measured in
        its own standard deviation instead, as StyleSpace (Wu et al. 2021) does.
        """
        space, layers = settings.space, settings.layers_of(generator)
        dim = space_dim(generator, space, layers)
        device = generator.device
        free = free_coordinates(generator, space, layers)
        if space == "z":
            return cls(torch.eye(dim, device=device) if free is None else torch.eye(dim, device=device)[free.to(device)], None, False)
        source = "p" if space == "p" else "w"
        moments = Moments.of(latent_samples(generator, settings.latents(generator, _MOMENT_SAMPLES, _MOMENT_STREAM), source))
        if space == "s":
            affine = style_affine(generator, layers)
            deviations = moments.sigma(affine)
            steps = (
                torch.diag(deviations)[deviations > 1e-4 * deviations.max()]
                if settings.whiten
                else torch.eye(dim, device="cpu") * deviations.mean()
            )
            return cls(steps.to(device, torch.float32), moments, settings.whiten, affine)
        if free is not None:
            width = generator.w_dim
            entries = range(len(layers)) if space == "w+" else range(1)
            own = [free[(free >= entry * width) & (free < (entry + 1) * width)] - entry * width for entry in entries]
            blocks = [cls._inside(moments, part, settings.whiten) for part in own]
            return cls(torch.block_diag(*blocks).to(device, torch.float32), moments, settings.whiten)
        if settings.whiten:
            scales, variances = moments.whitening()
            # Axes along which the latents do not vary are no directions at all.
            steps = scales.T[variances > 1e-8 * variances[0]]
        else:
            steps = torch.eye(generator.w_dim, dtype=torch.float64) * moments.covariance.diagonal().mean().sqrt()
        if space == "w+":
            steps = torch.block_diag(*[steps] * len(layers))
        return cls(steps.to(device, torch.float32), moments, settings.whiten)

    @staticmethod
    def _inside(moments: Moments, free: Tensor, whiten: bool) -> Tensor:
        """Steps [d, w_dim] of the coordinates `free` alone: one standard deviation along each principal axis of these, or of each."""
        if not len(free):
            return torch.zeros(0, len(moments.mean), dtype=torch.float64)
        own = Moments(moments.mean[free], moments.covariance[free][:, free])
        scales, variances = own.whitening()
        steps = scales.T[variances > 1e-8 * variances[0]] if whiten else torch.eye(len(free), dtype=torch.float64) * variances.mean().sqrt()
        wide = torch.zeros(len(steps), len(moments.mean), dtype=steps.dtype, device="cpu")
        wide[:, free] = steps
        return wide

    def sigma(self, vectors: Tensor, space: str) -> Tensor:
        """[K] length of one strength unit along displacement vectors [K, D] made of orthonormal coordinates."""
        lengths = vectors.norm(dim=1)
        if self.moments is None or self.whitened:
            return lengths
        units = vectors / lengths.unsqueeze(1)
        if self.affine is not None:
            units = units @ self.affine.to(units)
        if space == "w+":
            # Layers share their w in the data, so one sigma is measured per layer and combined by its share of the direction.
            blocks = units.unflatten(1, (-1, len(self.moments.mean)))
            blocks = on_processor(blocks)
            variance = torch.einsum("kld,de,kle->k", blocks, self.moments.covariance, blocks)
            return variance.sqrt().to(vectors)
        return self.moments.sigma(units).to(vectors)


def finished(
    generator: Generator,
    settings: Settings,
    frame: Frame,
    coordinates: Tensor,
    method: str,
    *,
    by_activeness: bool,
    measured: bool = True,
    keep_signs: bool = False,
    scores: dict[str, Tensor] | None = None,
    predicted: Tensor | None = None,
    progress: Progress | None = None,
) -> DirectionSet:
    """A direction set of coordinates [K, d] in `frame`, most active first or in the order given, cut to `settings.num`.

    Not `measured`, the activeness of all is 0: measuring it draws hundreds of pictures for every direction.
    Where they are too many to be measured, `predicted` [K] squared changes to first order tell which are (`leading_activeness`).
    Signs are fixed so that the largest entry of every direction is positive (two runs agree, also across machines), or kept.
    """
    coordinates = coordinates.to(frame.steps)
    if settings.num is not None and settings.num < 1:
        raise OptionError(f"--num {settings.num}: at least one direction is needed")
    if not by_activeness:
        coordinates = coordinates[: settings.num]
    vectors = coordinates @ frame.steps
    sigma = frame.sigma(vectors, settings.space)
    units = vectors / vectors.norm(dim=1, keepdim=True)
    largest = units.gather(1, units.abs().argmax(1, keepdim=True))
    if not keep_signs:
        units = units * torch.where(largest < 0, -1.0, 1.0)
    steps = units * sigma.unsqueeze(1)
    active = measured_activeness(generator, settings, steps, predicted, progress) if measured else torch.zeros(len(units), device="cpu")
    result = DirectionSet(
        directions=units.cpu(),
        sigma=sigma.cpu(),
        activeness=active,
        method=method,
        space=settings.space,
        layers=settings.layers_of(generator),
        checkpoint=generator.sha256,
        options=settings.to_dict(),
        scores={name: score[: len(units)].float().cpu() for name, score in (scores or {}).items()},
    )
    order = active.argsort(descending=True, stable=True) if by_activeness else torch.arange(len(units), device="cpu")
    return result.select(order[: settings.num])


def activeness_images(generator: Generator, settings: Settings) -> float:
    """What measuring the activeness of the directions costs, in images of `moved_output`."""
    count = settings.num or (generator.z_dim if settings.space == "z" else generator.w_dim)
    response = Response(generator, settings.space, settings.layers_of(generator), (moved_output(generator),))
    measured = affordable_rows(response, count)
    values = len(VALUES) if settings.space == "z" else len(VALUES) - 1
    return float(values * measured * affordable_samples(response, measured, _ACTIVENESS_SAMPLES))


def measured_activeness(
    generator: Generator, settings: Settings, steps: Tensor, predicted: Tensor | None = None, progress: Progress | None = None
) -> Tensor:
    """[K] activeness of displacements [K, D] of one strength unit each, as that of every direction set; `predicted` as in `finished`."""
    return leading_activeness(
        Response(generator, settings.space, settings.layers_of(generator), (moved_output(generator),)),
        lambda count: settings.latents(generator, count, _ACTIVENESS_STREAM),
        steps,
        _ACTIVENESS_SAMPLES,
        None if predicted is None else lambda: predicted,
        callback=None if progress is None else lambda done: progress("activeness", done, len(steps)),
        kept=settings.partial.section("activeness"),
    )
