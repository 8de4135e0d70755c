"""The description of a generator that orojar does not know, as far as one trial tells it (no torch)."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from orojar_cli.generators.options import LayerCost, LayerInfo, Shapes


@dataclass(frozen=True)
class OwnConfig:
    """Sizes of the user's own generator.  `style_rows` are the heights of its `style_weights`, () where it names none."""

    architecture: str
    z_dim: int
    c_dim: int
    w_dim: int
    num_ws: int
    image_shape: tuple[int, int, int]
    cost: LayerCost
    style_rows: tuple[int, ...] = ()
    family: str = field(default="own generator", init=False)

    @property
    def mapping(self) -> Any:
        return SimpleNamespace(z_dim=self.z_dim, num_layers=0, w_avg_beta=None)

    @property
    def img_resolution(self) -> int:
        """Height of the image."""
        return self.image_shape[1]

    @property
    def img_channels(self) -> int:
        return self.image_shape[0]

    @property
    def synthesis(self) -> OwnConfig:
        return self

    def layers(self) -> list[LayerInfo]:
        """One per style matrix the object names; what else is inside is not known."""
        return [LayerInfo(f"style{entry}", entry, self.img_resolution, rows, rows) for entry, rows in enumerate(self.style_rows)]

    def costs(self) -> list[LayerCost]:
        """The whole network as one layer: its widest operation, and all its multiplications."""
        return [self.cost]

    def shapes(self) -> Shapes:
        """Nothing: orojar neither reads nor writes its weights."""
        return {}
