"""What defines a DCGAN generator (Radford et al. 2015, arXiv 1511.06434): the widths of its layers (no torch)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.generators.options import LayerCost, Shapes, checked, checked_choice, checked_number
from orojar_cli.generators.transposed_config import KERNEL, NORM, transposed_costs
from orojar_cli.generators.unmapped_config import OUTPUTS, UnmappedConfig

# What tensors do not show.
ASSUMED = ("activation", "norm_epsilon", "output")
ACTIVATIONS = ("relu", "lrelu", "elu", "selu")


@dataclass(frozen=True)
class DCGANConfig(UnmappedConfig):
    """Transposed 4x4 convolutions: the first turns z into 4x4 pixels, each further one doubles them.

    `channels` are the layers' outputs, the last the image's; `norms` and `biases` say which layers have a batch normalisation
    and which convolutions a bias.  Tensors show neither the `activation` between layers nor the epsilon of the normalisations
    nor the last activation, `output`.
    """

    norms: tuple[bool, ...]
    biases: tuple[bool, ...]
    activation: str = "relu"
    norm_epsilon: float = 1e-5
    output: str = "tanh"
    family: str = field(default="DCGAN", init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        checked("img_channels", self.channels[-1], 1, 4)
        checked_choice("activation", self.activation, ACTIVATIONS)
        checked_number("norm_epsilon", self.norm_epsilon, 1.0)
        checked_choice("output", self.output, OUTPUTS)
        if not len(self.channels) == len(self.norms) == len(self.biases) or self.norms[-1]:
            raise UnsupportedCheckpointError("not supported: a DCGAN with a normalisation behind its last layer")

    @classmethod
    def from_dict(cls, options: dict[str, Any]) -> DCGANConfig:
        """The inverse of dataclasses.asdict; files of before these were options leave them open."""
        return super().from_dict(options if "activation" in options else options | {"assumed": list(ASSUMED)})

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
        """What every transposed convolution costs."""
        return transposed_costs(self)

    def shapes(self, prefix: str = "synthesis.") -> Shapes:
        """Name and shape of every tensor."""
        shapes: Shapes = {f"{prefix}first.affine.weight": (KERNEL * KERNEL * self.channels[0], self.w_dim)}
        for index, (inputs, outputs) in enumerate(zip(self.channels[:-1], self.channels[1:], strict=True), 1):
            shapes[f"{prefix}conv{index}.weight"] = (inputs, outputs, KERNEL, KERNEL)
        for index, (width, norm, bias) in enumerate(zip(self.channels, self.norms, self.biases, strict=True)):
            if bias:
                shapes[f"{prefix}{self.name(index)}.bias"] = (width,)
            if norm:
                shapes |= {f"{prefix}norm{index}.{part}": (width,) for part in NORM}
        return shapes | {"mapping.w_avg": (self.w_dim,)}

    @staticmethod
    def name(index: int) -> str:
        """Name of the layer at `index`."""
        return f"conv{index}" if index else "first"
