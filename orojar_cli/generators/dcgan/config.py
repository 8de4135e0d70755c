"""What defines a DCGAN generator (Radford et al. 2015, arXiv 1511.06434): the widths of its layers (no torch)."""

from __future__ import annotations

from dataclasses import dataclass, field

from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.generators.options import LayerCost, Shapes, checked
from orojar_cli.generators.unmapped_config import START, UnmappedConfig

KERNEL = START  # the first convolution sees one pixel and gives all of its kernel


@dataclass(frozen=True)
class DCGANConfig(UnmappedConfig):
    """Transposed 4x4 convolutions: the first turns z into 4x4 pixels, each further one doubles them.

    `channels` are the layers' outputs, the last the image's; `norms` and `biases` say which layers have a batch normalisation
    and which convolutions a bias.  Between layers is a ReLU, at the end tanh.
    """

    norms: tuple[bool, ...]
    biases: tuple[bool, ...]
    family: str = field(default="DCGAN", init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        checked("img_channels", self.channels[-1], 1, 4)
        if not len(self.channels) == len(self.norms) == len(self.biases) or self.norms[-1]:
            raise UnsupportedCheckpointError("not supported: a DCGAN with a normalisation behind its last layer")

    @property
    def synthesis(self) -> DCGANConfig:
        return self

    @property
    def architecture(self) -> str:
        return "transposed convolutions"

    @property
    def feature_resolutions(self) -> list[int]:
        return self.resolutions[:-1]

    @property
    def img_channels(self) -> int:
        return self.channels[-1]

    def costs(self) -> list[LayerCost]:
        """What every transposed convolution costs: each output pixel of a stride of 2 sees a quarter of the kernel."""
        costs = [LayerCost(KERNEL, KERNEL**2 * self.channels[0], self.z_dim * KERNEL**2 * self.channels[0])]
        for resolution, inputs, outputs in zip(self.resolutions[1:], self.channels[:-1], self.channels[1:], strict=True):
            pixels = resolution**2
            costs.append(LayerCost(resolution, inputs * pixels // 4 + outputs * pixels, inputs * outputs * KERNEL**2 // 4 * pixels))
        return costs

    def shapes(self, prefix: str = "synthesis.") -> Shapes:
        """Name and shape of every tensor."""
        shapes: Shapes = {f"{prefix}first.affine.weight": (KERNEL * KERNEL * self.channels[0], self.z_dim)}
        for index, (inputs, outputs) in enumerate(zip(self.channels[:-1], self.channels[1:], strict=True), 1):
            shapes[f"{prefix}conv{index}.weight"] = (inputs, outputs, KERNEL, KERNEL)
        for index, (width, norm, bias) in enumerate(zip(self.channels, self.norms, self.biases, strict=True)):
            if bias:
                shapes[f"{prefix}{self.name(index)}.bias"] = (width,)
            if norm:
                shapes |= {f"{prefix}norm{index}.{part}": (width,) for part in ("weight", "bias", "running_mean", "running_var")}
        return shapes | {"mapping.w_avg": (self.z_dim,)}

    @staticmethod
    def name(index: int) -> str:
        """Name of the layer at `index`."""
        return f"conv{index}" if index else "first"
