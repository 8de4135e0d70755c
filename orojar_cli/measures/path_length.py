"""Perceptual path length (PPL): how fast the picture changes between random latents."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.points import Latents
from orojar_cli.measures.bootstrap import interval
from orojar_cli.measures.measurement import Measurement
from orojar_cli.measures.settings import MetricSettings
from orojar_cli.progress import Progress
from orojar_cli.response.jacobian import Response

EPSILON = 1e-4
SOURCE = "perceptual path length (Karras et al., CVPR 2019), eq. 2-3"
_STREAM = 104


@torch.no_grad()
def path_length(
    generator: Generator, other: Generator | None, settings: MetricSettings, progress: Progress | None = None
) -> list[Measurement]:
    """PPL in z (slerp) and w (lerp), at the beginnings of paths ("end") and anywhere on them ("full"): E d(g(t), g(t + 1e-4)) / 1e-8.

    d is the detector's squared perceptual distance, so values compare only with the same detector, never with published ones, which
    use VGG16.  `settings.images` pairs of latents; nothing is trimmed.  With `other` the same of that generator follows, at the same
    latents.
    """
    made = []
    for subject, network in ((settings.name(), generator), (settings.other, other)):
        if network is not None:
            made += [_length(network, space, where, subject, settings, progress) for space in ("z", "w") for where in ("full", "end")]
    return made


def _length(generator: Generator, space: str, where: str, subject: str, settings: MetricSettings, progress: Progress | None) -> Measurement:
    count = settings.images
    first, second = (settings.latents(generator, count, _STREAM + offset) for offset in (0, 1))
    rng = torch.Generator().manual_seed(settings.seed)
    times = (torch.rand(count, 1, generator=rng) * (where == "full")).to(first.z)

    def images(start: int, stop: int, time: float) -> Tensor:
        a, b, moment = first[start:stop], second[start:stop], times[start:stop] + time
        if space == "z":
            ws = generator.mapping(slerp(a.z, b.z, moment), a.label, settings.psi)
        else:
            ws = torch.lerp(_ws(generator, a), _ws(generator, b), moment.unsqueeze(2))
        return generator.synthesis(ws)

    report = None if progress is None else lambda done: progress(f"path length {space} {where}", done, count)
    values = speeds(images, count, Response(generator), settings, report).numpy()
    return Measurement(
        metric=f"path_length_{space}_{where}",
        subject=subject,
        value=float(values.mean()),
        interval=interval(values, settings.seed),
        better="lower",
        source=SOURCE,
        settings=settings.record(count, epsilon=EPSILON, detector=settings.detector.name),
        per_latent=values,
    )


def speeds(
    images: Callable[[int, int, float], Tensor],
    count: int,
    response: Response,
    settings: MetricSettings,
    callback: Callable[[int], None] | None = None,
) -> Tensor:
    """[N] float64 d(g(t), g(t + eps)) / eps^2, where images(start, stop, eps) are those of latents start to stop, moved on by eps.

    The difference is taken from -eps/2 to eps/2: for a step this small the same, but without favour to one side of a kink.
    """
    at_once = max(1, settings.budget // (4 * response.bytes_per_point()))
    parts = []
    for start in range(0, count, at_once):
        stop = min(start + at_once, count)
        before, after = (settings.detector.perceptual(images(start, stop, side * EPSILON / 2)).cpu().double() for side in (-1, 1))
        parts.append((after - before).square().sum(1) / EPSILON**2)
        if callback is not None:
            callback(stop)
    return torch.cat(parts)


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Spherical interpolation (Shoemake 1985) from a to b [N, D] at t [N, 1]; lerp where the two are parallel."""
    cosine = (a * b).sum(1, keepdim=True) / (a.norm(dim=1, keepdim=True) * b.norm(dim=1, keepdim=True)).clamp_min(1e-12)
    angle = cosine.clamp(-1, 1).acos()
    sine = angle.sin()
    curved = (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / sine.clamp_min(1e-12)
    return torch.where(sine > 1e-6, curved, torch.lerp(a, b, t))


def _ws(generator: Generator, at: Latents) -> Tensor:
    return generator.mapping(at.z, at.label, at.psi, at.cutoff)
