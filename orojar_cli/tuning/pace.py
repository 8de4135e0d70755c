"""How long training a mapping takes on this machine, and how much of it fits a time."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from orojar_cli.directions.settings import Settings
from orojar_cli.generators.protocol import Generator
from orojar_cli.response.budget import seconds_of
from orojar_cli.tuning.anchor import Anchor
from orojar_cli.tuning.bend import Bend, straight_mapping
from orojar_cli.tuning.classes import AllClasses
from orojar_cli.tuning.mapping import (
    MappingOptions,
    bending_losses,
    images_to_prepare,
    prepared,
    regression_losses,
    training_losses,
)
from orojar_cli.tuning.surrogate import Surrogate, coarse_images, surrogate_loss

_STREAM = 90
# Samples of the stand-ins.  Of so many coordinates they take images to be functions; the bundled network's are 22 of 64, and how many
# will be is not known before the frame is found.
_SAMPLES, _LEADING = 512, 32
# What is left of a number at least, however little time there is; at most it becomes so many times as much.
_FEWEST = {"steps": 200, "regression_steps": 500, "settling_steps": 100, "surrogate_steps": 500, "images": 2000, "frame_samples": 16}
_MOST = 4.0


@dataclass(frozen=True)
class Pace:
    """Seconds of an image of `default_output`, and of one step: of the warm start, of the surrogate, of the training."""

    image: float
    regression: float
    surrogate: float
    training: float

    def seconds(self, options: MappingOptions) -> float:
        """What preparing and training take with options as `prepared` gives them, without a refinement."""
        # A step of the settling draws its target too.
        regression = ((options.regression_steps or 0) + 1.3 * (options.settling_steps or 0)) * self.regression
        training = options.surrogate_steps * self.surrogate + options.steps * self.training
        return images_to_prepare(options) * self.image + regression + training


def measured_pace(generator: Generator, settings: Settings, options: MappingOptions, image: float) -> Pace:
    """The pace on this machine now, where an image takes `image` seconds: some steps on random numbers of the right shapes, which take
    some seconds together at most.  The generator is not changed."""
    at = AllClasses.of(settings).latents(generator, _SAMPLES, _STREAM)
    rng = torch.Generator().manual_seed(settings.seed)
    with torch.no_grad():
        w = generator.mapping.w(at.z, at.label)
        size = coarse_images(generator, w[:1]).shape[1]
        images = torch.randn(len(w), size, generator=rng).to(w)
        frame = torch.eye(generator.w_dim, dtype=w.dtype, device=w.device)
        offsets = torch.zeros(generator.c_dim, generator.w_dim).to(w)
        weights = (torch.arange(generator.w_dim, device=w.device) < _LEADING).to(w)
        anchor = Anchor(w.mean(0), frame, frame, weights, offsets, generator, images, settings.class_index)
    written: Any = (straight_mapping(anchor, 0) if options.wide else copy.deepcopy(generator.mapping)).requires_grad_(True)
    trained, losses = (Bend(anchor, 0), bending_losses) if options.wide else (written, training_losses)
    with torch.random.fork_rng(devices=[]):
        surrogate = Surrogate(weights, size).to(w.device)
    return Pace(
        image,
        _step(written, lambda: regression_losses(written, anchor, anchor.target, rng)["total"]),
        _step(surrogate, lambda: surrogate_loss(surrogate, w, images, rng)),
        _step(trained, lambda: losses(trained, anchor, surrogate.requires_grad_(False), options, 0, rng)["total"]),
    )


def _step(module: nn.Module, loss: Callable[[], Tensor]) -> float:
    """Seconds of a step of Adam, at a rate of zero."""
    optimiser = torch.optim.Adam(module.parameters(), 0.0)

    def step() -> None:
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()

    return seconds_of(step)


def fitted(generator: Generator, options: MappingOptions, pace: Pace, seconds: float) -> float:
    """The share of everything that these options do which fits so many seconds, at most four times as much.

    Of one number in proportion to the others: none says what the others are worth.
    """
    return min(_MOST, seconds / pace.seconds(prepared(generator, options)))


def scaled(generator: Generator, options: MappingOptions, share: float) -> MappingOptions:
    """So large a share of every number of steps, images and latents, but not less than the fewest that can mean something.

    Numbers that are smaller than those from the outset stay, and images somebody asked for.
    """
    full = prepared(generator, options)
    numbers = {name: getattr(full, name) for name in _FEWEST if not (name == "images" and options.images)}
    return replace(full, **{name: max(min(count, _FEWEST[name]), round(share * count)) for name, count in numbers.items()})
