"""What a tuned mapping did, measured on the real generator: losses of its axes, and how far the images moved."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from orojar_cli.diagonaliser import FactoredGrams, normalise_by_trace, orojar_loss
from orojar_cli.directions.settings import Settings
from orojar_cli.generators.protocol import Generator
from orojar_cli.progress import Progress
from orojar_cli.response.activeness import ACTIVENESS
from orojar_cli.response.budget import MINUTE, affordable, arithmetic
from orojar_cli.response.outputs import Output, default_output
from orojar_cli.tuning.adversary import score_of
from orojar_cli.tuning.anchor import image_distance
from orojar_cli.tuning.mapping import images_to_compare
from orojar_cli.tuning.rotation import ACTIVENESS_SAMPLES, axis_activeness, z_pullback
from orojar_cli.tuning.surrogate import coarse_images

_STREAM, _SUBSPACE_STREAM = 60, 300
# At most: as many as their arithmetic allows.
_PICTURES = 128
_SAMPLES, _FEWEST = 64, 8
# For the time that measuring takes: gradients and directions of a customary active subspace.
_GRADIENTS, _COLUMNS = 96, 64


@dataclass(frozen=True)
class Snapshot:
    """`loss` normalised OroJaR loss of the z axes on full images, `share` its per-sample form, at held-out latents; the images' mean
    critic score (None without a critic); `activeness` [z_dim]."""

    loss: float
    share: float
    critic: float | None
    activeness: Tensor
    images: Tensor

    def to_dict(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name in ("loss", "share", "critic")}


def images_to_measure(generator: Generator, settings: Settings) -> float:
    """About what `measure` costs before and after training together, and finding out whether to settle, in images of `default_output`.

    Those before are needed for a chosen class alone; of all classes the anchor has some.
    """
    image, measured = arithmetic(generator, (default_output(generator),)), arithmetic(generator, settings.outputs)
    jacobians = 3 * _GRADIENTS * measured + min(MINUTE, 2 * _SAMPLES * _COLUMNS * measured)
    active = min(ACTIVENESS, 3 * ACTIVENESS_SAMPLES * generator.z_dim * image)
    return 2 * (jacobians + active) / image + (2 + (settings.class_index is not None)) * images_to_compare(generator)


@torch.no_grad()
def measure(
    generator: Generator,
    critic: Any,
    settings: Settings,
    name: str,
    samples: int = _SAMPLES,
    progress: Progress | None = None,
    *,
    images: bool = True,
) -> Snapshot:
    """Measure a generator at latents that take no part in training; `name` heads the progress.  Without `images` none are drawn."""
    inside, twice = z_pullback(generator, settings, stream=_SUBSPACE_STREAM, progress=progress)
    samples = affordable(2 * len(twice) * arithmetic(generator, settings.outputs), samples, _FEWEST)
    at = settings.latents(generator, samples, _STREAM)
    callback = None if progress is None else lambda done: progress(f"{name}: loss", done, samples)
    grams = FactoredGrams(twice.factors(at, callback=callback))
    axes = torch.eye(generator.z_dim, device=generator.device)
    active = axis_activeness(generator, settings, axes, progress, f"{name}: activeness", inside)
    stream = _STREAM + (2 if name == "before" else 3)
    cloud = settings.latents(generator, images_to_compare(generator), stream)
    w = generator.mapping.w(cloud.z, cloud.label)
    drawn = coarse_images(generator, w) if images else w.new_empty(0, 0)
    score = None
    if critic is not None:
        count = affordable(2 * arithmetic(generator, (Output(),)), _PICTURES, 16)
        labels = cloud.z.new_zeros(count, 0) if cloud.label is None else cloud.label[:count]
        score = score_of(critic, generator, w[:count], labels)
    return Snapshot(orojar_loss(grams), orojar_loss(normalise_by_trace(grams)), score, active, drawn)


def image_shift(before: Snapshot, after: Snapshot) -> tuple[float, float]:
    """(`image_distance` between the two networks, the same between two halves of the first's images: the floor)."""
    half = len(before.images) // 2
    return float(image_distance(after.images, before.images)), float(image_distance(before.images[:half], before.images[half:]))
