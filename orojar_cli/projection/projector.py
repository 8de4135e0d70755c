"""w optimisation (Karras et al. 2020, arXiv 1912.04958, appendix D), from several starts and in coordinates of unit variance."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from orojar_cli.directions.settings import one_hot
from orojar_cli.errors import NumericalError, OptionError
from orojar_cli.generators.protocol import Generator, arrange
from orojar_cli.latents.moments import Moments
from orojar_cli.latents.points import normal_latents
from orojar_cli.numbers import Classes, as_classes, check_seed, check_whole
from orojar_cli.progress import Progress, unseen
from orojar_cli.projection.distance import PictureDistance
from orojar_cli.projection.noise_maps import NoiseMaps
from orojar_cli.response.jacobian import DEFAULT_BUDGET

SPACES = ("w", "w+")
_RECORD_EVERY = 10
# Of the learning rate at the beginning and the end, and of the exploring noise, as fractions of a stage.
_RAMP_UP, _RAMP_DOWN, _EXPLORE = 0.05, 0.25, 0.75
# Numbers that automatic differentiation keeps for each one a layer reads or writes.
_KEPT = 4
# The price of w beyond its typical distance from the mean, as a multiple of the price of distance.
_BEYOND = 10.0


@dataclass(frozen=True)
class ProjectionSettings:
    """`space` w, or w+ to go on from w with a w per layer; `steps` of each of the two.

    `samples` w's give mean and covariance; the `candidates` first of them are drawn, and `starts` of the nearest are all followed for a
    quarter of `steps` before one is chosen.  `exploration` is the noise on w at the beginning, in standard deviations; `prior` the
    price of the squared distance from the mean (in w+ from the w found), in standard deviations, averaged over coordinates: where the
    picture does not decide, w stays near the mean.  `structure` is the price of structured noise maps.
    """

    space: str = "w+"
    steps: int = 400
    seed: int = 0
    class_index: Classes | None = None
    samples: int = 10_000
    candidates: int = 1000
    starts: int = 8
    learning_rate: float = 0.1
    exploration: float = 0.05
    prior: float = 0.01
    structure: float = 1e5

    def __post_init__(self) -> None:
        if self.space not in SPACES:
            raise OptionError(f"unknown space {self.space!r}; a picture is projected into w or w+")
        check_seed(self.seed)
        object.__setattr__(self, "class_index", as_classes(self.class_index))
        for name in ("steps", "starts", "candidates", "samples"):
            check_whole(name, getattr(self, name), 1)
        if not self.starts <= self.candidates <= self.samples:
            raise OptionError("projection needs starts, candidates and samples in ascending number")

    def to_dict(self) -> dict[str, Any]:
        """JSON-serialisable form, for run.json."""
        return asdict(self)


@dataclass(frozen=True)
class Track:
    """Where a projection was: the stage's name, the step, the distance (1 is a typical picture) and ws [1, num_ws, w_dim]."""

    stage: str
    step: int
    distance: float
    ws: Tensor


@dataclass(frozen=True)
class Projection:
    """ws [1, num_ws, w_dim]: `start` the nearest candidate or what was given, `w` one vector for all layers, `w_plus` one per layer (None
    if not asked for or the network has one layer); `mean` of all w's.  `track` is the way there."""

    mean: Tensor
    start: Tensor
    w: Tensor
    w_plus: Tensor | None
    track: list[Track] = field(default_factory=list)

    @property
    def best(self) -> Tensor:
        """The nearest: w+ where there is one."""
        return self.w if self.w_plus is None else self.w_plus


def project(
    generator: Generator,
    distance: PictureDistance,
    settings: ProjectionSettings | None = None,
    progress: Progress = unseen,
    initial: Tensor | None = None,
) -> Projection:
    """The ws whose picture is nearest to `distance.target`; the same for the same settings.

    Adam moves w in whitened coordinates, w = mean + S v with S S^T the covariance of w, so that a step is equally long in units of the
    data along every axis, and directions in which w never varies are left alone; learning rate and exploring noise follow the paper's
    schedule.  Noise maps are optimised with w, starting from the network's own, and then dropped: the distances that count are those of
    the pictures with the network's own noise.  A network without mapping is projected into z in the same way.

    With `initial` ws [1, num_ws, w_dim] the search goes on from there instead of from the nearest candidates: in w from the mean of its
    entries, in w+ from each.
    Without `class_index` a conditional network is searched over all its classes.
    Raises OptionError for a network without gradients, NumericalError where its numbers are not finite.
    """
    settings = settings or ProjectionSettings()
    if not getattr(generator, "differentiable", True):
        raise OptionError("projection follows gradients, which this generator does not give")
    if tuple(distance.target.shape[1:]) != generator.image_shape:
        raise OptionError(f"a target of shape {list(distance.target.shape)} does not fit this network; make it with as_target")
    return _Projector(generator, distance, settings, progress, initial).run()


