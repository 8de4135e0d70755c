"""What defines a StyleGAN generator (Karras et al. 2019, arXiv 1812.04948): widths, and where its implementations differ (no torch)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.generators.mapping_config import MappingConfig
from orojar_cli.generators.options import LayerCost, LayerInfo, Shapes, checked, checked_number
from orojar_cli.generators.style_config import StyleConfig

START, KERNEL = 4, 3
OPEN = ("step", "fade")  # what some files do not say


@dataclass(frozen=True)
class SynthesisConfig:
    """A constant of 4x4 pixels and a convolution; then, for every doubling, two convolutions.

    Behind each come noise, bias, leaky ReLU, and AdaIN: an instance normalisation, then the scale and shift that the layer's w gives.
    A 1x1 convolution of the last resolution makes the image.  `channels` are the widths from 4x4 up of
    all resolutions that the file has; number `step` of them, counted from 0, is the last one that is drawn with.
    Implementations differ: in the instance normalisation's `epsilon`; with `bias_before_blur` the bias stands right behind the
    convolution, before the blur and the noise; with `shared_noise` the two layers of a resolution get the same noise.
    With `start_from_w` there is no constant: the first 4x4 pixels are linear in the first entry of ws.
    With `fade` > 0 the network stopped while growing: that share of the image still comes from the resolution before the last.
    """

    w_dim: int
    channels: tuple[int, ...]
    step: int
    img_channels: int = 3
    epsilon: float = 1e-8
    bias_before_blur: bool = False
    shared_noise: bool = False
    fade: float = 0.0
    start_from_w: bool = False

    def __post_init__(self) -> None:
        checked("w_dim", self.w_dim, 1, 8192)
        checked("number of resolutions", len(self.channels), 2, 10)
        for width in self.channels:
            checked("channels", width, 1, 8192)
        checked("step", self.step, 1, len(self.channels) - 1)
        checked("img_channels", self.img_channels, 1, 4)
        checked_number("epsilon", self.epsilon, 1.0)
        for name in ("bias_before_blur", "shared_noise", "start_from_w"):
            if type(getattr(self, name)) is not bool:
                raise UnsupportedCheckpointError(f"not supported: {name} is neither true nor false")
        if type(self.fade) is not float or not 0 <= self.fade < 1:
            raise UnsupportedCheckpointError(f"not supported: fade = {ascii(self.fade)[:60]} (numbers from 0 to below 1 are)")

    @property
    def resolutions(self) -> list[int]:
        """Those that are drawn with."""
        return [START << index for index in range(self.step + 1)]

    @property
    def img_resolution(self) -> int:
        return START << self.step

    @property
    def num_ws(self) -> int:
        return 2 * (self.step + 1)

    @property
    def start_shape(self) -> tuple[int, ...]:
        """Of the constant, or with `start_from_w` of what makes the first pixels of w."""
        constant = self.channels[0], START, START
        return (self.w_dim, *constant) if self.start_from_w else constant

    def layers(self, step: int | None = None) -> list[LayerInfo]:
        """Every modulated layer in the order of execution, up to resolution number `step`; the first has no convolution."""
        below = (self.channels[0], *self.channels)
        return [
            LayerInfo(f"b{START << level}.conv{index}", 2 * level + index, START << level, below[level + index], self.channels[level])
            for level in range((self.step if step is None else step) + 1)
            for index in (0, 1)
        ]

    def shapes(self, prefix: str = "synthesis.") -> Shapes:
        """Name and shape of every tensor, also of resolutions that are not drawn with."""
        shapes: Shapes = {f"{prefix}b4.const": self.start_shape}
        for layer in self.layers(len(self.channels) - 1):
            name, block = prefix + layer.name, prefix + layer.name.partition(".")[0]
            if layer.ws:
                shapes[f"{name}.weight"] = layer.out_channels, layer.in_channels, KERNEL, KERNEL
            shapes |= {
                f"{name}.bias": (layer.out_channels,),
                f"{name}.affine.weight": (2 * layer.out_channels, self.w_dim),
                f"{name}.affine.bias": (2 * layer.out_channels,),
                f"{name}.noise_strength": (layer.out_channels,),
                f"{block if self.shared_noise else name}.noise_const": (layer.resolution,) * 2,
            }
        for level, width in enumerate(self.channels):
            name = f"{prefix}b{START << level}.torgb"
            shapes |= {f"{name}.weight": (self.img_channels, width, 1, 1), f"{name}.bias": (self.img_channels,)}
        return shapes


@dataclass(frozen=True)
class StyleGAN1Config(StyleConfig):
    """A whole StyleGAN generator."""

    synthesis: SynthesisConfig
    assumed: tuple[str, ...] = field(default=(), kw_only=True, compare=False)
    family: str = field(default="StyleGAN", init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not {*self.assumed} <= {*OPEN}:
            raise UnsupportedCheckpointError("not supported: a network with options left open that orojar does not know")

    @classmethod
    def of(cls, mapping: MappingConfig, synthesis: SynthesisConfig, **more: Any) -> StyleGAN1Config:
        """The configuration of these networks, with one w for every layer that is drawn with."""
        return cls(replace(mapping, num_ws=synthesis.num_ws), synthesis, **more)

    @classmethod
    def from_dict(cls, options: dict[str, Any]) -> StyleGAN1Config:
        """The inverse of dataclasses.asdict."""
        synthesis = SynthesisConfig(**options["synthesis"] | {"channels": tuple(options["synthesis"]["channels"])})
        more = {name: tuple(options.get(name, ())) for name in ("substitutes", "assumed")}
        return cls(MappingConfig(**options["mapping"]), synthesis, **more)

    def with_options(self, values: Mapping[str, Any], assumed: tuple[str, ...]) -> StyleGAN1Config:
        """This network with other values of options that its file leaves open; `assumed` are those still open."""
        return self.of(self.mapping, replace(self.synthesis, **values), substitutes=self.substitutes, assumed=assumed)

    @property
    def file_ending(self) -> str | None:
        """How the name of its file must end for the file to be read as this network, where its name says something."""
        return f".train_step-{self.step}.model" if self.assumed == ("fade",) else None

    @property
    def step(self) -> int:
        return self.synthesis.step

    @property
    def fade(self) -> float:
        return self.synthesis.fade

    @property
    def architecture(self) -> str:
        fade, resolutions = self.synthesis.fade, self.synthesis.resolutions
        return "progressively grown" + (f", {fade:.0%} of the image from {resolutions[-2]} pixels" if fade else "")

    def costs(self) -> list[LayerCost]:
        """What every layer costs; the 1x1 convolution that makes the image is counted with the last."""
        costs = []
        for layer in self.layers():
            pixels = layer.resolution**2
            image = self.img_channels if layer.ws == self.num_ws - 1 else 0
            start = self.w_dim if self.synthesis.start_from_w else 0
            multiplications = (layer.in_channels * KERNEL**2 if layer.ws else start) + image
            costs.append(
                LayerCost(
                    layer.resolution,
                    (layer.in_channels + layer.out_channels + image) * pixels,
                    layer.out_channels * multiplications * pixels,
                )
            )
        return costs
