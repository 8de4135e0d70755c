"""The options of StyleGAN2 networks as PyTorch-era files record them -> our configurations."""

from __future__ import annotations

import math
import re
import struct
from typing import Any

from orojar_cli.containers.file import printable
from orojar_cli.containers.module_tree import NetworkTree, check_tensors
from orojar_cli.containers.records import TensorRecord
from orojar_cli.errors import DamagedCheckpointError, UnsupportedCheckpointError
from orojar_cli.generators.critic.config import CriticConfig
from orojar_cli.generators.mapping_config import MappingConfig
from orojar_cli.generators.stylegan2.config import StyleGAN2Config, SynthesisConfig

_MAPPING_OPTIONS = {"num_layers", "embed_features", "layer_features", "activation", "lr_multiplier", "w_avg_beta"}
# Speed and precision switches of the original code; they do not change what is computed in float32.
_SPEED_OPTIONS = {"num_fp16_res", "fp16_channels_last", "channels_last", "use_fp16", "fused_modconv_default"}
_SYNTHESIS_OPTIONS = _SPEED_OPTIONS | {
    "channel_base",
    "channel_max",
    "conv_clamp",
    "architecture",
    "resample_filter",
    "activation",
    "use_noise",
    "kernel_size",
}
_SIZES = ("c_dim", "img_resolution", "img_channels")
GENERATOR_CLASSES = {
    "Generator",
    "MappingNetwork",
    "SynthesisNetwork",
    "SynthesisBlock",
    "SynthesisLayer",
    "ToRGBLayer",
    "FullyConnectedLayer",
    "Conv2dLayer",
}
CRITIC_CLASSES = {
    "Discriminator",
    "DiscriminatorBlock",
    "DiscriminatorEpilogue",
    "MinibatchStdLayer",
    "MappingNetwork",
    "FullyConnectedLayer",
    "Conv2dLayer",
}


