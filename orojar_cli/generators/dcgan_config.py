"""What defines a DCGAN generator (Radford et al. 2015, arXiv 1511.06434): the widths of its layers (no torch)."""

from __future__ import annotations

from dataclasses import dataclass, field

from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.generators.options import LayerCost, LayerInfo, Shapes, checked

KERNEL = 4


@dataclass(frozen=True)
class IdentityMapping:
    """The mapping of a generator without one: w is z."""

    z_dim: int
    num_layers: int = 0
    w_avg_beta: float | None = None


@dataclass(frozen=True)
class DCGANConfig:
    """Transposed 4x4 convolutions: the first turns z into 4x4 pixels, each further one doubles them.

    `channels` are the layers' outputs, the last the image's; `norms` and `biases` say which layers have a batch normalisation
    and which convolutions a bias.  Between layers is a ReLU, at the end tanh.
    """

    z_dim: int
    channels: tuple[int, ...]
    norms: tuple[bool, ...]
    biases: tuple[bool, ...]
    family: str = field(default="DCGAN", init=False)

    def __post_init__(self) -> None:
        checked("z_dim", self.z_dim, 1, 8192)
        checked("number of layers", len(self.channels), 2, 10)
        for width in self.channels[:-1]:
            checked("channels", width, 1, 8192)
        checked("img_channels", self.channels[-1], 1, 4)
        if not len(self.channels) == len(self.norms) == len(self.biases) or self.norms[-1]:
            raise UnsupportedCheckpointError("not supported: a DCGAN with a normalisation behind its last layer")

    @property
    def mapping(self) -> IdentityMapping:
        return IdentityMapping(self.z_dim)

    @property
    def synthesis(self) -> DCGANConfig:
        return self

    @property
    def architecture(self) -> str:
        return "transposed convolutions"

    @property
    def c_dim(self) -> int:
        return 0

    @property
    def w_dim(self) -> int:
        return self.z_dim

    @property
    def num_ws(self) -> int:
        return 1

    @property
    def resolutions(self) -> list[int]:
        return [KERNEL << index for index in range(len(self.channels))]

    @property
    def img_resolution(self) -> int:
        return self.resolutions[-1]

    @property
    def img_channels(self) -> int:
        return self.channels[-1]

    def layers(self) -> list[LayerInfo]:
        """The one layer that the latent drives: the first, a matrix [4 * 4 * channels, z_dim]."""
        return [LayerInfo("first", 0, KERNEL, KERNEL * KERNEL * self.channels[0], self.channels[0])]

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
