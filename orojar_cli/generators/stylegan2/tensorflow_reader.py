"""The options and variable names of TensorFlow-era StyleGAN2 generators -> our configuration and tensors."""

from __future__ import annotations

import math
import re
from typing import Any

from orojar_cli.containers.derived import PLAIN, DerivedRecord, Form, derive, resample_kernel, unsqueezed
from orojar_cli.containers.file import printable
from orojar_cli.containers.records import TensorRecord
from orojar_cli.containers.tensorflow import TensorFlowNetwork
from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.generators.family import Read
from orojar_cli.generators.mapping_config import MappingConfig
from orojar_cli.generators.options import Shapes, checked_resolution
from orojar_cli.generators.stylegan2.config import StyleGAN2Config, SynthesisConfig

Tensors = dict[str, TensorRecord | DerivedRecord]

_OLDEST_VERSION = 4
_FUNCTIONS = {"": {"G_main"}, "mapping": {"G_mapping"}, "synthesis": {"G_synthesis_stylegan2", "G_synthesis_stylegan_revised"}}
# What is only for training, for speed, or for callers who pass no options of their own.
_IGNORED = {"truncation_psi", "truncation_cutoff", "randomize_noise", "style_mixing_prob", "dtype", "fused_modconv", "num_fp16_res"}
_IGNORED |= {"dlatent_avg_beta"}
# Options with the one value our networks have.
_FIXED = {"fmap_decay": 1.0, "fmap_min": 1, "normalize_latents": True, "label_size": 0}
_SHARED = {"resolution", "num_channels", "fmap_base", "fmap_max", "architecture", "resample_kernel", "nonlinearity", "conv_clamp"}
_KNOWN = {"latent_size", "dlatent_size", "mapping_layers", "mapping_fmaps", "mapping_lrmul", "mapping_nonlinearity", "use_noise"}

DENSE = Form(lambda shape: shape[::-1], lambda tensor: tensor.T.contiguous())
CONVOLUTION = Form(lambda shape: (*shape[2:], shape[1], shape[0]), lambda tensor: tensor.permute(3, 2, 0, 1).contiguous())
_FLIPPED = Form(CONVOLUTION.stored_shape, lambda tensor: tensor.flip((0, 1)).permute(3, 2, 0, 1).contiguous())
_STYLE_BIAS = Form(PLAIN.stored_shape, lambda tensor: tensor + 1)  # theirs is learned around the style 1


def checked_options(network: TensorFlowNetwork, known: set[str], built_by: dict[str, set[str]]) -> dict[str, Any]:
    """The network's options; raises UnsupportedCheckpointError for those that would change what is computed.

    `built_by` are the functions that may have built the network (under "") and its components.
    """
    where, given = network.where, network.options
    for path, functions in built_by.items():
        function = network.functions.get(path)
        if function not in functions:
            raise UnsupportedCheckpointError(f"not supported: {where} is built by {printable(function)} (StyleGAN2's networks are read)")
    if network.version < _OLDEST_VERSION:
        raise UnsupportedCheckpointError(f"not supported: {where} uses an old version of the container for StyleGAN2's networks")
    unknown = sorted(set(given) - known - _SHARED - _IGNORED - set(_FIXED))
    if unknown:
        raise UnsupportedCheckpointError(f"not supported: {where} has the option {printable(unknown[0])}, which orojar does not know")
    for name, value in _FIXED.items():
        if name in given and (type(given[name]) not in (int, float, bool) or given[name] != value):
            raise UnsupportedCheckpointError(f"not supported: {where} has {name} = {printable(given[name])} (only {value} is)")
    return given


def shared_options(given: dict[str, Any], where: str, architecture: str) -> dict[str, Any]:
    """The options that generator and critic have in common, under our names."""
    base, taps, clamp = given.get("fmap_base", 16384), given.get("resample_kernel", [1, 3, 3, 1]), given.get("conv_clamp")
    if taps is None:
        taps = [1]
    if type(taps) not in (list, tuple) or any(type(tap) not in (int, float) for tap in taps):
        raise UnsupportedCheckpointError(f"not supported: {where} has a resample_kernel that is not a list of numbers")
    resolution = given.get("resolution", 1024)
    checked_resolution(resolution)
    return {
        "img_resolution": resolution,
        "img_channels": given.get("num_channels", 3),
        "channel_base": 2 * base if type(base) is int else base,
        "channel_max": given.get("fmap_max", 512),
        "architecture": given.get("architecture", architecture),
        "resample_filter": tuple(tap / (sum(taps) or 1) for tap in taps),
        "activation": given.get("nonlinearity", "lrelu"),
        "conv_clamp": float(clamp) if type(clamp) is int else clamp,
    }