def options(
    tree: NetworkTree, where: str, sizes: tuple[str, ...], groups: tuple[str, ...]
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """(sizes and flat options, nested option groups) from the constructor arguments; the sizes must all be there."""
    flat = {key: value for key, value in tree.init_kwargs.items() if key not in groups}
    nested = {}
    for group in groups:
        nested[group] = tree.init_kwargs.get(group) or {}
        if type(nested[group]) is not dict:
            raise DamagedCheckpointError(f"damaged: {where}: {group} is not a dictionary")
    for key, value in [*flat.items(), *(pair for group in nested.values() for pair in group.items())]:
        if not _is_plain(value):
            raise UnsupportedCheckpointError(f"not supported: {where} has an option {printable(key)} that is neither a number nor a word")
    missing = [name for name in sizes if name not in flat]
    if missing:
        raise DamagedCheckpointError(f"damaged: {where} does not record its {missing[0]}")
    return flat, nested


def _is_plain(value: Any) -> bool:
    if type(value) in (list, tuple):
        return len(value) <= 64 and all(type(item) in (int, float) for item in value)
    return (
        value is None
        or type(value) in (bool, int, float)
        or (type(value) is str and re.fullmatch(r"\w{0,64}", value, re.ASCII) is not None)
    )


def refuse_unknown(given: Any, known: set[str], where: str) -> None:
    """Refuse options we do not know: they may change what the network computes."""
    unknown = sorted(set(given) - known)
    if unknown:
        raise UnsupportedCheckpointError(f"not supported: {where} has the option {printable(unknown[0])}, which orojar does not know")


def refuse_classes(tree: NetworkTree, known: set[str], where: str) -> None:
    """Refuse a network with modules of a class we do not know."""
    unknown = sorted(set(tree.classes.values()) - known)
    if unknown:
        raise UnsupportedCheckpointError(f"not supported: {where} contains a {printable(unknown[0])} module, which orojar does not know")


def mapping_config(
    tree: NetworkTree, given: dict[str, Any], *, z_dim: int, c_dim: int, w_dim: int, num_ws: int | None, where: str
) -> MappingConfig:
    """The mapping's options: what its modules record, then what the constructor was given, then StyleGAN2-ADA's defaults."""
    refuse_unknown(given, _MAPPING_OPTIONS, f"{where}.mapping")
    beta = tree.recorded("mapping", "w_avg_beta", (float,), given.get("w_avg_beta", 0.995)) if num_ws is not None else None
    multiplier = tree.recorded("mapping.fc0", "bias_gain", (float, int), given.get("lr_multiplier", 0.01))
    return MappingConfig(
        z_dim=z_dim,
        c_dim=c_dim,
        w_dim=w_dim,
        num_ws=num_ws,
        num_layers=tree.recorded("mapping", "num_layers", (int,), given.get("num_layers", 8)),
        embed_features=given.get("embed_features"),
        layer_features=given.get("layer_features"),
        activation=tree.recorded("mapping.fc0", "activation", (str,), given.get("activation", "lrelu")),
        lr_multiplier=_number(multiplier, f"{where}.mapping lr_multiplier"),
        w_avg_beta=beta,
    )


def generator_config(tree: NetworkTree, where: str) -> StyleGAN2Config:
    """The configuration of a StyleGAN2 generator, its tensors checked against it.

    Synthesis options sit in `synthesis_kwargs` in StyleGAN2-ADA's files and flat in StyleGAN3's.
    """
    refuse_classes(tree, GENERATOR_CLASSES, where)
    sizes = ("z_dim", "w_dim", *_SIZES)
    flat, nested = options(tree, where, sizes, ("mapping_kwargs", "synthesis_kwargs"))
    given = {key: value for key, value in flat.items() if key not in sizes} | nested["synthesis_kwargs"]
    refuse_unknown(given, _SYNTHESIS_OPTIONS, f"{where}.synthesis")
    if given.get("kernel_size", 3) != 3:
        raise UnsupportedCheckpointError(f"not supported: {where} has synthesis kernel_size other than 3")
    layer = "synthesis.b4.conv1"
    synthesis = SynthesisConfig(
        w_dim=flat["w_dim"],
        img_resolution=flat["img_resolution"],
        img_channels=flat["img_channels"],
        channel_base=given.get("channel_base", 32768),
        channel_max=given.get("channel_max", 512),
        architecture=tree.recorded("synthesis.b4", "architecture", (str,), given.get("architecture", "skip")),
        resample_filter=_taps(tree.tensors.get("synthesis.b4.resample_filter"), where),
        activation=tree.recorded(layer, "activation", (str,), given.get("activation", "lrelu")),
        conv_clamp=_clamp(tree.recorded(layer, "conv_clamp", (int, float, type(None)), given.get("conv_clamp")), where),
        use_noise=tree.recorded(layer, "use_noise", (bool,), given.get("use_noise", True)) is True,
    )
    mapping = mapping_config(
        tree, nested["mapping_kwargs"], z_dim=flat["z_dim"], c_dim=flat["c_dim"], w_dim=flat["w_dim"], num_ws=synthesis.num_ws, where=where
    )
    if mapping.z_dim == 0:
        raise UnsupportedCheckpointError(f"not supported: {where} has no z")
    config = StyleGAN2Config(mapping, synthesis)
    check_tensors(tree.tensors, config.shapes(), where)
    return config


def critic_config(tree: NetworkTree, where: str) -> CriticConfig:
    """The configuration of a StyleGAN2 critic, its tensors checked against it."""
    if tree.class_name != "Discriminator":
        raise UnsupportedCheckpointError(f"not supported: {where} is a {printable(tree.class_name)}, not a Discriminator")
    refuse_classes(tree, CRITIC_CLASSES, where)
    groups = ("block_kwargs", "mapping_kwargs", "epilogue_kwargs")
    flat, nested = options(tree, where, _SIZES, groups)
    given = {key: value for key, value in flat.items() if key not in _SIZES}
    refuse_unknown(given, _SPEED_OPTIONS | {"channel_base", "channel_max", "conv_clamp", "architecture", "cmap_dim"}, where)
    refuse_unknown(nested["block_kwargs"], _SPEED_OPTIONS | {"activation", "resample_filter", "freeze_layers"}, where)
    refuse_unknown(nested["epilogue_kwargs"], {"mbstd_group_size", "mbstd_num_channels", "activation"}, where)
    first = f"b{flat['img_resolution']}"
    mapping = None
    if flat["c_dim"]:
        # The width that labels and images are compared in is only known from the tensors when it was left to its default.
        width = tree.recorded("mapping", "w_dim", (int,), given.get("cmap_dim"))
        mapping = mapping_config(tree, nested["mapping_kwargs"], z_dim=0, c_dim=flat["c_dim"], w_dim=width, num_ws=None, where=where)
    config = CriticConfig(
        c_dim=flat["c_dim"],
        img_resolution=flat["img_resolution"],
        img_channels=flat["img_channels"],
        channel_base=given.get("channel_base", 32768),
        channel_max=given.get("channel_max", 512),
        architecture=tree.recorded(first, "architecture", (str,), given.get("architecture", "resnet")),
        resample_filter=_taps(tree.tensors.get(f"{first}.resample_filter"), where),
        activation=tree.recorded(f"{first}.conv0", "activation", (str,), "lrelu"),
        conv_clamp=_clamp(tree.recorded(f"{first}.conv0", "conv_clamp", (int, float, type(None)), given.get("conv_clamp")), where),
        mbstd_group_size=tree.recorded("b4.mbstd", "group_size", (int, type(None)), nested["epilogue_kwargs"].get("mbstd_group_size", 4)),
        mbstd_num_channels=nested["epilogue_kwargs"].get("mbstd_num_channels", 1),
        mapping=mapping,
    )
    check_tensors(tree.tensors, config.shapes(), where)
    return config


def _number(value: Any, what: str) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise DamagedCheckpointError(f"damaged: {what} is not a finite number")
    return float(value)


def _clamp(value: Any, where: str) -> float | None:
    if value is None:
        return None
    clamp = _number(value, f"{where} conv_clamp")
    if clamp <= 0:
        raise DamagedCheckpointError(f"damaged: {where} has conv_clamp {clamp}")
    return clamp


def _taps(record: TensorRecord | None, where: str) -> tuple[float, ...]:
    """The 1-D resample filter from its stored 2-D kernel, which must be the outer product of it with itself."""
    if record is None or len(record.shape) != 2 or record.shape[0] != record.shape[1] or not 1 <= record.shape[0] <= 32:
        raise DamagedCheckpointError(f"damaged: {where} has no usable resample_filter")
    if record.dtype != "float32" or record.stride != (record.shape[1], 1):
        raise DamagedCheckpointError(f"damaged: {where} has a resample_filter that is not plain float32")
    size = record.shape[0]
    data = record.storage.data
    raw = data.file.read(data.offset + 4 * record.offset, 4 * size * size)
    values = struct.unpack(f"<{size * size}f", raw)
    if not all(map(math.isfinite, values)):
        raise DamagedCheckpointError(f"damaged: {where} has a resample_filter with numbers that are not finite")
    taps = tuple(math.fsum(values[row * size : (row + 1) * size]) for row in range(size))
    for index, value in enumerate(values):
        product = taps[index // size] * taps[index % size]
        if abs(value - product) > 1e-5:
            raise UnsupportedCheckpointError(f"not supported: {where} has a resample_filter that is not separable or not normalised")
    return taps
