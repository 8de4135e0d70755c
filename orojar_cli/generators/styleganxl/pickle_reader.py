"""StyleGAN-XL's pickles -> our configuration and tensors.

A grown network (SuperresGenerator) has layers of several schedules, and its options name only the address of the network it grew from.  So
every layer is taken from what it records of itself.
"""

from __future__ import annotations

import math
import struct
from typing import Any

from orojar_cli.containers.file import printable
from orojar_cli.containers.module_tree import NetworkTree, check_tensors
from orojar_cli.containers.records import ArrayRecord
from orojar_cli.errors import DamagedCheckpointError, UnsupportedCheckpointError
from orojar_cli.generators.family import Read
from orojar_cli.generators.pickle_options import refuse_classes
from orojar_cli.generators.stylegan3.config import AliasFreeLayer, Band
from orojar_cli.generators.styleganxl.config import ClassMappingConfig, RecordedConfig, StyleGANXLConfig

_GROWN = "SuperresGenerator"
_CLASSES = {
    "Generator",
    _GROWN,
    "MappingNetwork",
    "SynthesisNetwork",
    "SynthesisInput",
    "SynthesisLayer",
    "FullyConnectedLayer",
    "Embedding",
}
_PAIRS = {"i4": "<2i", "i8": "<2q"}


def recognise(tree: NetworkTree) -> NetworkTree | None:
    """A generator that begins with Fourier features and has an embedding of classes, or has grown."""
    classes = tree.classes.values()
    known = tree.class_name == _GROWN or (tree.class_name == "Generator" and "Embedding" in classes)
    return tree if known and "SynthesisInput" in classes else None


def read(tree: NetworkTree, where: str) -> Read:
    """Configuration and tensors; raises UnsupportedCheckpointError and DamagedCheckpointError."""
    refuse_classes(tree, _CLASSES, where)
    names = tree.attributes.get("synthesis", {}).get("layer_names")
    if type(names) is not list or any(type(name) is not str for name in names) or not 2 <= len(names) <= 128:
        raise DamagedCheckpointError(f"damaged: {where}.synthesis does not name its layers")
    begin = _Records(tree, "synthesis.input", where)
    source = Band(
        begin.number("bandwidth"),
        begin.number("sampling_rate") / 2,
        begin.whole("sampling_rate"),
        begin.size("size"),
        begin.whole("channels"),
    )
    records = [_Records(tree, f"synthesis.{name}", where) for name in names]
    clamps = {record.clamp() for record in records}
    if len(clamps) > 1:
        raise UnsupportedCheckpointError(f"not supported: {where} clamps its layers differently")
    synthesis = RecordedConfig(
        w_dim=_Records(tree, "mapping", where).whole("w_dim"),
        img_resolution=records[-1].size("out_size"),
        img_channels=records[-1].whole("out_channels"),
        source=source,
        recorded=tuple(_layer(name, record) for name, record in zip(names, records, strict=True)),
        output_scale=_Records(tree, "synthesis", where).number("output_scale"),
        conv_clamp=clamps.pop(),
        num_fp16_res=tree.recorded("synthesis", "num_fp16_res", (int,), 0),
    )
    config = StyleGANXLConfig(_mapping(tree, synthesis.num_ws, where), synthesis)
    tensors = {name: record for name, record in tree.tensors.items() if config.c_dim or not name.startswith("mapping.embed")}
    check_tensors(tensors, config.shapes(), where)
    return config, tensors


def _mapping(tree: NetworkTree, num_ws: int, where: str) -> ClassMappingConfig:
    mapping, first = (_Records(tree, path, where) for path in ("mapping", "mapping.fc0"))
    c_dim, embedding = mapping.whole("c_dim"), tree.tensors.get("mapping.embed.weight")
    if c_dim:
        if embedding is None or len(embedding.shape) != 2:
            raise DamagedCheckpointError(f"damaged: {where}.mapping.embed.weight is missing or no table")
        projection = _Records(tree, "mapping.embed_proj", where)
        if (projection.found("activation"), projection.number("bias_gain")) != ("lrelu", 1):
            raise UnsupportedCheckpointError(f"not supported: {where} projects its classes' embeddings in another way")
    return ClassMappingConfig(
        z_dim=mapping.whole("z_dim"),
        c_dim=c_dim,
        w_dim=mapping.whole("w_dim"),
        num_ws=num_ws,
        num_layers=mapping.whole("num_layers"),
        activation=tree.recorded("mapping.fc0", "activation", (str,), "lrelu"),
        lr_multiplier=first.number("bias_gain"),
        w_avg_beta=mapping.number("w_avg_beta"),
        class_features=embedding.shape[1] if c_dim and embedding is not None else 0,
    )


def _layer(name: str, record: _Records) -> AliasFreeLayer:
    """A layer as it records itself; what cannot be is refused with the configuration."""

    def band(side: str) -> Band:
        return Band(
            record.number(f"{side}_cutoff"),
            record.number(f"{side}_half_width"),
            record.whole(f"{side}_sampling_rate"),
            record.size(f"{side}_size"),
            record.whole(f"{side}_channels"),
        )

    padding = record.found("padding")
    if type(padding) is not list or len(padding) != 4 or padding[:2] != padding[2:]:
        raise UnsupportedCheckpointError(f"not supported: {record.where} pads its two axes differently")
    return AliasFreeLayer(
        name,
        band("in"),
        band("out"),
        record.found("is_torgb"),
        record.found("is_critically_sampled"),
        record.whole("conv_kernel"),
        record.whole("up_factor"),
        record.whole("down_factor"),
        record.whole("up_taps"),
        record.whole("down_taps"),
        (padding[0], padding[1]),
        record.found("down_radial"),
    )


class _Records:
    """What one module records of itself; everything raises DamagedCheckpointError for what is missing or of another kind."""

    def __init__(self, tree: NetworkTree, path: str, where: str) -> None:
        self.values, self.where = tree.attributes.get(path, {}), f"{where}.{printable(path)}" if path else where

    def found(self, name: str) -> Any:
        if name not in self.values:
            raise DamagedCheckpointError(f"damaged: {self.where} does not record its {name}")
        return self.values[name]

    def number(self, name: str) -> float:
        value = self.found(name)
        if type(value) not in (int, float) or not math.isfinite(value):
            raise DamagedCheckpointError(f"damaged: {self.where}.{name} is not a finite number")
        return float(value)

    def whole(self, name: str) -> int:
        value = self.number(name)
        if value != int(value):
            raise DamagedCheckpointError(f"damaged: {self.where}.{name} is not a whole number")
        return int(value)

    def clamp(self) -> float | None:
        return None if self.found("conv_clamp") is None else self.number("conv_clamp")

    def size(self, name: str) -> int:
        """A size, which is kept as an array of two numbers; raises UnsupportedCheckpointError where they differ."""
        value: Any = self.found(name)
        if isinstance(value, ArrayRecord):
            code = value.dtype.code if value.dtype is not None else ""
            if value.shape != (2,) or code not in _PAIRS or value.data is None:
                raise DamagedCheckpointError(f"damaged: {self.where}.{name} is not a pair of whole numbers")
            across, down = struct.unpack(_PAIRS[code], bytes(value.data.read()))
            if across != down:
                raise UnsupportedCheckpointError(f"not supported: {self.where}.{name} is not square")
            return int(across)
        return self.whole(name)