def split_lods(variables: dict[str, Any], prefix: str, name: str, resolution: int) -> tuple[dict[str, Any], bool]:
    """Variables with `{name}_lod0` as the last resolution's; those of lower resolutions only served growing.  Whether there are any."""
    pattern = re.compile(rf"{re.escape(prefix)}{name}_lod(\d{{1,2}})/(\w+)\Z")
    result, found = {}, False
    for key, value in variables.items():
        match = pattern.match(key)
        found = found or match is not None
        if match is None:
            result[key] = value
        elif int(match[1]) == 0:
            result[f"{prefix}{resolution}x{resolution}/{name}/{match[2]}"] = value
    return result, found


def recognise(network: TensorFlowNetwork) -> TensorFlowNetwork | None:
    """A generator that StyleGAN2's main function built."""
    return network if network.functions.get("") in _FUNCTIONS[""] else None


def read(network: TensorFlowNetwork, where: str) -> Read:
    """Configuration and tensors of Gs (or G); raises UnsupportedCheckpointError and DamagedCheckpointError."""
    given = checked_options(network, _KNOWN, _FUNCTIONS)
    shared = shared_options(given, where, "skip")
    variables, grown = split_lods(network.variables, "synthesis/", "ToRGB", shared["img_resolution"])
    if grown:
        shared["architecture"] = "orig"
    width = given.get("dlatent_size", 512)
    synthesis = SynthesisConfig(w_dim=width, **shared, use_noise=given.get("use_noise", True))
    beta, multiplier = given.get("dlatent_avg_beta", 0.995), given.get("mapping_lrmul", 0.01)
    mapping = MappingConfig(
        z_dim=given.get("latent_size", 512),
        c_dim=0,
        w_dim=width,
        num_ws=synthesis.num_ws,
        num_layers=given.get("mapping_layers", 8),
        layer_features=given.get("mapping_fmaps"),
        activation=given.get("mapping_nonlinearity", "lrelu"),
        lr_multiplier=multiplier,
        w_avg_beta=beta if type(beta) is float and math.isfinite(beta) else 0.995,
    )
    config = StyleGAN2Config(mapping, synthesis)
    rules: dict[str, tuple[str, Form]] = {"mapping.w_avg": ("dlatent_avg", PLAIN)}
    for index in range(mapping.num_layers):
        rules[f"mapping.fc{index}.weight"] = f"mapping/Dense{index}/weight", DENSE
        rules[f"mapping.fc{index}.bias"] = f"mapping/Dense{index}/bias", PLAIN
    rules["synthesis.b4.const"] = "synthesis/4x4/Const/const", unsqueezed(1)
    for layer in config.layers():
        rules |= _layer_rules(layer.name, layer.resolution, synthesis.use_noise)
    if synthesis.architecture == "resnet":
        rules |= {f"synthesis.b{r}.skip.weight": (f"synthesis/{r}x{r}/Skip/weight", _FLIPPED) for r in synthesis.resolutions[1:]}
    unused = {"lod"} | {f"synthesis/noise{index}" for index in range(synthesis.num_ws - 1) if not synthesis.use_noise}
    stored = {name: value for name, value in variables.items() if name not in unused and name != "synthesis/lod"}
    return config, with_filters(derive(stored, config.shapes(), rules, where), config.shapes(), synthesis.resample_filter)


def _layer_rules(name: str, resolution: int, use_noise: bool) -> dict[str, tuple[str, Form]]:
    """The variables of one modulated layer."""
    kind = name.partition(".")[2]
    theirs = {"torgb": "ToRGB", "conv0": "Conv0_up", "conv1": "Conv1" if resolution > 4 else "Conv"}[kind]
    ours, path = f"synthesis.{name}", f"synthesis/{resolution}x{resolution}/{theirs}"
    rules = {
        f"{ours}.weight": (f"{path}/weight", _FLIPPED if kind == "conv0" else CONVOLUTION),
        f"{ours}.bias": (f"{path}/bias", PLAIN),
        f"{ours}.affine.weight": (f"{path}/mod_weight", DENSE),
        f"{ours}.affine.bias": (f"{path}/mod_bias", _STYLE_BIAS),
    }
    if kind != "torgb" and use_noise:
        index = max(0, 2 * (resolution.bit_length() - 1) - (5 if kind == "conv0" else 4))
        rules[f"{ours}.noise_strength"] = f"{path}/noise_strength", PLAIN
        rules[f"{ours}.noise_const"] = f"synthesis/noise{index}", unsqueezed(2)
    return rules


def with_filters(tensors: Tensors, shapes: Shapes, taps: tuple[float, ...]) -> Tensors:
    """`tensors` with the resample filters, which these files keep as an option only."""
    return tensors | {name: resample_kernel(taps) for name in shapes if name.endswith("resample_filter")}
