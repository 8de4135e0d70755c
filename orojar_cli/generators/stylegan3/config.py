"""What defines a StyleGAN3 network: its options, the band limits of its layers, and the shape of every tensor (no torch)."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.generators.mapping_config import MappingConfig
from orojar_cli.generators.options import LayerCost, LayerInfo, Shapes, checked, checked_number, checked_resolution
from orojar_cli.generators.style_config import StyleConfig


class Band(NamedTuple):
    """The signal between two layers: what frequencies it holds, how densely and on how many pixels it is sampled."""

    cutoff: float
    half_width: float
    rate: int
    size: int
    channels: int


class AliasFreeLayer(NamedTuple):
    """One layer: convolution, upsampling to the temporary rate, rectifier, downsampling."""

    name: str
    source: Band
    target: Band
    is_torgb: bool
    is_critical: bool
    kernel: int
    up: int
    down: int
    up_taps: int
    down_taps: int
    padding: tuple[int, int]
    radial: bool

    @property
    def temporary_rate(self) -> int:
        """Sampling rate at which the rectifier is applied."""
        return self.source.rate * self.up


class AliasFreeNetwork:
    """What the layers of a synthesis network say of it; `bands` are the signals, the first that of the Fourier features.

    `num_fp16_res` tells in how many of the highest sampling rates it was trained in float16, which changes nothing of what it is.
    """

    w_dim: int
    img_resolution: int
    num_fp16_res: int
    bands: Any

    def alias_free_layers(self) -> list[AliasFreeLayer]:
        """Every layer in the order of execution; the last is ToRGB."""
        raise NotImplementedError

    def in_float16(self, layer: AliasFreeLayer) -> bool:
        """Whether a layer was trained in float16."""
        return layer.target.rate << self.num_fp16_res > self.img_resolution

    @property
    def num_ws(self) -> int:
        """One entry for the input, then one for each layer."""
        return len(self.alias_free_layers()) + 1

    def layers(self) -> list[LayerInfo]:
        """Every modulated layer in the order of execution; `resolution` is the sampling rate, without the margins around it."""
        first = self.bands[0]
        return [LayerInfo("input", 0, first.rate, 4, first.channels)] + [
            LayerInfo(layer.name, index + 1, layer.target.rate, layer.source.channels, layer.target.channels)
            for index, layer in enumerate(self.alias_free_layers())
        ]

    def shapes(self, prefix: str = "synthesis.") -> Shapes:
        """Name and shape of every tensor."""
        width = self.bands[0].channels
        shapes: Shapes = {
            f"{prefix}input.weight": (width, width),
            f"{prefix}input.transform": (3, 3),
            f"{prefix}input.freqs": (width, 2),
            f"{prefix}input.phases": (width,),
            f"{prefix}input.affine.weight": (4, self.w_dim),
            f"{prefix}input.affine.bias": (4,),
        }
        for layer in self.alias_free_layers():
            name, inputs, outputs = prefix + layer.name, layer.source.channels, layer.target.channels
            shapes |= {
                f"{name}.weight": (outputs, inputs, layer.kernel, layer.kernel),
                f"{name}.bias": (outputs,),
                f"{name}.magnitude_ema": (),
                f"{name}.affine.weight": (inputs, self.w_dim),
                f"{name}.affine.bias": (inputs,),
            }
            if layer.up_taps > 1:
                shapes[f"{name}.up_filter"] = (layer.up_taps,)
            if layer.down_taps > 1:
                shapes[f"{name}.down_filter"] = (layer.down_taps,) * (2 if layer.radial else 1)
        return shapes


@dataclass(frozen=True)
class AliasFreeConfig(AliasFreeNetwork):
    """The synthesis network ws -> image.  Defaults are those of configuration T."""

    w_dim: int
    img_resolution: int
    img_channels: int
    channel_base: int = 32768
    channel_max: int = 512
    num_layers: int = 14
    num_critical: int = 2
    first_cutoff: float = 2.0
    first_stopband: float = 2**2.1
    last_stopband_rel: float = 2**0.3
    margin_size: int = 10
    output_scale: float = 0.25
    conv_kernel: int = 3
    filter_size: int = 6
    lrelu_upsampling: int = 2
    use_radial_filters: bool = False
    conv_clamp: float | None = 256.0
    num_fp16_res: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        checked_resolution(self.img_resolution)
        checked("num_fp16_res", self.num_fp16_res, 0, 64)
        for name, low, high in (
            ("img_channels", 1, 4),
            ("w_dim", 1, 8192),
            ("channel_base", 1, 1 << 24),
            ("channel_max", 1, 8192),
            ("num_layers", 1, 64),
            ("num_critical", 0, self.num_layers - 1 if type(self.num_layers) is int else 0),
            ("margin_size", 0, 256),
            ("conv_kernel", 1, 15),
            ("filter_size", 1, 32),
            ("lrelu_upsampling", 1, 8),
        ):
            checked(name, getattr(self, name), low, high)
        for name in ("first_cutoff", "first_stopband", "last_stopband_rel", "output_scale"):
            checked_number(name, getattr(self, name), 4096)
            if getattr(self, name) < 0.01:
                raise UnsupportedCheckpointError(f"not supported: {name} = {getattr(self, name):.3g} (0.01 and more is)")
        if self.conv_clamp is not None:
            checked_number("conv_clamp", self.conv_clamp, math.inf)
        if type(self.use_radial_filters) is not bool:
            raise UnsupportedCheckpointError("not supported: use_radial_filters is neither true nor false")
        if self.lrelu_upsampling & (self.lrelu_upsampling - 1):
            raise UnsupportedCheckpointError(f"not supported: lrelu_upsampling = {self.lrelu_upsampling} (1, 2, 4 and 8 are)")
        if any(band.half_width <= 0 for band in self.bands):
            raise UnsupportedCheckpointError("not supported: StyleGAN3 options whose layers have no room for their filters")

    @functools.cached_property
    def bands(self) -> list[Band]:
        """The signals behind layers 0..num_layers (arXiv 2106.12423, section 3.3 and appendix C): geometric progressions of cutoff
        and stopband that reach the image's own limits `num_critical` layers before the end."""
        last_cutoff = self.img_resolution / 2
        last_stopband = last_cutoff * self.last_stopband_rel
        bands = []
        for index in range(self.num_layers + 1):
            exponent = min(index / (self.num_layers - self.num_critical), 1)
            cutoff = self.first_cutoff * (last_cutoff / self.first_cutoff) ** exponent
            stopband = self.first_stopband * (last_stopband / self.first_stopband) ** exponent
            rate = 1 << max(0, math.ceil(math.log2(min(2 * stopband, self.img_resolution))))
            is_last, is_image = index >= self.num_layers - 1, index == self.num_layers
            bands.append(
                Band(
                    cutoff,
                    max(stopband, rate / 2) - cutoff,
                    rate,
                    self.img_resolution if is_last else rate + 2 * self.margin_size,
                    self.img_channels if is_image else max(1, round(min(self.channel_base / 2 / cutoff, self.channel_max))),
                )
            )
        return bands

    def alias_free_layers(self) -> list[AliasFreeLayer]:
        """Every layer in the order of execution; the last is ToRGB."""
        layers = []
        for index, target in enumerate(self.bands):
            source = self.bands[max(index - 1, 0)]
            is_torgb, is_critical = index == self.num_layers, index >= self.num_layers - self.num_critical
            kernel = 1 if is_torgb else self.conv_kernel
            temporary = max(source.rate, target.rate) * (1 if is_torgb else self.lrelu_upsampling)
            up, down = temporary // source.rate, temporary // target.rate
            up_taps = self.filter_size * up if up > 1 and not is_torgb else 1
            down_taps = self.filter_size * down if down > 1 and not is_torgb else 1
            # What the zero-inserted grid lacks (or has too much of) for the filters to leave exactly the target's pixels.
            total = (target.size - 1) * down + 1 - (source.size + kernel - 1) * up + up_taps + down_taps - 2
            before = (total + up) // 2
            radial = self.use_radial_filters and not is_critical and down_taps > 1
            layers.append(
                AliasFreeLayer(
                    f"L{index}_{target.size}_{target.channels}",
                    *(source, target, is_torgb, is_critical, kernel, up, down, up_taps, down_taps),
                    (before, total - before),
                    radial,
                )
            )
        return layers


