"""What of a generator's response is compared: the image, the image at a lower resolution, or a block's features."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from orojar_cli.errors import OptionError
from orojar_cli.generators.options import LayerCost
from orojar_cli.generators.protocol import Generator

_SPEC = re.compile(r"(image|early|b)(?::?([1-9]\d{0,4}))?\Z", re.ASCII)


@dataclass(frozen=True)
class Output:
    """A response of the synthesis network.

    `kind` "image" with `size` None is the full image, with a size the image averaged down to it; "early" is the image the skip
    architecture has accumulated by the block of that resolution (cheap: later blocks are not computed); "b" are its features.
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
        """The response [N, P] to ws [N, num_ws, w_dim]; "image:S" averages, so its entries are S x S x C mean values.

        `style_offsets` are added to the layers' styles, in generators that can.
        """
        # Only a displacement in s needs the argument, which other families do not have.
        styles = {} if style_offsets is None else {"style_offsets": style_offsets}
        if self.kind == "b":
            features, _ = generator.synthesis.run(ws, noise_mode, self.size, **styles)
            return features.flatten(1)
        image = generator.synthesis(ws, noise_mode, self.size if self.kind == "early" else None, **styles)
        if self.kind == "image" and self.size is not None:
            factor, rest = divmod(image.shape[-1], self.size)
            if rest or not factor:
                raise OptionError(f"the image of {image.shape[-1]} pixels cannot be averaged to {self.size}; choose a divisor")
            image = F.avg_pool2d(image, factor) if factor > 1 else image
        return image.flatten(1)


def computed_layers(generator: Generator, outputs: Sequence[Output]) -> list[LayerCost]:
    """The costs of the layers that have to be computed for all of `outputs`."""
    last = max(output.last_resolution(generator) for output in outputs)
    return [cost for cost in generator.config.costs() if cost.resolution <= last]


def default_output(generator: Generator) -> Output:
    """What directions are measured on by default: coarse images, which are cheaper and disentangle better than full ones.

    Up to 64 pixels the image averaged to a quarter; above, where the skip architecture allows, the image accumulated by 32 pixels.
    """
    resolution = generator.img_resolution
    if resolution <= 64:
        return Output("image", _divisor(resolution, max(8, resolution // 4)))
    if getattr(generator.config, "architecture", "") == "skip":
        return Output("early", 32)
    return Output("image", _divisor(resolution, 64))


def _divisor(resolution: int, wanted: int) -> int:
    """The smallest size of at least `wanted` that the image can be averaged to; sizes of networks of one's own are any."""
    return next((size for size in range(wanted, resolution) if resolution % size == 0), resolution)
