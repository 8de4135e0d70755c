"""What defines a StyleGAN2 network: its options, its layers, and the shape of every tensor they imply (no torch)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from orojar_cli.errors import UnsupportedCheckpointError

ARCHITECTURES = ("skip", "resnet", "orig")
ACTIVATIONS = ("linear", "relu", "lrelu", "tanh", "sigmoid", "elu", "selu", "softplus", "swish")
Shapes = dict[str, tuple[int, ...]]


class LayerCost(NamedTuple):
    """What one layer costs per image: its resolution, the numbers it reads and writes, and its multiplications."""

    resolution: int
    numbers: int
    multiplications: int


class LayerInfo(NamedTuple):
    """One modulated layer: its name, the entry of `ws` that drives it, its resolution and channels."""

    name: str
    ws: int
    resolution: int
    in_channels: int
    out_channels: int

    @property
    def affine(self) -> str:
        """Name of the affine weight `[in_channels, w_dim]` that turns w into the layer's styles."""
        return f"synthesis.{self.name}.affine.weight"


def checked(name: str, value: Any, low: int, high: int) -> None:
    """Refuse an option outside [low, high] (or of another type) by name."""
    if type(value) is not int or not low <= value <= high:
        raise UnsupportedCheckpointError(f"not supported: {name} = {ascii(value)[:60]} (whole numbers from {low} to {high} are)")


def checked_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """Refuse an option that is none of `choices` by name."""
    if value not in choices:
        raise UnsupportedCheckpointError(f"not supported: {name} = {ascii(value)[:60]} (choices: {', '.join(choices)})")


def checked_number(name: str, value: Any, high: float = 1e6) -> None:
    """Refuse an option that is no number in (0, high) by name."""
    if type(value) not in (int, float) or not 0 < value < high:
        raise UnsupportedCheckpointError(f"not supported: {name} = {ascii(value)[:60]} (positive numbers are)")


def _checked_pixels(name: str, taps: Any, clamp: Any) -> None:
    """Refuse a resample filter without a usable sum, or a clamp that is not positive."""
    if not 1 <= len(taps) <= 32 or not all(type(tap) is float and abs(tap) < 1e6 for tap in taps) or abs(sum(taps)) < 1e-6:
        raise UnsupportedCheckpointError(f"not supported: {name} resample_filter = {ascii(taps)[:60]}")
    if clamp is not None:
        checked_number(f"{name} conv_clamp", clamp, math.inf)


def checked_resolution(resolution: Any) -> None:
    """Refuse an image size that is no power of two from 4 to 2048."""
    checked("img_resolution", resolution, 4, 2048)
    if resolution & (resolution - 1):
        raise UnsupportedCheckpointError(f"not supported: img_resolution = {resolution} (powers of two are)")


@dataclass(frozen=True)
class MappingConfig:
    """The mapping network z (and label) -> w; without `num_ws` and `w_avg_beta` it is the critic's label mapping."""

    z_dim: int
    c_dim: int
    w_dim: int
    num_ws: int | None
    num_layers: int = 8
    embed_features: int | None = None
    layer_features: int | None = None
    activation: str = "lrelu"
    lr_multiplier: float = 0.01
    w_avg_beta: float | None = 0.995

    def __post_init__(self) -> None:
        checked("z_dim", self.z_dim, 0, 8192)
        checked("c_dim", self.c_dim, 0, 100_000)
        checked("w_dim", self.w_dim, 1, 8192)
        checked("mapping num_layers", self.num_layers, 1, 64)
        for name in ("embed_features", "layer_features"):
            if getattr(self, name) is not None:
                checked(f"mapping {name}", getattr(self, name), 1, 8192)
        checked_choice("mapping activation", self.activation, ACTIVATIONS)
        checked_number("mapping lr_multiplier", self.lr_multiplier)
        if self.num_ws is not None:
            checked("num_ws", self.num_ws, 1, 256)
        if self.z_dim == 0 and self.c_dim == 0:
            raise UnsupportedCheckpointError("not supported: a mapping network with neither z nor labels")

    @property
    def embedding(self) -> int:
        """Width of the label embedding, 0 without labels."""
        return (self.embed_features or self.w_dim) if self.c_dim else 0

    @property
    def features(self) -> list[int]:
        """Widths from the first layer's input to the last layer's output."""
        return [self.z_dim + self.embedding, *[self.layer_features or self.w_dim] * (self.num_layers - 1), self.w_dim]

    def shapes(self, prefix: str = "mapping.") -> Shapes:
        """Name and shape of every tensor."""
        shapes: Shapes = {}
        if self.c_dim:
            shapes |= {f"{prefix}embed.weight": (self.embedding, self.c_dim), f"{prefix}embed.bias": (self.embedding,)}
        for index, (inputs, outputs) in enumerate(zip(self.features[:-1], self.features[1:], strict=True)):
            shapes |= {f"{prefix}fc{index}.weight": (outputs, inputs), f"{prefix}fc{index}.bias": (outputs,)}
        if self.w_avg_beta is not None:
            shapes[f"{prefix}w_avg"] = (self.w_dim,)
        return shapes


