"""What defines a ProGAN generator (Karras et al. 2018, arXiv 1710.10196, Table 2): the widths of its blocks (no torch)."""

from __future__ import annotations

from dataclasses import dataclass, field

from orojar_cli.generators.options import LayerCost, Shapes, checked
from orojar_cli.generators.unmapped_config import START, UnmappedConfig

KERNEL = 3


@dataclass(frozen=True)
class ProGANConfig(UnmappedConfig):
    """A linear layer from z to 4x4 pixels and a convolution; then, for every doubling, nearest upsampling and two convolutions.

    `channels` are the blocks' outputs from 4x4 up.  Behind every layer are a leaky ReLU and a pixel normalisation; a linear 1x1
    convolution makes the image of `img_channels` from the last block.
    """

    img_channels: int = 3
    family: str = field(default="ProGAN", init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        checked("img_channels", self.img_channels, 1, 4)

    @property
    def synthesis(self) -> ProGANConfig:
        return self

    @property
    def architecture(self) -> str:
        return "progressively grown"

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
        costs = [LayerCost(START, self.z_dim + first, self.z_dim * first)]
        for _, resolution, inputs, outputs in self.convolutions():
            costs.append(LayerCost(resolution, (inputs + outputs) * resolution**2, inputs * outputs * KERNEL**2 * resolution**2))
        pixels, width = self.img_resolution**2, self.channels[-1]
        return [*costs, LayerCost(self.img_resolution, (width + self.img_channels) * pixels, width * self.img_channels * pixels)]

    def shapes(self, prefix: str = "synthesis.") -> Shapes:
        """Name and shape of every tensor."""
        first = START**2 * self.channels[0]
        shapes: Shapes = {f"{prefix}first.affine.weight": (first, self.z_dim), f"{prefix}first.affine.bias": (first,)}
        for name, _, inputs, outputs in self.convolutions():
            shapes |= {f"{prefix}{name}.weight": (outputs, inputs, KERNEL, KERNEL), f"{prefix}{name}.bias": (outputs,)}
        shapes |= {
            f"{prefix}torgb.weight": (self.img_channels, self.channels[-1], 1, 1),
            f"{prefix}torgb.bias": (self.img_channels,),
        }
        return shapes | {"mapping.w_avg": (self.z_dim,)}
