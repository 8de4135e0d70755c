"""Perceptual path length (PPL): how fast the picture changes between random latents."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from orojar_cli.devices import Chunks, on_processor, wide
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.points import Latents
from orojar_cli.measures.bootstrap import interval
from orojar_cli.measures.measurement import Measurement
from orojar_cli.measures.settings import MetricSettings
from orojar_cli.progress import Progress
from orojar_cli.response.jacobian import Response

EPSILON = 1e-4
SOURCE = "perceptual path length (Karras et al., CVPR 2019), eq. 2-3"
# What the authors' distance needs and nobody may put into this package: a VGG16 with its LPIPS weights.
MISSING = "the distance is the detector's: the authors' VGG16 with LPIPS weights is missing, so published numbers are on another scale"
_TRIMMED = 1.0  # per cent at either end
_LARGEST_SIDE = 256
_STREAM = 104


@torch.no_grad()
def path_length(
    generator: Generator, other: Generator | None, settings: MetricSettings, progress: Progress | None = None
) -> list[Measurement]:
    """PPL in z (slerp) and w (lerp), at the beginnings of paths ("end") and anywhere on them ("full"): E d(g(t), g(t + 1e-4)) / 1e-8.

    As the authors measure it: z on the unit sphere (scaled to the length sqrt(z_dim) that networks expect, which those that normalise z
    do not see), noise drawn anew for each pair and the same for its two images, images above 256 pixels averaged down to 256, and the
    mean of what is left without the lowest and the highest hundredth; "untrimmed" in the details is the mean of all.
    d is the detector's squared perceptual distance, so values compare only with the same detector, never with published ones, which
    use VGG16.  `settings.images` pairs of latents.  With `other` the same of that generator follows, at the same latents.
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
            ws = generator.mapping(slerp(on_sphere(a.z), on_sphere(b.z), moment), a.label, settings.psi)
        else:
            ws = torch.lerp(_ws(generator, a), _ws(generator, b), moment.unsqueeze(2))
        if not getattr(generator.synthesis, "takes_noise", False):
            return _shrunk(generator.synthesis(ws))
        return _shrunk(generator.synthesis(ws, noise_mode="random", rng=range(start, stop)))

    report = None if progress is None else lambda done: progress(f"path length {space} {where}", done, count)
    everything = speeds(images, count, Response(generator), settings, report).numpy()
    value, values = trimmed_mean(everything)
    return Measurement(
        metric=f"path_length_{space}_{where}",
        subject=subject,
        value=value,
        interval=interval(values, settings.seed),
        better="lower",
        source=f"{SOURCE}; {MISSING}",
        settings=settings.record(count, epsilon=EPSILON, detector=settings.detector.name, trimmed=f"{_TRIMMED:g} % at either end"),
        details={"untrimmed": float(everything.mean())},
        per_latent=values,
    )


def trimmed_mean(values: np.ndarray) -> tuple[float, np.ndarray]:
    """(the mean of what lies between the percentiles 1 and 99, both included; numbers [N] whose mean it is).

    The numbers are the values' influences on it: those beyond the percentiles count as much as the percentiles themselves.
    """
    low, high = np.percentile(values, _TRIMMED, method="lower"), np.percentile(values, 100 - _TRIMMED, method="higher")
    kept = values[(values >= low) & (values <= high)]
    value, bounded = float(kept.mean()), values.clip(low, high)
    return value, value + (bounded - bounded.mean()) * (len(values) / len(kept))


def on_sphere(z: Tensor) -> Tensor:
    """z [N, D] of length sqrt(D)."""
    return torch.nn.functional.normalize(z, dim=1) * z.shape[1] ** 0.5


def _shrunk(images: Tensor) -> Tensor:
    """Images averaged over whole blocks down to at most 256 pixels."""
    factor = max(images.shape[2:]) // _LARGEST_SIDE
    return torch.nn.functional.avg_pool2d(images, factor) if factor > 1 else images


def speeds(
    images: Callable[[int, int, float], Tensor],
    count: int,
    response: Response,
    settings: MetricSettings,
    callback: Callable[[int], None] | None = None,
) -> Tensor:
    """[N] float64 d(g(t), g(t + eps)) / eps^2, where images(start, stop, eps) are those of latents start to stop, moved on by eps."""
    parts = []
    chunks = Chunks(0, count, response.at_once(4, settings.budget))
    for start, stop in chunks:
        with chunks.fitting():
            before, after = (settings.detector.perceptual(images(start, stop, time)) for time in (0.0, EPSILON))
            kind = wide(after.device)
            parts.append(on_processor((after.to(kind) - before.to(kind)).square().sum(1)) / EPSILON**2)
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
