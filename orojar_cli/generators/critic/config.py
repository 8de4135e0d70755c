"""What defines a critic: its options and the shape of every tensor they imply (no torch)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orojar_cli.generators.mapping_config import MappingConfig
from orojar_cli.generators.options import (
    ACTIVATIONS,
    ARCHITECTURES,
    Shapes,
    checked,
    checked_choice,
    checked_pixels,
    checked_resolution,
    checked_start,
)


@dataclass(frozen=True)
class CriticConfig:
    """The critic (discriminator) of StyleGAN2; StyleGAN3 uses the same.

    `start` are rows and columns of its last features, as those a generator begins with (`stylegan2/config.py`).
    """

    c_dim: int
    img_resolution: int
    img_channels: int
    channel_base: int = 32768
    channel_max: int = 512
    architecture: str = "resnet"
    resample_filter: tuple[float, ...] = (1.0, 3.0, 3.0, 1.0)
    activation: str = "lrelu"
    conv_clamp: float | None = None
    mbstd_group_size: int | None = 4
    mbstd_num_channels: int = 1
    mapping: MappingConfig | None = None
    start: tuple[int, int] = (4, 4)

    def __post_init__(self) -> None:
        checked_resolution(self.img_resolution)
        checked_start(self.start, self.img_resolution)
        checked("img_channels", self.img_channels, 1, 4)
        checked("critic channel_base", self.channel_base, self.img_resolution, 1 << 24)
        checked("critic channel_max", self.channel_max, 1, 8192)
        checked("critic mbstd_num_channels", self.mbstd_num_channels, 0, 64)
        if self.mbstd_group_size is not None:
            checked("critic mbstd_group_size", self.mbstd_group_size, 1, 4096)
        checked_choice("critic architecture", self.architecture, ARCHITECTURES)
        checked_choice("critic activation", self.activation, ACTIVATIONS)
        checked_pixels("critic", self.resample_filter, self.conv_clamp)

    @classmethod
    def from_dict(cls, options: dict[str, Any]) -> CriticConfig:
        """The inverse of dataclasses.asdict."""
        options = dict(options)
        options["resample_filter"] = tuple(map(float, options["resample_filter"]))
        options["start"] = tuple(options.get("start", (4, 4)))
        return cls(**options | {"mapping": None if options["mapping"] is None else MappingConfig(**options["mapping"])})

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the images."""
        height, width = (side * self.img_resolution // 4 for side in self.start)
        return self.img_channels, height, width

    @property
    def resolutions(self) -> list[int]:
        """From the image's resolution down to 8."""
        return [1 << power for power in range(self.img_resolution.bit_length() - 1, 2, -1)]

    def channels(self, resolution: int) -> int:
        return min(self.channel_base // resolution, self.channel_max)

    def has_fromrgb(self, resolution: int) -> bool:
        return self.architecture == "skip" or resolution == self.img_resolution

    def shapes(self) -> Shapes:
        """Name and shape of every tensor."""
        shapes: Shapes = {}
        taps = (len(self.resample_filter),) * 2

        def conv(name: str, inputs: int, outputs: int, kernel: int, bias: bool = True) -> None:
            shapes[f"{name}.weight"] = (outputs, inputs, kernel, kernel)
            shapes[f"{name}.resample_filter"] = taps
            if bias:
                shapes[f"{name}.bias"] = (outputs,)

        for resolution in self.resolutions:
            name, width, below = f"b{resolution}", self.channels(resolution), self.channels(resolution // 2)
            shapes[f"{name}.resample_filter"] = taps
            if self.has_fromrgb(resolution):
                conv(f"{name}.fromrgb", self.img_channels, width, 1)
            conv(f"{name}.conv0", width, width, 3)
            conv(f"{name}.conv1", width, below, 3)
            if self.architecture == "resnet":
                conv(f"{name}.skip", width, below, 1, bias=False)
        width = self.channels(4)
        if self.has_fromrgb(4):
            conv("b4.fromrgb", self.img_channels, width, 1)
        conv("b4.conv", width + self.mbstd_num_channels, width, 3)
        outputs = self.mapping.w_dim if self.mapping else 1
        shapes |= {
            "b4.fc.weight": (width, width * self.start[0] * self.start[1]),
            "b4.fc.bias": (width,),
            "b4.out.weight": (outputs, width),
            "b4.out.bias": (outputs,),
        }
        return shapes | (self.mapping.shapes() if self.mapping else {})