@dataclass(frozen=True)
class StyleGAN3Config(StyleConfig):
    """A whole StyleGAN3 generator."""

    synthesis: Any
    family: str = field(default="StyleGAN3", init=False)

    @classmethod
    def from_dict(cls, options: dict[str, Any]) -> StyleGAN3Config:
        """The inverse of dataclasses.asdict."""
        mapping, synthesis = MappingConfig(**options["mapping"]), AliasFreeConfig(**options["synthesis"])
        return cls(mapping, synthesis, substitutes=options.get("substitutes", ()))

    @property
    def architecture(self) -> str:
        """T (translation equivariant), R (and rotation equivariant), or what lies between."""
        kind = self.synthesis.conv_kernel, self.synthesis.use_radial_filters
        return {(3, False): "T", (1, True): "R"}.get(kind, f"{kind[0]}x{kind[0]} {'radial' if kind[1] else 'separable'}")

    def costs(self) -> list[LayerCost]:
        """What every layer costs; between its filters a layer works at `up` times its source's density."""
        costs = []
        for layer in self.synthesis.alias_free_layers():
            source, target = layer.source, layer.target
            numbers = source.channels * source.size**2 + 2 * target.channels * (source.size * layer.up) ** 2
            multiplications = source.channels * target.channels * layer.kernel**2 * source.size**2
            costs.append(LayerCost(target.rate, numbers, multiplications))
        return costs
