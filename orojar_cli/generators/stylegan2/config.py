"""What defines a StyleGAN2 generator: its options, its layers, and the shape of every tensor they imply (no torch)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.generators.mapping_config import MappingConfig
from orojar_cli.generators.options import (
    ACTIVATIONS,
    ARCHITECTURES,
    LayerCost,
    LayerInfo,
    Shapes,
    checked,
    checked_choice,
    checked_pixels,
    checked_resolution,
    checked_start,
)
from orojar_cli.generators.style_config import StyleConfig


@dataclass(frozen=True)
class SynthesisConfig:
    """The synthesis network ws -> image.

    The features begin with `start` rows and columns, and each block doubles both.  Blocks are called after the resolution they would
    have if they began with 4 x 4, and widths follow it; `img_resolution` is that of the last.
    `num_fp16_res` tells in how many of the highest resolutions it was trained in float16, which changes nothing of what it is.
    """

    w_dim: int
    img_resolution: int
    img_channels: int
    channel_base: int = 32768
    channel_max: int = 512
    architecture: str = "skip"
    resample_filter: tuple[float, ...] = (1.0, 3.0, 3.0, 1.0)
    activation: str = "lrelu"
    conv_clamp: float | None = None
    use_noise: bool = True
    start: tuple[int, int] = (4, 4)
    num_fp16_res: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        checked_resolution(self.img_resolution)
        checked_start(self.start, self.img_resolution)
        checked("img_channels", self.img_channels, 1, 4)
        checked("w_dim", self.w_dim, 1, 8192)
        checked("channel_base", self.channel_base, self.img_resolution, 1 << 24)
        checked("channel_max", self.channel_max, 1, 8192)
        checked_choice("architecture", self.architecture, ARCHITECTURES)
        checked_choice("activation", self.activation, ACTIVATIONS)
        checked("num_fp16_res", self.num_fp16_res, 0, 64)
        checked_pixels("synthesis", self.resample_filter, self.conv_clamp)
        if type(self.use_noise) is not bool:
            raise UnsupportedCheckpointError("not supported: use_noise is neither true nor false")

    @property
    def resolutions(self) -> list[int]:
        return [1 << power for power in range(2, self.img_resolution.bit_length())]

    def in_float16(self, resolution: int) -> bool:
        """Whether the block of a resolution was trained in float16; the first never is."""
        return resolution > 4 and resolution << self.num_fp16_res > self.img_resolution

    def size(self, resolution: int) -> tuple[int, int]:
        """Height and width of what the block of a resolution makes."""
        return self.start[0] * resolution // 4, self.start[1] * resolution // 4

    @property
    def heights(self) -> list[int]:
        """Height of what each block makes, in the order of `resolutions`."""
        return [self.size(resolution)[0] for resolution in self.resolutions]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the image."""
        return self.img_channels, *self.size(self.img_resolution)

    def channels(self, resolution: int) -> int:
        return min(self.channel_base // resolution, self.channel_max)

    def has_torgb(self, resolution: int) -> bool:
        return self.architecture == "skip" or resolution == self.img_resolution

    @property
    def num_ws(self) -> int:
        return 2 * len(self.resolutions)

    def block(self, resolution: int) -> list[LayerInfo]:
        """The modulated layers of one block in the order of execution."""
        width, below, height = self.channels(resolution), self.channels(max(resolution // 2, 4)), self.size(resolution)[0]
        ws = max(0, 2 * self.resolutions.index(resolution) - 1)
        sizes = {"conv0": (below, width)} if resolution > 4 else {}
        sizes |= {"conv1": (width, width)} | ({"torgb": (width, self.img_channels)} if self.has_torgb(resolution) else {})
        return [LayerInfo(f"b{resolution}.{name}", ws + place, height, *channels) for place, (name, channels) in enumerate(sizes.items())]

    def layers(self) -> list[LayerInfo]:
        """Every modulated layer in the order of execution."""
        return [layer for resolution in self.resolutions for layer in self.block(resolution)]

    def shapes(self, prefix: str = "synthesis.") -> Shapes:
        """Name and shape of every tensor."""
        taps = (len(self.resample_filter),) * 2
        shapes: Shapes = {f"{prefix}b4.const": (self.channels(4), *self.start)}
        for resolution in self.resolutions:
            shapes[f"{prefix}b{resolution}.resample_filter"] = taps
            if self.architecture == "resnet" and resolution > 4:
                name = f"{prefix}b{resolution}.skip"
                shapes |= {
                    f"{name}.weight": (self.channels(resolution), self.channels(resolution // 2), 1, 1),
                    f"{name}.resample_filter": taps,
                }
        for resolution, layer in ((each, layer) for each in self.resolutions for layer in self.block(each)):
            name, is_conv = prefix + layer.name, "conv" in layer.name
            kernel = 3 if is_conv else 1
            shapes |= {
                f"{name}.weight": (layer.out_channels, layer.in_channels, kernel, kernel),
                f"{name}.bias": (layer.out_channels,),
                f"{name}.affine.weight": (layer.in_channels, self.w_dim),
                f"{name}.affine.bias": (layer.in_channels,),
            }
            if is_conv:
                shapes[f"{name}.resample_filter"] = taps
                if self.use_noise:
                    shapes |= {f"{name}.noise_strength": (), f"{name}.noise_const": self.size(resolution)}
        return shapes


@dataclass(frozen=True)
class StyleGAN2Config(StyleConfig):
    """A whole StyleGAN2 generator."""

    synthesis: SynthesisConfig
    family: str = field(default="StyleGAN2", init=False)

    @classmethod
    def from_dict(cls, options: dict[str, Any]) -> StyleGAN2Config:
        """The inverse of dataclasses.asdict."""
        synthesis = dict(options["synthesis"])
        synthesis["resample_filter"] = tuple(map(float, synthesis["resample_filter"]))
        synthesis["start"] = tuple(synthesis.get("start", (4, 4)))
        network = SynthesisConfig(**synthesis)
        return cls(MappingConfig(**options["mapping"]), network, substitutes=options.get("substitutes", ()))

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the image."""
        return self.synthesis.image_shape

    @property
    def architecture(self) -> str:
        return self.synthesis.architecture

    def costs(self) -> list[LayerCost]:
        """What every layer costs."""
        costs, (rows, columns) = [], self.synthesis.start
        for layer in self.layers():
            pixels, kernel = layer.resolution**2 * columns // rows, 1 if "torgb" in layer.name else 9
            channels = layer.in_channels, layer.out_channels
            costs.append(LayerCost(layer.resolution, sum(channels) * pixels, channels[0] * channels[1] * kernel * pixels))
        return costs
