"""What of a generator's response is compared: the image, the image at a lower resolution, or a block's features."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from orojar_cli.errors import OptionError
from orojar_cli.generators.options import LayerCost
from orojar_cli.generators.protocol import Generator

_SMALL = 64
_SPEC = re.compile(r"(image|early|b)(?::?([1-9]\d{0,4}))?\Z", re.ASCII)


@dataclass(frozen=True)
class Output:
    """A response of the synthesis network.

    `kind` "image" with `size` None is the full image, with a size the image averaged down to that height; "early" is the image the skip
    architecture has accumulated by the block of that height (cheap: later blocks are not computed); "b" are its features.
    """

    kind: str = "image"
    size: int | None = None

    @classmethod
    def parse(cls, spec: str) -> Output:
        """`image`, `image:8`, `early:16` or `b16`; raises OptionError for anything else."""
        match = _SPEC.match(spec)
        if match is None or (match[1] != "image" and match[2] is None):
            raise OptionError(
                f"unknown output {spec!r}; use image, image:SIZE (averaged), early:SIZE (stop at that block) or bSIZE (its features)"
            )
        return cls(match[1], int(match[2]) if match[2] else None)

    def __str__(self) -> str:
        return self.kind if self.size is None else f"{self.kind}{'' if self.kind == 'b' else ':'}{self.size}"

    def last_resolution(self, generator: Generator) -> int:
        """Resolution of the last block that has to be computed."""
        return generator.img_resolution if self.kind == "image" else int(self.size or generator.img_resolution)

    def __call__(
        self, generator: Generator, ws: Tensor, noise_mode: str = "const", style_offsets: dict[str, Tensor] | None = None
    ) -> Tensor:
        """The response [N, P] to ws [N, num_ws, w_dim]; "image:S" averages, so its entries are mean values.

        `style_offsets` are added to the layers' styles, in generators that can.
        """
        # Only a displacement in s needs the argument, which other families do not have.
        styles = {} if style_offsets is None else {"style_offsets": style_offsets}
        if self.kind == "b":
            features, _ = generator.synthesis.run(ws, noise_mode, self.size, **styles)
            return features.flatten(1)
        image = generator.synthesis(ws, noise_mode, self.size if self.kind == "early" else None, **styles)
        if self.kind == "image" and self.size is not None:
            height, width = image.shape[2:]
            factor, rest = divmod(height, self.size) if 0 < self.size <= height else (0, 0)
            if not factor or rest or width % factor:
                pixels = f"{height} pixels" if height == width else f"{height}x{width} pixels (height x width)"
                raise OptionError(
                    f"the image of {pixels} cannot be averaged to {self.size}; choose one of {', '.join(map(str, _heights(height, width)))}"
                )
            image = F.avg_pool2d(image, factor) if factor > 1 else image
        return image.flatten(1)


def computed_layers(generator: Generator, outputs: Sequence[Output]) -> list[LayerCost]:
    """The costs of the layers that have to be computed for all of `outputs`."""
    last = max(output.last_resolution(generator) for output in outputs)
    return [cost for cost in generator.config.costs() if cost.resolution <= last]


def is_small(generator: Generator) -> bool:
    """Whether whole images are cheap enough to be measured by: up to 64 pixels."""
    return max(generator.image_shape[1:]) <= _SMALL


def default_output(generator: Generator) -> Output:
    """What directions are measured on by default: coarse images, which are cheaper and disentangle better than full ones.

    Up to 64 pixels the image averaged to a quarter; above, where the skip architecture allows, the image accumulated by 32 pixels.
    """
    if is_small(generator):
        return averaged(generator, max(8, generator.img_resolution // 4))
    return early(generator) or averaged(generator, 64)


def moved_output(generator: Generator) -> Output:
    """What axes of z are judged by, and the activeness of directions: the full image up to 64 pixels; above, where the skip architecture
    allows, the image accumulated by 32 pixels, which is far cheaper."""
    stopped = early(generator)
    return Output() if stopped is None or is_small(generator) else stopped


def early(generator: Generator) -> Output | None:
    """The image that the skip architecture has accumulated by the first block of 32 pixels' height; None for other architectures."""
    if getattr(generator.config, "architecture", "") != "skip":
        return None
    heights = [layer.resolution for layer in generator.config.layers()]
    return Output("early", min((height for height in heights if height >= 32), default=heights[-1]))


def averaged(generator: Generator, wanted: int) -> Output:
    """The image averaged to the smallest height of at least `wanted` that it can be averaged to, else as it is."""
    _, height, width = generator.image_shape
    return Output("image", next((size for size in _heights(height, width) if size >= wanted), height))


def shrunk(generator: Generator, images: Tensor, height: int) -> Tensor:
    """Flat images [N, P] of the generator's shape at any size, averaged to the smallest size of at least `height` pixels' height."""
    _, tall, wide = generator.image_shape
    pictures = images.unflatten(1, (generator.img_channels, -1))
    size = math.isqrt(pictures.shape[2] * tall // wide)
    pictures = pictures.unflatten(2, (size, -1))
    factor = size // next((each for each in _heights(*pictures.shape[2:]) if each >= height), size)
    return F.avg_pool2d(pictures, factor).flatten(1) if factor > 1 else images


def _heights(height: int, width: int) -> list[int]:
    """The heights to which an image can be averaged by whole factors, from the smallest up."""
    common = math.gcd(height, width)
    return [height // factor for factor in range(common, 0, -1) if common % factor == 0]