@dataclass(frozen=True)
class SynthesisConfig:
    """The synthesis network ws -> image."""

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

    def __post_init__(self) -> None:
        checked_resolution(self.img_resolution)
        checked("img_channels", self.img_channels, 1, 4)
        checked("w_dim", self.w_dim, 1, 8192)
        checked("channel_base", self.channel_base, self.img_resolution, 1 << 24)
        checked("channel_max", self.channel_max, 1, 8192)
        checked_choice("architecture", self.architecture, ARCHITECTURES)
        checked_choice("activation", self.activation, ACTIVATIONS)
        _checked_pixels("synthesis", self.resample_filter, self.conv_clamp)
        if type(self.use_noise) is not bool:
            raise UnsupportedCheckpointError("not supported: use_noise is neither true nor false")

    @property
    def resolutions(self) -> list[int]:
        return [1 << power for power in range(2, self.img_resolution.bit_length())]

    def channels(self, resolution: int) -> int:
        return min(self.channel_base // resolution, self.channel_max)

    def has_torgb(self, resolution: int) -> bool:
        return self.architecture == "skip" or resolution == self.img_resolution

    @property
    def num_ws(self) -> int:
        return 2 * len(self.resolutions)

    def layers(self) -> list[LayerInfo]:
        """Every modulated layer in the order of execution."""
        layers, ws = [], 0
        for resolution in self.resolutions:
            width, below = self.channels(resolution), self.channels(max(resolution // 2, 4))
            if resolution > 4:
                layers.append(LayerInfo(f"b{resolution}.conv0", ws, resolution, below, width))
                ws += 1
            layers.append(LayerInfo(f"b{resolution}.conv1", ws, resolution, width, width))
            ws += 1
            if self.has_torgb(resolution):
                layers.append(LayerInfo(f"b{resolution}.torgb", ws, resolution, width, self.img_channels))
        return layers

    def shapes(self, prefix: str = "synthesis.") -> Shapes:
        """Name and shape of every tensor."""
        taps = (len(self.resample_filter),) * 2
        shapes: Shapes = {f"{prefix}b4.const": (self.channels(4), 4, 4)}
        for resolution in self.resolutions:
            shapes[f"{prefix}b{resolution}.resample_filter"] = taps
            if self.architecture == "resnet" and resolution > 4:
                name = f"{prefix}b{resolution}.skip"
                shapes |= {
                    f"{name}.weight": (self.channels(resolution), self.channels(resolution // 2), 1, 1),
                    f"{name}.resample_filter": taps,
                }
        for layer in self.layers():
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
                    shapes |= {f"{name}.noise_strength": (), f"{name}.noise_const": (layer.resolution,) * 2}
        return shapes


@dataclass(frozen=True)
class StyleGAN2Config:
    """A whole StyleGAN2 generator."""

    mapping: MappingConfig
    synthesis: SynthesisConfig
    family: str = field(default="StyleGAN2", init=False)

    def __post_init__(self) -> None:
        if (self.mapping.num_ws, self.mapping.w_dim) != (self.synthesis.num_ws, self.synthesis.w_dim):
            raise UnsupportedCheckpointError("not supported: a mapping network that does not fit its synthesis network")

    @property
    def architecture(self) -> str:
        return self.synthesis.architecture

    @property
    def z_dim(self) -> int:
        return self.mapping.z_dim

    @property
    def c_dim(self) -> int:
        return self.mapping.c_dim

    @property
    def w_dim(self) -> int:
        return self.mapping.w_dim

    @property
    def num_ws(self) -> int:
        return self.synthesis.num_ws

    @property
    def img_resolution(self) -> int:
        return self.synthesis.img_resolution

    @property
    def img_channels(self) -> int:
        return self.synthesis.img_channels

    def layers(self) -> list[LayerInfo]:
        """Every modulated layer in the order of execution."""
        return self.synthesis.layers()

    def costs(self) -> list[LayerCost]:
        """What every layer costs."""
        costs = []
        for layer in self.layers():
            pixels, kernel = layer.resolution**2, 1 if "torgb" in layer.name else 9
            channels = layer.in_channels, layer.out_channels
            costs.append(LayerCost(layer.resolution, sum(channels) * pixels, channels[0] * channels[1] * kernel * pixels))
        return costs

    def shapes(self) -> Shapes:
        """Name and shape of every tensor of the generator."""
        return self.synthesis.shapes() | self.mapping.shapes()


@dataclass(frozen=True)
class CriticConfig:
    """The critic (discriminator) of StyleGAN2; StyleGAN3 uses the same."""

    c_dim: int
    img_resolution: int
    img_channels: int
    channel_base: int = 32768
    channel_max: int = 512
    architecture: str = "resnet"
    resample_filter: tuple[float, ...] = (1.0, 3.0, 3.0, 1.0)
    activation: str = "lrelu"
    conv_clamp: float | None = None
    mbstd_group_size: int | None = 4
    mbstd_num_channels: int = 1
    mapping: MappingConfig | None = None

    def __post_init__(self) -> None:
        checked_resolution(self.img_resolution)
        checked("img_channels", self.img_channels, 1, 4)
        checked("critic channel_base", self.channel_base, self.img_resolution, 1 << 24)
        checked("critic channel_max", self.channel_max, 1, 8192)
        checked("critic mbstd_num_channels", self.mbstd_num_channels, 0, 64)
        if self.mbstd_group_size is not None:
            checked("critic mbstd_group_size", self.mbstd_group_size, 1, 4096)
        checked_choice("critic architecture", self.architecture, ARCHITECTURES)
        checked_choice("critic activation", self.activation, ACTIVATIONS)
        _checked_pixels("critic", self.resample_filter, self.conv_clamp)

    @property
    def resolutions(self) -> list[int]:
        """From the image's resolution down to 8."""
        return [1 << power for power in range(self.img_resolution.bit_length() - 1, 2, -1)]

    def channels(self, resolution: int) -> int:
        return min(self.channel_base // resolution, self.channel_max)

    def has_fromrgb(self, resolution: int) -> bool:
        return self.architecture == "skip" or resolution == self.img_resolution

    def shapes(self) -> Shapes:
        """Name and shape of every tensor."""
        shapes: Shapes = {}
        taps = (len(self.resample_filter),) * 2

        def conv(name: str, inputs: int, outputs: int, kernel: int, bias: bool = True) -> None:
            shapes[f"{name}.weight"] = (outputs, inputs, kernel, kernel)
            shapes[f"{name}.resample_filter"] = taps
            if bias:
                shapes[f"{name}.bias"] = (outputs,)

        for resolution in self.resolutions:
            name, width, below = f"b{resolution}", self.channels(resolution), self.channels(resolution // 2)
            shapes[f"{name}.resample_filter"] = taps
            if self.has_fromrgb(resolution):
                conv(f"{name}.fromrgb", self.img_channels, width, 1)
            conv(f"{name}.conv0", width, width, 3)
            conv(f"{name}.conv1", width, below, 3)
            if self.architecture == "resnet":
                conv(f"{name}.skip", width, below, 1, bias=False)
        width = self.channels(4)
        if self.has_fromrgb(4):
            conv("b4.fromrgb", self.img_channels, width, 1)
        conv("b4.conv", width + self.mbstd_num_channels, width, 3)
        outputs = self.mapping.w_dim if self.mapping else 1
        shapes |= {
            "b4.fc.weight": (width, width * 16),
            "b4.fc.bias": (width,),
            "b4.out.weight": (outputs, width),
            "b4.out.bias": (outputs,),
        }
        return shapes | (self.mapping.shapes() if self.mapping else {})
