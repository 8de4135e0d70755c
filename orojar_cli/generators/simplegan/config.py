"""What defines the small generator of the OroJaR and Hessian Penalty experiments: the widths of its layers (no torch)."""

from __future__ import annotations

from dataclasses import dataclass, field

from orojar_cli.generators.options import LayerCost, Shapes, checked, checked_choice
from orojar_cli.generators.transposed_config import KERNEL, NORM, transposed_costs
from orojar_cli.generators.unmapped_config import START, UnmappedConfig

LAST_KERNEL = 3
NORMS = {"instance": NORM[:2], "batch": NORM}  # the tensors of each kind


@dataclass(frozen=True)
class SimpleGANConfig(UnmappedConfig):
    """Transposed 4x4 convolutions: the first turns z into 4x4 pixels, each further one doubles them; a 3x3 convolution and tanh at the end.

    The first has a bias and nothing behind it, each further one a normalisation with weights of its own (`norm`) and a leaky ReLU.
    """

    img_channels: int = 3
    norm: str = "instance"
    family: str = field(default="SimpleGAN", init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        checked("img_channels", self.img_channels, 1, 4)
        checked_choice("norm", self.norm, tuple(NORMS))

    @property
    def synthesis(self) -> SimpleGANConfig:
        return self

    @property
    def architecture(self) -> str:
        return f"transposed convolutions, {self.norm} normalisation"

    def costs(self) -> list[LayerCost]:
        """What every convolution costs."""
        pixels, width = self.img_resolution**2, self.channels[-1]
        last = (width + self.img_channels) * pixels, width * self.img_channels * LAST_KERNEL**2 * pixels
        return [*transposed_costs(self), LayerCost(self.img_resolution, *last)]

    def shapes(self, prefix: str = "synthesis.") -> Shapes:
        """Name and shape of every tensor."""
        shapes: Shapes = {
            f"{prefix}first.affine.weight": (START**2 * self.channels[0], self.w_dim),
            f"{prefix}first.bias": (self.channels[0],),
        }
        for index, (inputs, outputs) in enumerate(zip(self.channels[:-1], self.channels[1:], strict=True), 1):
            shapes[f"{prefix}conv{index}.weight"] = (inputs, outputs, KERNEL, KERNEL)
            shapes |= {f"{prefix}norm{index}.{part}": (outputs,) for part in NORMS[self.norm]}
        last = self.img_channels, self.channels[-1], LAST_KERNEL, LAST_KERNEL
        return shapes | {f"{prefix}last.weight": last, f"{prefix}last.bias": (self.img_channels,), "mapping.w_avg": (self.w_dim,)}
