"""What defines a StyleGAN-XL generator: its mapping of classes, and its layers as they are recorded in the file (no torch)."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass, field
from typing import Any

from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.generators.mapping_config import MappingConfig
from orojar_cli.generators.options import Shapes, checked, checked_number, checked_resolution
from orojar_cli.generators.stylegan3.config import AliasFreeLayer, AliasFreeNetwork, Band, StyleGAN3Config

_NAME = re.compile(r"L\d{1,3}_\d{1,4}_\d{1,4}\Z", re.ASCII)


@dataclass(frozen=True)
class ClassMappingConfig(MappingConfig):
    """A mapping whose classes have embeddings of `class_features` numbers, projected to z_dim, and a mean w each."""

    class_features: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        checked("class_features", self.class_features, int(self.c_dim > 0), 8192)

    @property
    def embedding(self) -> int:
        """Width of the projected embedding, 0 without classes."""
        return self.z_dim if self.c_dim else 0

    def shapes(self, prefix: str = "mapping.") -> Shapes:
        """Name and shape of every tensor."""
        shapes = super().shapes(prefix)
        if self.c_dim:
            shapes.pop(f"{prefix}embed.bias")
            shapes |= {
                f"{prefix}embed.weight": (self.c_dim, self.class_features),
                f"{prefix}embed_proj.weight": (self.z_dim, self.class_features),
                f"{prefix}embed_proj.bias": (self.z_dim,),
                f"{prefix}w_avg": (self.c_dim, self.w_dim),
            }
        return shapes


@dataclass(frozen=True)
class RecordedConfig(AliasFreeNetwork):
    """A synthesis network of the layers `recorded`, which begins with the signal `source`: no schedule gives those of a grown network."""

    w_dim: int
    img_resolution: int
    img_channels: int
    source: Band
    recorded: tuple[AliasFreeLayer, ...]
    output_scale: float = 0.25
    conv_clamp: float | None = 256.0
    num_fp16_res: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        checked_resolution(self.img_resolution)
        checked("num_fp16_res", self.num_fp16_res, 0, 64)
        checked("img_channels", self.img_channels, 1, 4)
        checked("w_dim", self.w_dim, 1, 8192)
        checked("number of layers", len(self.recorded), 2, 128)
        checked_number("output_scale", self.output_scale, 4096)
        if self.conv_clamp is not None:
            checked_number("conv_clamp", self.conv_clamp, math.inf)
        _check_band("input", self.source)
        for layer in self.recorded:
            _check_layer(layer)
        if len({layer.name for layer in self.recorded}) < len(self.recorded):
            raise UnsupportedCheckpointError("not supported: layers of one name")
        signals = [self.source, *(layer.target for layer in self.recorded)]
        for before, after, layer in zip(signals[:-1], signals[1:], self.recorded, strict=True):
            if (layer.source.size, layer.source.channels) != (before.size, before.channels) or after.rate < before.rate:
                raise UnsupportedCheckpointError(f"not supported: {layer.name} does not take what the layer before it gives")
        last = self.recorded[-1]
        image = last.target.rate, last.target.size, last.target.channels
        rgb = [layer.is_torgb for layer in self.recorded]
        if rgb != [False] * (len(rgb) - 1) + [True] or image != (self.img_resolution, self.img_resolution, self.img_channels):
            raise UnsupportedCheckpointError("not supported: layers that do not end in the image")

    @property
    def bands(self) -> list[Band]:
        """The signal of the Fourier features, which the layers begin with."""
        return [self.source]

    def alias_free_layers(self) -> list[AliasFreeLayer]:
        """Every layer in the order of execution; the last is ToRGB."""
        return list(self.recorded)


def _check_band(name: str, band: Band) -> None:
    for what, value in (("cutoff", band.cutoff), ("half-width", band.half_width)):
        checked_number(f"{name} {what}", value, 1 << 16)
    checked(f"{name} rate", band.rate, 1, 4096)
    checked(f"{name} size", band.size, 1, 4096)
    checked(f"{name} channels", band.channels, 1, 8192)
    if 2 * band.cutoff > band.rate:
        raise UnsupportedCheckpointError(f"not supported: {name} has a cutoff beyond half its sampling rate")


def _check_layer(layer: AliasFreeLayer) -> None:
    if type(layer.name) is not str or not _NAME.match(layer.name):
        raise UnsupportedCheckpointError(f"not supported: a layer called {ascii(layer.name)[:60]}")
    for band in (layer.source, layer.target):
        _check_band(layer.name, band)
    for what, value, low, high in (
        ("kernel", layer.kernel, 1, 15),
        ("up factor", layer.up, 1, 64),
        ("down factor", layer.down, 1, 64),
        ("up taps", layer.up_taps, 1, 1024),
        ("down taps", layer.down_taps, 1, 1024),
        ("padding", layer.padding[0], -4096, 4096),
        ("padding", layer.padding[1], -4096, 4096),
    ):
        checked(f"{layer.name} {what}", value, low, high)
    if any(type(flag) is not bool for flag in (layer.is_torgb, layer.is_critical, layer.radial)):
        raise UnsupportedCheckpointError(f"not supported: {layer.name} says neither yes nor no of what it is")
    if layer.is_torgb:
        fits = layer.kernel == 1 and layer.source.size + sum(layer.padding) == layer.target.size
    else:
        grown = (layer.source.size + layer.kernel - 1) * layer.up + sum(layer.padding) - layer.up_taps + 1
        fits = (
            grown - layer.down_taps
        ) // layer.down + 1 == layer.target.size and layer.source.rate * layer.up == layer.target.rate * layer.down
    if not fits:
        raise UnsupportedCheckpointError(f"not supported: {layer.name}, whose filters do not lead from one of its sizes to the other")


@dataclass(frozen=True)
class StyleGANXLConfig(StyleGAN3Config):
    """A whole StyleGAN-XL generator."""

    family: str = field(default="StyleGAN-XL", init=False)

    @classmethod
    def from_dict(cls, options: dict[str, Any]) -> StyleGANXLConfig:
        """The inverse of dataclasses.asdict."""
        synthesis = dict(options["synthesis"])
        synthesis["source"] = Band(*synthesis["source"])
        synthesis["recorded"] = tuple(_layer(*values) for values in synthesis["recorded"])
        mapping = ClassMappingConfig(**options["mapping"])
        return cls(mapping, RecordedConfig(**synthesis), substitutes=options.get("substitutes", ()))

    @property
    def architecture(self) -> str:
        sizes = [key for key, _ in itertools.groupby(layer.target.rate for layer in self.synthesis.recorded)]
        return f"{len(self.synthesis.recorded)} layers at sampling rates {', '.join(map(str, sizes))}"


def _layer(*values: Any) -> AliasFreeLayer:
    layer = AliasFreeLayer(*values)
    return layer._replace(source=Band(*layer.source), target=Band(*layer.target), padding=(layer.padding[0], layer.padding[1]))
