"""What defines a mapping network: its options and the shape of every tensor they imply (no torch)."""

from __future__ import annotations

from dataclasses import dataclass

from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.generators.options import ACTIVATIONS, Shapes, checked, checked_choice, checked_number


@dataclass(frozen=True)
class MappingConfig:
    """The mapping network z (and label) -> w; without `num_ws` and `w_avg_beta` it is the critic's label mapping.

    The label's embedding is normalised like z, each for itself; with `joint_label` it is a matrix without a bias, and what is normalised
    is z with the embedding behind it.  Without `normalize_z`, z is left as it is, and with `joint_label` all of it.
    """

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
    joint_label: bool = False
    normalize_z: bool = True

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
        if type(self.normalize_z) is not bool:
            raise UnsupportedCheckpointError("not supported: normalize_z is neither true nor false")
        if type(self.joint_label) is not bool:
            raise UnsupportedCheckpointError("not supported: joint_label is neither true nor false")
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
            shapes[f"{prefix}embed.weight"] = self.embedding, self.c_dim
            if not self.joint_label:
                shapes[f"{prefix}embed.bias"] = (self.embedding,)
        for index, (inputs, outputs) in enumerate(zip(self.features[:-1], self.features[1:], strict=True)):
            shapes |= {f"{prefix}fc{index}.weight": (outputs, inputs), f"{prefix}fc{index}.bias": (outputs,)}
        if self.w_avg_beta is not None:
            shapes[f"{prefix}w_avg"] = (self.w_dim,)
        return shapes
