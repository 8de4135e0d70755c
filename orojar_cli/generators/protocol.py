"""What every generator and its configuration offer to the rest of the house."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch
from torch import Tensor

from orojar_cli.generators.noise import Randomness
from orojar_cli.generators.options import LayerCost, LayerInfo, Shapes


class GeneratorConfig(Protocol):
    """The torch-free description of a generator: sizes, modulated layers, tensor shapes.

    `image_shape` are channels, height and width of the image; `img_resolution` is its height.
    """

    mapping: Any
    synthesis: Any

    @property
    def family(self) -> str: ...
    @property
    def architecture(self) -> str: ...
    @property
    def z_dim(self) -> int: ...
    @property
    def c_dim(self) -> int: ...
    @property
    def w_dim(self) -> int: ...
    @property
    def num_ws(self) -> int: ...
    @property
    def image_shape(self) -> tuple[int, int, int]: ...
    @property
    def img_resolution(self) -> int: ...
    @property
    def img_channels(self) -> int: ...
    def layers(self) -> list[LayerInfo]: ...
    def costs(self) -> list[LayerCost]: ...
    def shapes(self) -> Shapes: ...


class Mapping(Protocol):
    """z -> ws.  Where there are layers to look into, `layers` and `prepare` are there too (`generators/mapping.py`)."""

    w_avg: Tensor

    def w(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """w [N, w_dim] of z [N, z_dim] (and label [N, c_dim]), before it is repeated and truncated."""
        ...

    def broadcast(self, w: Tensor, psi: float | None = None, cutoff: int | None = None, *, label: Tensor | None = None) -> Tensor:
        """ws [N, num_ws, w_dim] of w [N, w_dim], truncated; `label` of w for networks with a mean for each class."""
        ...

    def __call__(self, z: Tensor, label: Tensor | None = None, psi: float | None = None, cutoff: int | None = None) -> Tensor:
        """ws [N, num_ws, w_dim] of z: `broadcast` of `w`."""
        ...


class Synthesis(Protocol):
    """ws -> images.  Some have more: `takes_style_offsets`, `takes_noise` (the noise mode changes the image), and `arrange` (below)."""

    def run(self, ws: Tensor, noise_mode: str = "const", until: int | None = None, rng: Randomness = None) -> tuple[Tensor, Tensor | None]:
        """(features, image so far) of the layer whose features are `until` pixels high; what comes behind is not computed."""
        ...

    def __call__(self, ws: Tensor, noise_mode: str = "const", resolution: int | None = None, rng: Randomness = None) -> Tensor:
        """Images [N, C, H, W] of ws [N, num_ws, w_dim]; `rng` gives the noise of mode "random", best a seed for each image."""
        ...


class Generator(Protocol):
    """A generator with separate mapping and synthesis: what `Mapping` and `Synthesis` say, and what a family has beside it.

    `device` is where the network computes and where what is given to it must lie.  `sha256` is the hash of the file it was read from
    (of the weights, for the user's own generator), which direction sets made with it bear; it is computed when it is first asked for,
    and "" for a network made or changed in memory.
    """

    config: GeneratorConfig
    z_dim: int
    c_dim: int
    w_dim: int
    num_ws: int
    image_shape: tuple[int, int, int]
    img_resolution: int
    img_channels: int
    mapping: Any
    synthesis: Any
    identity: str | Callable[[], str]

    @property
    def device(self) -> torch.device: ...
    @property
    def sha256(self) -> str: ...
    def __call__(
        self,
        z: Tensor,
        label: Tensor | None = None,
        psi: float | None = None,
        cutoff: int | None = None,
        noise_mode: str = "const",
        rng: Randomness = None,
        *,
        truncation_psi: float | None = None,
        truncation_cutoff: int | None = None,
    ) -> Tensor: ...
    def z_columns(self) -> list[Tensor]:
        """The weights [rows, z_dim] that read z, as views: a rotation of z is folded into them.  Raises OptionError where it cannot be."""

    def state_dict(self) -> dict[str, Any]: ...
    def parameters(self) -> Iterator[Tensor]: ...


def arrange(generator: Generator) -> None:
    """Have the generator lay its weights out for speed, where it can.

    Called by whoever begins to draw many images, before the first: layouts differ in the last bits of the result, and equal work should
    give equal numbers.
    """
    if hasattr(generator.synthesis, "arrange"):
        generator.synthesis.arrange()
