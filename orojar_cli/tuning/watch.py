"""What is measured while a mapping trains, on latents that take no part in it, and when training has stalled."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn

from orojar_cli.directions.settings import Settings
from orojar_cli.distributed import as_first, is_first
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.points import Latents
from orojar_cli.response.activeness import VALUES
from orojar_cli.response.budget import MINUTE, affordable, arithmetic
from orojar_cli.response.outputs import default_output
from orojar_cli.tuning.adversary import score_of
from orojar_cli.tuning.anchor import Anchor, image_distance, random_projections, sliced_wasserstein
from orojar_cli.tuning.estimators import axis_grams, gram_energies
from orojar_cli.tuning.surrogate import Surrogate, coarse_images

# What is done with a record: it, and the mapping it was measured on.
Observer = Callable[[dict[str, Any], nn.Module], None]
_STREAM = 80
_LATENTS, _CLOUD = 32, 4096
# At most and least, what some seconds draw: two samples of one network differ by some 0.015 at 256 images, 0.004 at 1024.
_IMAGES = (1024, 256)
# Evaluations of the surrogate for the spectrum.
_EVALUATIONS = 4608
_HELD_OUT_BATCHES = 2
# An improvement of the held-out loss by less than this share is none.
_IMPROVEMENT = 0.002


@dataclass
class Watch:
    """Every `every` steps a record, appended to the run's history and shown to the `observers` (in the first process of a group).

    `images` are compared (None: what some seconds draw).  Training stalls when the held-out training loss has not improved at `patience`
    records in a row (0: never).  `critic` adds the shift of its mean score.
    """

    generator: Generator
    anchor: Anchor
    surrogate: Surrogate
    settings: Settings
    every: int = 250
    patience: int = 0
    critic: Any = None
    images: int | None = None
    observers: Sequence[Observer] = ()
    _kept: dict[str, Any] = field(default_factory=dict)

    @torch.no_grad()
    def look(
        self,
        mapping: Any,
        losses: Callable[[Any, int, torch.Generator], dict[str, Tensor]],
        history: list[dict[str, Any]],
        stage: int,
        step: int,
        steps: int,
    ) -> None:
        """Measure, decide whether the stage has stalled, record it, tell the observers."""
        held_out = self._held_out(mapping, losses, steps)
        record = {"stage": stage, "step": step, "held_out": held_out} | self.measure(mapping)
        totals = [entry["held_out"]["total"] for entry in history if entry["stage"] == stage and "held_out" in entry]
        stalled = has_stalled([*totals, held_out["total"]], self.patience)
        # One process decides for all: on unlike machines their numbers may differ in the last digit.
        if stalled_at(history, stage) is None and bool(as_first(torch.tensor(stalled, device="cpu"))):
            record["stalled"] = True
        history.append(record)
        if is_first():
            for observer in self.observers:
                observer(record, mapping)

    def _count(self) -> int:
        image = arithmetic(self.generator, (default_output(self.generator),))
        return self.images or affordable(image, *_IMAGES, MINUTE / 6)

    def _held_out(self, mapping: Any, losses: Callable[[Any, int, torch.Generator], dict[str, Tensor]], steps: int) -> dict[str, float]:
        seeds = (self.settings.seed * 1_000_003 + 900_000_001 + index for index in range(_HELD_OUT_BATCHES))
        drawn = [losses(mapping, steps, torch.Generator().manual_seed(seed)) for seed in seeds]
        return {name: float(torch.stack([values[name] for values in drawn]).mean()) for name in drawn[0]}

    @torch.no_grad()
    def measure(self, mapping: Any) -> dict[str, Any]:
        """Losses and activeness of the axes (on the surrogate), distance of w and of coarse images to the frozen network's with the
        floor that its own samples have, the critic's shift."""
        generator, anchor = self.generator, self.anchor
        frozen = self._reference()

        def draw(z: Tensor, label: Tensor) -> Tensor:
            return self.surrogate(anchor.of(mapping.w(z, label)))

        at = self.settings.latents(generator, _LATENTS, _STREAM)
        (grams,) = axis_grams(lambda z, label: (draw(z, label),), at.z, _labels(at), generator.z_dim, "exact")
        off, total = gram_energies(grams)
        cloud = self.settings.latents(generator, _CLOUD, _STREAM + 1)
        w = mapping.w(cloud.z, _labels(cloud))
        pictures = coarse_images(generator, w[: self._count()])
        record = {
            "orojar_loss": float(off.mean() / total.mean()),
            "off_diagonal_share": float((off / total.clamp_min(1e-12)).mean()),
            "activeness": self._spectrum(draw),
            "latent_distance": float(sliced_wasserstein(anchor.of(w), frozen["coordinates"], frozen["projections"])),
            "latent_floor": frozen["latent_floor"],
            "image_distance": float(image_distance(pictures, frozen["images"])),
            "image_floor": frozen["image_floor"],
        }
        if self.critic is not None:
            record["critic_shift"] = self._score(w, _labels(cloud)) - frozen["score"]
        return record

    def _reference(self) -> dict[str, Any]:
        """The frozen network at latents of its own, and how far two samples of it are apart."""
        if not self._kept:
            generator, anchor, mapping = self.generator, self.anchor, self.generator.mapping
            clouds = [self.settings.latents(generator, _CLOUD, _STREAM + stream) for stream in (2, 1)]
            w, other = (mapping.w(cloud.z, _labels(cloud)) for cloud in clouds)
            projections = random_projections(anchor.weights, 128, torch.Generator().manual_seed(self.settings.seed))
            images, others = (coarse_images(generator, part[: self._count()]) for part in (w, other))
            self._kept.update(
                coordinates=anchor.of(w),
                projections=projections,
                latent_floor=float(sliced_wasserstein(anchor.of(other), anchor.of(w), projections)),
                images=images,
                image_floor=float(image_distance(others, images)),
            )
            if self.critic is not None:
                self._kept["score"] = self._score(other, _labels(clouds[1]))
        return self._kept

    def _score(self, w: Tensor, label: Tensor) -> float:
        count = 64 if max(self.generator.image_shape[1:]) <= 256 else 16
        return score_of(self.critic, self.generator, w[:count], label[:count])

    def _spectrum(self, draw: Callable[[Tensor, Tensor], Tensor]) -> list[float]:
        """Activeness of every axis (Wei et al. 2021, section 4.1) on the surrogate's images."""
        dim = self.generator.z_dim
        at = self.settings.latents(self.generator, max(4, _EVALUATIONS // (3 * dim)), _STREAM + 3)
        axes = torch.eye(dim, dtype=at.z.dtype, device=at.z.device)
        points = torch.stack([at.z.unsqueeze(1) * (1 - axes) + value * axes for value in VALUES], 2)
        label = _labels(at).repeat_interleave(dim * len(VALUES), 0)
        images = draw(points.flatten(0, 2), label).unflatten(0, points.shape[:3])
        return [float(f"{value:.4g}") for value in images.var(2, correction=1).mean((0, 2))]


def with_mapping(generator: Generator, mapping: nn.Module) -> Generator:
    """`generator` as it would be with `mapping`, sharing everything else; the one given is not changed."""
    view: Any = copy.copy(generator)
    # A shallow copy shares the table of submodules, and setting one would change both.
    view.__dict__["_modules"] = dict(view.__dict__["_modules"])
    view.mapping = mapping
    return cast(Generator, view)


def _labels(at: Latents) -> Tensor:
    return at.z[:, :0] if at.label is None else at.label


def has_stalled(losses: Sequence[float], patience: int) -> bool:
    """Whether the last `patience` losses brought no improvement worth the name."""
    best, since = math.inf, 0
    for loss in losses:
        if loss < best - _IMPROVEMENT * abs(best if math.isfinite(best) else 0):
            best, since = loss, 0
        else:
            since += 1
    return bool(patience) and since >= patience


def stalled_at(history: Sequence[dict[str, Any]], stage: int) -> int | None:
    """The step at which a stage stalled, by its records."""
    return next((entry["step"] for entry in history if entry["stage"] == stage and "stalled" in entry), None)
