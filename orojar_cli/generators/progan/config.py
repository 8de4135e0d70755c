"""What defines a ProGAN generator (Karras et al. 2018, arXiv 1710.10196, Table 2): the widths of its blocks (no torch)."""

from __future__ import annotations

from dataclasses import dataclass, field

from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.generators.options import LayerCost, Shapes, checked, checked_choice
from orojar_cli.generators.unmapped_config import OUTPUTS, START, IdentityMapping, UnmappedConfig

KERNEL = 3


@dataclass(frozen=True)
class ProGANConfig(UnmappedConfig):
    """A linear layer from z to 4x4 pixels and a convolution; then, for every doubling, nearest upsampling and two convolutions.

    `channels` are the blocks' outputs from 4x4 up.  Behind every layer are a leaky ReLU of `slope` and a pixel normalisation; a 1x1
    convolution makes the image of `img_channels` from the last block, and `output` its numbers.
    Implementations differ: `normalised_latent` brings what the first layer reads to unit second moment; with `normalised_z` z is brought
    there before, so that w is normalised, and a step from w is normalised once more; `bare_start` leaves out what is behind the
    linear layer, `equalised` weights are scaled by sqrt(2 / fan-in) when used, and with `scaled_bias` their biases too.  With
    `fade` > 0 the network stopped while growing: that share of the image still comes from the block before the last.
    """

    img_channels: int = 3
    normalised_latent: bool = True
    normalised_z: bool = False
    bare_start: bool = False
    equalised: bool = True
    scaled_bias: bool = True
    slope: float = 0.2
    output: str = "linear"
    fade: float = 0.0
    family: str = field(default="ProGAN", init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        checked("img_channels", self.img_channels, 1, 4)
        checked_choice("output", self.output, OUTPUTS)
        for name, high in (("slope", 1.0), ("fade", 0.999999)):
            value = getattr(self, name)
            if type(value) is not float or not 0 <= value <= high:
                raise UnsupportedCheckpointError(f"not supported: {name} = {ascii(value)[:60]} (numbers from 0 to below 1 are)")

    @property
    def mapping(self) -> IdentityMapping:
        return IdentityMapping(self.z_dim, self.c_dim, normalised=self.normalised_z)

    @property
    def synthesis(self) -> ProGANConfig:
        return self

    @property
    def architecture(self) -> str:
        return "progressively grown" + (f", {self.fade:.0%} of the image from {self.resolutions[-2]} pixels" if self.fade else "")

    def convolutions(self) -> list[tuple[str, int, int, int]]:
        """(name, resolution, inputs, outputs) of every 3x3 convolution in the order of execution."""
        first = self.channels[0]
        result = [("b4.conv1", START, first, first)]
        for resolution, inputs, outputs in zip(self.resolutions[1:], self.channels[:-1], self.channels[1:], strict=True):
            result += [(f"b{resolution}.conv0", resolution, inputs, outputs), (f"b{resolution}.conv1", resolution, outputs, outputs)]
        return result

    def costs(self) -> list[LayerCost]:
        """What the first layer, every convolution and the last 1x1 convolution cost."""
        first = START**2 * self.channels[0]
        costs = [LayerCost(START, self.w_dim + first, self.w_dim * first)]
        for _, resolution, inputs, outputs in self.convolutions():
            costs.append(LayerCost(resolution, (inputs + outputs) * resolution**2, inputs * outputs * KERNEL**2 * resolution**2))
        pixels, width = self.img_resolution**2, self.channels[-1]
        return [*costs, LayerCost(self.img_resolution, (width + self.img_channels) * pixels, width * self.img_channels * pixels)]

    def shapes(self, prefix: str = "synthesis.") -> Shapes:
        """Name and shape of every tensor."""
        first = START**2 * self.channels[0]
        shapes: Shapes = {f"{prefix}first.affine.weight": (first, self.w_dim), f"{prefix}first.affine.bias": (first,)}
        for name, _, inputs, outputs in self.convolutions():
            shapes |= {f"{prefix}{name}.weight": (outputs, inputs, KERNEL, KERNEL), f"{prefix}{name}.bias": (outputs,)}
        for name, width in {"torgb": self.channels[-1], "torgb_before": self.channels[-2]}.items():
            if name == "torgb" or self.fade:
                shapes |= {f"{prefix}{name}.weight": (self.img_channels, width, 1, 1), f"{prefix}{name}.bias": (self.img_channels,)}
        return shapes | {"mapping.w_avg": (self.w_dim,)}
