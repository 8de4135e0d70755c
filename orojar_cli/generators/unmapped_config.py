"""What the configurations of generators without a mapping network have in common: z feeds the first layer directly (no torch)."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.generators.options import LayerInfo, checked

if TYPE_CHECKING:
    from typing_extensions import Self

START = 4  # pixels along a side of the first layer's output
OUTPUTS = ("linear", "tanh", "sigmoid")


@dataclass(frozen=True)
class IdentityMapping:
    """The mapping of a generator without one: w is z, with `normalised` at unit second moment, followed by the label where there is one."""

    z_dim: int
    c_dim: int = 0
    num_layers: int = 0
    w_avg_beta: float | None = None
    normalised: bool = False


@dataclass(frozen=True)
class UnmappedConfig:
    """A first layer turns z into 4x4 pixels of `channels[0]` channels; each further entry of `channels` doubles the resolution.

    The families derive from it.  `assumed` names the options that the file did not say (`assumptions.py`).
    """

    z_dim: int
    channels: tuple[int, ...]
    c_dim: int = field(default=0, kw_only=True)
    assumed: tuple[str, ...] = field(default=(), kw_only=True, compare=False)

    def __post_init__(self) -> None:
        checked("z_dim", self.z_dim, 1, 8192)
        checked("c_dim", self.c_dim, 0, 8192)
        checked("number of resolutions", len(self.channels), 2, 10)
        for width in self.channels:
            checked("channels", width, 1, 8192)
        if not {*self.assumed} <= {entry.name for entry in fields(self)}:
            raise UnsupportedCheckpointError("not supported: a network with options left open that orojar does not know")

    @classmethod
    def from_dict(cls, options: dict[str, Any]) -> Self:
        """The inverse of dataclasses.asdict, for options that are numbers, words and lists of them; what is not said has its default."""
        return cls(**{name: plain_option(value) for name, value in options.items() if name != "family"})

    @property
    def mapping(self) -> IdentityMapping:
        return IdentityMapping(self.z_dim, self.c_dim)

    @property
    def w_dim(self) -> int:
        return self.z_dim + self.c_dim

    @property
    def num_ws(self) -> int:
        return 1

    @property
    def resolutions(self) -> list[int]:
        return [START << index for index in range(len(self.channels))]

    @property
    def feature_resolutions(self) -> list[int]:
        """Resolutions that have features of their own, before the image is made of the last of them."""
        return self.resolutions

    @property
    def img_resolution(self) -> int:
        return self.resolutions[-1]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the image; the families say how many channels it has."""
        return self.img_channels, self.img_resolution, self.img_resolution

    @property
    def img_channels(self) -> int:
        raise NotImplementedError

    def layers(self) -> list[LayerInfo]:
        """The one layer that the latent drives: the first, a matrix [4 * 4 * channels, w_dim]."""
        return [LayerInfo("first", 0, START, START * START * self.channels[0], self.channels[0])]


def plain_option(value: Any) -> Any:
    """An option as a configuration holds it; raises TypeError for what is no number, word or list."""
    if type(value) is list:
        return tuple(value)
    if type(value) not in (bool, int, float, str):
        raise TypeError(f"an option is a {type(value).__name__}")
    return value
