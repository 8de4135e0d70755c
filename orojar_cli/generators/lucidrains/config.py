"""What defines a network of lucidrains' stylegan2-pytorch (no torch): StyleGAN2's idea with other arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.generators.mapping_config import MappingConfig
from orojar_cli.generators.options import LayerCost, LayerInfo, Shapes, checked
from orojar_cli.generators.style_config import StyleConfig

START, KERNEL = 4, 3
HEADS, HEAD = 8, 64  # of attention: how many heads, and the channels of each
OPEN = ("lr_mlp",)  # what a file without its .config.json does not say


@dataclass(frozen=True)
class SynthesisConfig:
    """A constant of 4x4 pixels and a plain convolution; then a block for each resolution, which one w drives.

    With `start_from_w` (their no_const) there is no constant: the first 4x4 pixels are linear in the mean over the entries of ws.
    `attention` are the numbers of the blocks before which, and before their enlargement, linear attention is paid to all pixels.

    Behind the first block each begins with a bilinear enlargement.  Its two modulated convolutions have no bias of their own: noise comes
    from one map for the whole network, whose upper left corner a layer takes, through an affine map for every channel.  The images of
    the blocks are summed.
    `channels` are the blocks' widths from 4x4 up.
    """

    w_dim: int
    channels: tuple[int, ...]
    img_channels: int = 3
    start_from_w: bool = False
    attention: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        checked("w_dim", self.w_dim, 1, 8192)
        checked("number of resolutions", len(self.channels), 2, 10)
        for width in self.channels:
            checked("channels", width, 1, 8192)
        checked("img_channels", self.img_channels, 1, 4)
        checked("attention layers", len(self.attention), 0, len(self.channels))
        for block in self.attention:
            checked("attention layer", block, 0, len(self.channels) - 1)
        if type(self.start_from_w) is not bool:
            raise UnsupportedCheckpointError(f"not supported: start_from_w = {ascii(self.start_from_w)[:60]} (true and false are)")

    @property
    def resolutions(self) -> list[int]:
        return [START << index for index in range(len(self.channels))]

    @property
    def img_resolution(self) -> int:
        return self.resolutions[-1]

    @property
    def num_ws(self) -> int:
        return len(self.channels)

    def layers(self) -> list[LayerInfo]:
        """Every modulated layer in the order of execution."""
        found = []
        for level, resolution in enumerate(self.resolutions):
            below, width = self.channels[max(level - 1, 0)], self.channels[level]
            found += [
                LayerInfo(f"b{resolution}.conv1", level, resolution, below, width),
                LayerInfo(f"b{resolution}.conv2", level, resolution, width, width),
                LayerInfo(f"b{resolution}.torgb", level, resolution, width, self.img_channels),
            ]
        return found

    def shapes(self, prefix: str = "synthesis.") -> Shapes:
        """Name and shape of every tensor."""
        first = self.channels[0]
        shapes: Shapes = {
            f"{prefix}const": (self.w_dim, first, START, START) if self.start_from_w else (first, START, START),
            f"{prefix}first.weight": (first, first, KERNEL, KERNEL),
            f"{prefix}first.bias": (first,),
            f"{prefix}noise_const": (self.img_resolution,) * 2,
        }
        for layer in self.layers():
            name, is_convolution = prefix + layer.name, "conv" in layer.name
            kernel = KERNEL if is_convolution else 1
            shapes |= {
                f"{name}.weight": (layer.out_channels, layer.in_channels, kernel, kernel),
                f"{name}.affine.weight": (layer.in_channels, self.w_dim),
                f"{name}.affine.bias": (layer.in_channels,),
            }
            if is_convolution:
                shapes |= {f"{name}.noise_strength": (layer.out_channels,), f"{name}.bias": (layer.out_channels,)}
        for block in self.attention:
            width, name = self.width_before(block), f"{prefix}{self.attention_name(block)}"
            shapes |= {f"{name}.{norm}.{part}": (width,) for norm in ("norm", "norm2") for part in ("weight", "bias")}
            shapes |= {
                f"{name}.query.weight": (HEADS * HEAD, width, 1, 1),
                f"{name}.near.weight": (width, 1, KERNEL, KERNEL),
                f"{name}.key_value.weight": (2 * HEADS * HEAD, width, 1, 1),
                f"{name}.out.weight": (width, HEADS * HEAD, 1, 1),
                f"{name}.out.bias": (width,),
                f"{name}.widen.weight": (2 * width, width, 1, 1),
                f"{name}.widen.bias": (2 * width,),
                f"{name}.narrow.weight": (width, 2 * width, 1, 1),
                f"{name}.narrow.bias": (width,),
            }
        return shapes

    def width_before(self, block: int) -> int:
        """Channels of what a block is given."""
        return self.channels[max(block - 1, 0)]

    def attention_name(self, block: int) -> str:
        """The module of the attention before a block."""
        return f"b{self.resolutions[block]}.attention"


@dataclass(frozen=True)
class LucidrainsConfig(StyleConfig):
    """A whole generator; the mapping's learning-rate multiplier, which `.config.json` calls lr_mlp, acts in the forward pass."""

    synthesis: SynthesisConfig
    assumed: tuple[str, ...] = field(default=(), kw_only=True, compare=False)
    family: str = field(default="lucidrains", init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not {*self.assumed} <= {*OPEN}:
            raise UnsupportedCheckpointError("not supported: a network with options left open that orojar does not know")

    @classmethod
    def from_dict(cls, options: dict[str, Any]) -> LucidrainsConfig:
        """The inverse of dataclasses.asdict."""
        rows = {name: tuple(options["synthesis"].get(name, ())) for name in ("channels", "attention")}
        synthesis = SynthesisConfig(**options["synthesis"] | rows)
        more = {name: tuple(options.get(name, ())) for name in ("substitutes", "assumed")}
        return cls(MappingConfig(**options["mapping"]), synthesis, **more)

    def with_options(self, values: Mapping[str, Any], assumed: tuple[str, ...]) -> LucidrainsConfig:
        """This network with another lr_mlp."""
        return replace(self, mapping=replace(self.mapping, lr_multiplier=values["lr_mlp"]), assumed=assumed)

    @property
    def lr_mlp(self) -> float:
        return self.mapping.lr_multiplier

    @property
    def architecture(self) -> str:
        return "skip, one w a block"

    def costs(self) -> list[LayerCost]:
        """What every layer costs; the plain convolution of a constant does not depend on the latent and is not counted."""
        width, pixels = self.synthesis.channels[0], START**2
        start = LayerCost(START, self.w_dim + 3 * width * pixels, (self.w_dim + width * KERNEL**2) * width * pixels)
        return (
            [start] * self.synthesis.start_from_w
            + [self._attention(block) for block in self.synthesis.attention]
            + [
                LayerCost(
                    layer.resolution,
                    (layer.in_channels + layer.out_channels) * layer.resolution**2,
                    layer.in_channels * layer.out_channels * (1 if "torgb" in layer.name else KERNEL**2) * layer.resolution**2,
                )
                for layer in self.layers()
            ]
        )

    def _attention(self, block: int) -> LayerCost:
        """What the attention before a block costs: it is computed with the block, at the resolution of the one before."""
        width, inner = self.synthesis.width_before(block), HEADS * HEAD
        pixels = self.synthesis.resolutions[max(block - 1, 0)] ** 2
        return LayerCost(
            self.synthesis.resolutions[block],
            (8 * width + 4 * inner) * pixels,
            (KERNEL**2 * width + 4 * width * inner + 2 * inner * HEAD + 4 * width**2) * pixels,
        )