class _Projector:
    def __init__(
        self, generator: Generator, distance: PictureDistance, settings: ProjectionSettings, progress: Progress, initial: Tensor | None
    ) -> None:
        self.generator, self.distance, self.settings, self.progress = generator, distance, settings, progress
        arrange(generator)
        self.device = generator.device
        # Drawn on the CPU, so that a seed means the same on every device.
        self.rng = torch.Generator().manual_seed(settings.seed)
        self.track: list[Track] = []
        samples = self._samples()
        moments = Moments.of(samples)
        scale, variances = moments.whitening()
        self.mean, self.scale = moments.mean.to(samples), scale.to(samples)
        # Along axes on which w does not vary every coordinate is 0.
        varying = variances > 1e-9 * variances[0]
        inverse = torch.where(varying, scale / variances.clamp_min(1e-30), 0.0)
        self.candidates = (samples[: settings.candidates] - self.mean) @ inverse.to(samples)
        self.initial = None if initial is None else (initial.to(samples) - self.mean) @ inverse.to(samples)

    def _samples(self) -> Tensor:
        generator, settings = self.generator, self.settings
        z = normal_latents(generator, settings.samples, self.rng)
        if generator.c_dim and settings.class_index is None:
            label = torch.eye(generator.c_dim)[torch.randint(generator.c_dim, (len(z),), generator=self.rng)].to(self.device)
        else:
            label = one_hot(generator, settings.class_index, len(z))  # type: ignore[assignment]
        with torch.no_grad():
            return generator.mapping.w(z.to(self.device), label)

    def ws(self, v: Tensor) -> Tensor:
        """ws [N, num_ws, w_dim] of coordinates v [N, 1 or num_ws, w_dim]."""
        return (self.mean + v @ self.scale.T).expand(-1, self.generator.num_ws, -1)

    def run(self) -> Projection:
        settings = self.settings
        v, first = self._nearest_candidates(), self.initial
        if first is not None:
            v = first.mean(1, keepdim=True)
        start, maps = self.ws(v[:1] if first is None else first), NoiseMaps.of(self.generator, len(v))
        if len(v) > 1:
            v, maps = self._descend("choosing a start", v, torch.zeros_like(v), maps, max(1, settings.steps // 4))
            best = self._distances(v, maps).argmin()[None]
            v, maps = v[best], maps[best]
        v, maps = self._descend("w", v, torch.zeros_like(v), maps, settings.steps)
        w, w_plus = self.ws(v), None
        if settings.space == "w+" and self.generator.num_ws > 1:
            v = v.expand(-1, self.generator.num_ws, -1)
            v, _ = self._descend("w+", v if first is None else first, v, maps, settings.steps)
            w_plus = self.ws(v)
        mean = self.ws(torch.zeros_like(v[:, :1]))
        return Projection(mean, start.contiguous(), w.contiguous(), w_plus, self.track)

    @torch.no_grad()
    def _nearest_candidates(self) -> Tensor:
        """Coordinates [starts, 1, w_dim], nearest first; the distance is calibrated by the candidates."""
        costs = self.generator.config.costs()
        batch = max(1, DEFAULT_BUDGET // (16 * max(cost.numbers for cost in costs)))
        v = self.candidates.unsqueeze(1)
        terms = []
        for part in v.split(batch):
            terms.append(self.distance.terms(self.generator.synthesis(self.ws(part), noise_mode="const").float()))
            self.progress("drawing candidates", sum(map(len, terms)), len(v))
        found = torch.cat(terms)
        self.distance.calibrate(found)
        # As many as fit into memory together.
        fitting = 4 * DEFAULT_BUDGET // (4 * _KEPT * sum(cost.numbers for cost in costs))
        nearest = self.distance.scaled(found).argsort(stable=True)[: max(1, min(self.settings.starts, fitting))]
        return v[nearest]

    @torch.no_grad()
    def _distances(self, v: Tensor, maps: NoiseMaps) -> Tensor:
        return self.distance(maps.images(self.generator, self.ws(v)))

    @torch.enable_grad()
    def _descend(self, stage: str, v: Tensor, anchor: Tensor, maps: NoiseMaps, steps: int) -> tuple[Tensor, NoiseMaps]:
        """Adam from v [N, 1 or num_ws, w_dim], each of the N by itself, pulled towards `anchor`."""
        settings = self.settings
        v = v.detach().clone().requires_grad_()
        optimiser = torch.optim.Adam([v, *maps.maps.values()], lr=settings.learning_rate)
        for step in range(steps):
            if step % _RECORD_EVERY == 0:  # what comes and goes between processor and device does so together, for nothing waits in between
                ahead = min(_RECORD_EVERY, steps - step)
                noises = torch.stack([torch.randn(v.shape, generator=self.rng) for _ in range(ahead)]).to(v)
            optimiser.param_groups[0]["lr"] = settings.learning_rate * _ramp(step / steps)
            sway = settings.exploration * max(0.0, 1 - step / steps / _EXPLORE) ** 2
            noise = noises[step % _RECORD_EVERY]
            images = maps.images(self.generator, self.ws(v + sway * noise))
            distances = self.distance(images)
            penalty = settings.prior * _surprise(v - anchor) + settings.structure * maps.structure()
            loss = (distances + penalty).sum()
            if (step % _RECORD_EVERY == 0 or step == steps - 1) and not math.isfinite(loss.item()):
                raise NumericalError(f"the optimisation met numbers that are not finite by step {step}; try another --seed or --detector")
            if step % _RECORD_EVERY == 0:
                best = distances.argmin()
                self.track.append(Track(stage, step, distances[best].item(), self.ws(v[best][None]).detach().contiguous()))
            optimiser.zero_grad()
            loss.backward(inputs=[v, *maps.maps.values()])
            optimiser.step()
            maps.normalise()
            self.progress(stage, step + 1, steps)
        return v.detach(), maps


def _surprise(offset: Tensor) -> Tensor:
    """[N] mean squares of offsets [N, L, D]; what exceeds 1, the typical, costs more: out there the network draws no sense."""
    squared = offset.square().mean((1, 2))
    return squared + _BEYOND * (squared - 1).clamp_min(0)


def _ramp(done: float) -> float:
    """The learning rate's factor at a fraction of a stage: linear at the beginning, a cosine at the end."""
    down = min(1.0, (1 - done) / _RAMP_DOWN)
    return (0.5 - 0.5 * math.cos(math.pi * down)) * min(1.0, (done + 1e-3) / _RAMP_UP)
