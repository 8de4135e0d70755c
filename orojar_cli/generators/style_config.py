"""What every style-based generator's configuration is made of: a mapping and a synthesis network that fit each other (no torch)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.generators.assumptions import checked_substitutes
from orojar_cli.generators.mapping_config import MappingConfig
from orojar_cli.generators.options import LayerInfo, Shapes


@dataclass(frozen=True)
class StyleConfig:
    """z -> mapping -> ws -> synthesis -> images; the families derive from it.

    `substitutes` says what numbers of the network are not in its file (`assumptions.py`); a family's `from_dict` passes it on.
    """

    mapping: MappingConfig
    synthesis: Any
    substitutes: tuple[str, ...] = field(default=(), kw_only=True, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "substitutes", checked_substitutes(self.substitutes))
        if (self.mapping.num_ws, self.mapping.w_dim) != (self.synthesis.num_ws, self.synthesis.w_dim):
            raise UnsupportedCheckpointError("not supported: a mapping network that does not fit its synthesis network")

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
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the image: square unless the family says otherwise."""
        return self.synthesis.img_channels, self.synthesis.img_resolution, self.synthesis.img_resolution

    @property
    def img_resolution(self) -> int:
        """Height of the image."""
        return self.image_shape[1]

    @property
    def img_channels(self) -> int:
        return self.image_shape[0]

    def layers(self) -> list[LayerInfo]:
        """Every modulated layer in the order of execution."""
        return self.synthesis.layers()

    def shapes(self) -> Shapes:
        """Name and shape of every tensor of the generator."""
        return self.synthesis.shapes() | self.mapping.shapes()
