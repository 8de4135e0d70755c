"""A generator of the skip architecture that stops early: its images are those accumulated by one of its resolutions."""

from __future__ import annotations

import copy
from typing import Any, cast

from torch import Tensor, nn

from orojar_cli.generators.noise import Randomness
from orojar_cli.generators.options import LayerCost
from orojar_cli.generators.protocol import Generator


class _StoppedSynthesis(nn.Module):
    def __init__(self, whole: nn.Module, height: int) -> None:
        super().__init__()
        self.whole, self.height = whole, height

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.whole, name)

    def forward(self, ws: Tensor, noise_mode: str = "const", resolution: int | None = None, rng: Randomness = None, **more: Any) -> Tensor:
        image: Tensor = self.whole(ws, noise_mode, resolution or self.height, rng=rng, **more)
        return image


class _StoppedConfig:
    """The configuration of the whole network but for what its images are and cost."""

    def __init__(self, whole: Any, image_shape: tuple[int, int, int]) -> None:
        self._whole, self.image_shape = whole, image_shape
        self.img_channels, self.img_resolution, _ = image_shape

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)

    def costs(self) -> list[LayerCost]:
        return [cost for cost in self._whole.costs() if cost.resolution <= self.img_resolution]


def stopped(generator: Generator, height: int) -> Generator:
    """`generator` with images [N, C, height, ...] that it has accumulated by then; it shares everything, and is not changed.

    What later layers add is not computed, so it costs a small part of the whole: a tenth at 32 of 1024 pixels.
    """
    view: Any = copy.copy(generator)
    # A shallow copy shares the table of submodules, and setting one would change both.
    view.__dict__["_modules"] = dict(view.__dict__["_modules"])
    channels, whole, width = generator.image_shape
    view.image_shape = (channels, height, width * height // whole)
    view.img_resolution = height
    view.config = _StoppedConfig(generator.config, view.image_shape)
    view.synthesis = _StoppedSynthesis(generator.synthesis, height)
    # Past the table of submodules, in which the network would stand twice.
    view.__dict__ |= {"whole": generator, "state_dict": generator.state_dict}
    return cast(Generator, view)


def whole_of(generator: Generator) -> Generator:
    """The generator that a stopped one is part of; any other itself."""
    return cast(Generator, generator.__dict__.get("whole", generator))
