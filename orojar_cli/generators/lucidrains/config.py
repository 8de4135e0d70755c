"""What defines a generator of lucidrains' stylegan2-pytorch (no torch)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from orojar_cli.generators.mapping_config import MappingConfig
from orojar_cli.generators.options import LayerCost, LayerInfo, Shapes, checked
from orojar_cli.generators.style_config import StyleConfig

START = 4


@dataclass(frozen=True)
class BlocksConfig:
    """The synthesis network ws [N, blocks, w_dim] -> image: a learned constant of 4x4 pixels, a convolution, and a block of two modulated
    convolutions and a ToRGB for each resolution, with outputs `channels`."""

    w_dim: int
    channels: tuple[int, ...]
    img_channels: int = 3

    def __post_init__(self) -> None:
        checked("w_dim", self.w_dim, 1, 8192)
        checked("number of blocks", len(self.channels), 2, 10)
        checked("img_channels", self.img_channels, 1, 4)
        for width in self.channels:
            checked("channels", width, 1, 8192)

    @property
    def resolutions(self) -> list[int]:
        return [START << index for index in range(len(self.channels))]

    @property
    def img_resolution(self) -> int:
        return self.resolutions[-1]

    @property
    def num_ws(self) -> int:
        return len(self.channels)

    def block(self, index: int) -> list[LayerInfo]:
        """The modulated layers of one block in the order of execution; all read one entry of ws."""
        width, below, size = self.channels[index], self.channels[max(index - 1, 0)], START << index
        return [
            LayerInfo(f"b{size}.conv1", index, size, below, width),
            LayerInfo(f"b{size}.conv2", index, size, width, width),
            LayerInfo(f"b{size}.torgb", index, size, width, self.img_channels),
        ]

    def layers(self) -> list[LayerInfo]:
        """Every modulated layer in the order of execution."""
        return [layer for index in range(len(self.channels)) for layer in self.block(index)]

    def shapes(self, prefix: str = "synthesis.") -> Shapes:
        """Name and shape of every tensor."""
        first = self.channels[0]
        shapes: Shapes = {
            f"{prefix}const": (first, START, START),
            f"{prefix}initial.weight": (first, first, 3, 3),
            f"{prefix}initial.bias": (first,),
            f"{prefix}noise_map": (self.img_resolution,) * 2,
        }
        for layer in self.layers():
            name, is_conv = prefix + layer.name, "conv" in layer.name
            kernel = 3 if is_conv else 1
            shapes |= {
                f"{name}.weight": (layer.out_channels, layer.in_channels, kernel, kernel),
                f"{name}.affine.weight": (layer.in_channels, self.w_dim),
                f"{name}.affine.bias": (layer.in_channels,),
            }
            if is_conv:
                shapes |= {f"{name}.noise_weight": (layer.out_channels,), f"{name}.bias": (layer.out_channels,)}
        return shapes


@dataclass(frozen=True)
class LucidrainsConfig(StyleConfig):
    """A whole generator."""

    synthesis: BlocksConfig
    family: str = field(default="StyleGAN2 (lucidrains)", init=False)

    @classmethod
    def from_dict(cls, options: dict[str, Any]) -> LucidrainsConfig:
        """The inverse of dataclasses.asdict."""
        synthesis = options["synthesis"] | {"channels": tuple(options["synthesis"]["channels"])}
        return cls(MappingConfig(**options["mapping"]), BlocksConfig(**synthesis), substitutes=options.get("substitutes", ()))

    @property
    def architecture(self) -> str:
        """Images are accumulated from block to block, as in StyleGAN2's architecture of that name."""
        return "skip"

    def costs(self) -> list[LayerCost]:
        """What every layer costs."""
        costs = []
        for layer in self.layers():
            pixels, kernel = layer.resolution**2, 1 if "torgb" in layer.name else 9
            numbers = (layer.in_channels + layer.out_channels) * pixels
            costs.append(LayerCost(layer.resolution, numbers, layer.in_channels * layer.out_channels * kernel * pixels))
        return costs
