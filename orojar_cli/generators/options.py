"""The vocabulary of network configurations: layers, costs, tensor shapes, and checks of options read from files (no torch)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from orojar_cli.errors import UnsupportedCheckpointError

ARCHITECTURES = ("skip", "resnet", "orig")
NOISE_MODES = ("const", "none", "random")
ACTIVATIONS = ("linear", "relu", "lrelu", "tanh", "sigmoid", "elu", "selu", "softplus", "swish")
Shapes = dict[str, tuple[int, ...]]
_PIXELS = 1 << 24


class LayerCost(NamedTuple):
    """What one layer costs per image: its resolution (the height of what it makes), the numbers it reads and writes, and its
    multiplications."""

    resolution: int
    numbers: int
    multiplications: int


class LayerInfo(NamedTuple):
    """One modulated layer: its name, the entry of `ws` that drives it, its resolution (the height of what it makes) and channels."""

    name: str
    ws: int
    resolution: int
    in_channels: int
    out_channels: int

    @property
    def affine(self) -> str:
        """Name of the affine weight `[styles, w_dim]` that turns w into the layer's styles."""
        return f"synthesis.{self.name}.affine.weight"


def checked(name: str, value: Any, low: int, high: int) -> None:
    """Refuse an option outside [low, high] (or of another type) by name."""
    if type(value) is not int or not low <= value <= high:
        raise UnsupportedCheckpointError(f"not supported: {name} = {ascii(value)[:60]} (whole numbers from {low} to {high} are)")


def checked_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """Refuse an option that is none of `choices` by name."""
    if value not in choices:
        raise UnsupportedCheckpointError(f"not supported: {name} = {ascii(value)[:60]} (choices: {', '.join(choices)})")


def checked_number(name: str, value: Any, high: float = 1e6) -> None:
    """Refuse an option that is no number in (0, high) by name."""
    if type(value) not in (int, float) or not 0 < value < high:
        raise UnsupportedCheckpointError(f"not supported: {name} = {ascii(value)[:60]} (positive numbers are)")


def checked_pixels(name: str, taps: Any, clamp: Any) -> None:
    """Refuse a resample filter without a usable sum, or a clamp that is not positive."""
    if not 1 <= len(taps) <= 32 or not all(type(tap) is float and abs(tap) < 1e6 for tap in taps) or abs(sum(taps)) < 1e-6:
        raise UnsupportedCheckpointError(f"not supported: {name} resample_filter = {ascii(taps)[:60]}")
    if clamp is not None:
        checked_number(f"{name} conv_clamp", clamp, math.inf)


def checked_start(start: Any, resolution: int) -> None:
    """Refuse rows and columns that the first of a network's features cannot have: the image has resolution / 4 times as many."""
    if type(start) is not tuple or len(start) != 2 or any(type(side) is not int or not 1 <= side <= 64 for side in start):
        raise UnsupportedCheckpointError(
            f"not supported: features that begin with {ascii(start)[:60]} pixels (two numbers from 1 to 64 are)"
        )
    if start[0] * start[1] * (resolution // 4) ** 2 > _PIXELS:
        raise UnsupportedCheckpointError(f"not supported: images of more than {_PIXELS} pixels")


def checked_resolution(resolution: Any) -> None:
    """Refuse an image size that is no power of two from 4 to 2048."""
    checked("img_resolution", resolution, 4, 2048)
    if resolution & (resolution - 1):
        raise UnsupportedCheckpointError(f"not supported: img_resolution = {resolution} (powers of two are)")
