"""What every generator and its configuration offer to the rest of the house."""

from __future__ import annotations

from typing import Any, Protocol

from torch import Tensor

from orojar_cli.generators.options import LayerCost, LayerInfo, Shapes


class GeneratorConfig(Protocol):
    """The torch-free description of a generator: sizes, modulated layers, tensor shapes."""

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
    def img_resolution(self) -> int: ...
    @property
    def img_channels(self) -> int: ...
    def layers(self) -> list[LayerInfo]: ...
    def costs(self) -> list[LayerCost]: ...
    def shapes(self) -> Shapes: ...


class Generator(Protocol):
    """A generator with separate mapping and synthesis."""

    config: GeneratorConfig
    z_dim: int
    c_dim: int
    w_dim: int
    num_ws: int
    img_resolution: int
    img_channels: int
    mapping: Any
    synthesis: Any

    def __call__(
        self, z: Tensor, label: Tensor | None = None, psi: float = 1.0, cutoff: int | None = None, noise_mode: str = "const"
    ) -> Tensor: ...
    def state_dict(self) -> dict[str, Any]: ...
    def parameters(self) -> Any: ...


def arrange(generator: Generator) -> None:
    """Have the generator lay its weights out for speed, where it can.

    Called by whoever begins to draw many images, before the first: layouts differ in the last bits of the result, and equal work should
    give equal numbers.
    """
    if hasattr(generator.synthesis, "arrange"):
        generator.synthesis.arrange()
