"""The options and variable names of TensorFlow-era StyleGAN2 generators -> our configuration and tensors."""

from __future__ import annotations

import math
import re
from typing import Any

from orojar_cli.containers.derived import PLAIN, PLUS_ONE, DerivedRecord, Form, derive, resample_kernel, unsqueezed
from orojar_cli.containers.file import printable
from orojar_cli.containers.records import TensorRecord
from orojar_cli.containers.tensorflow import TensorFlowNetwork
from orojar_cli.errors import DamagedCheckpointError, UnsupportedCheckpointError
from orojar_cli.generators.family import Read
from orojar_cli.generators.mapping_config import MappingConfig
from orojar_cli.generators.options import Shapes, checked, checked_resolution
from orojar_cli.generators.stylegan2.config import StyleGAN2Config, SynthesisConfig

Tensors = dict[str, TensorRecord | DerivedRecord]

_OLDEST_VERSION = 4
_FUNCTIONS = {
    "": {"G_main"},
    "mapping": {"G_mapping"},
    "synthesis": {"G_synthesis_stylegan2", "G_synthesis_stylegan_revised", "G_synthesis"},  # the last is ADA's
}
# What is only for training, for speed, or for callers who pass no options of their own.
_IGNORED = {"truncation_psi", "truncation_cutoff", "randomize_noise", "style_mixing_prob", "dtype", "fused_modconv", "num_fp16_res"}
_IGNORED |= {"dlatent_avg_beta", "w_avg_beta"}
# Options with the one value our networks have.
_FIXED = {"fmap_decay": 1.0, "fmap_min": 1, "use_attention": False}
_SHARED = {"resolution", "num_channels", "fmap_base", "fmap_max", "architecture", "resample_kernel", "nonlinearity", "conv_clamp"}
_KNOWN = {"latent_size", "dlatent_size", "mapping_layers", "mapping_fmaps", "mapping_lrmul", "mapping_nonlinearity", "use_noise"}
_KNOWN |= {"label_size", "label_fmaps", "normalize_latents", "fmap_const"}
# Networks that are not square begin with min_h x min_w pixels and double them res_log2 times.
_KNOWN |= {"min_h", "min_w", "res_log2"}
_CONST = re.compile(r"synthesis/\d{1,4}x\d{1,4}/Const/const\Z")

DENSE = Form(lambda shape: shape[::-1], lambda tensor: tensor.T.contiguous(), lambda tensor: tensor.T)
CONVOLUTION = Form(
    lambda shape: (*shape[2:], shape[1], shape[0]),
    lambda tensor: tensor.permute(3, 2, 0, 1).contiguous(),
    lambda tensor: tensor.permute(2, 3, 1, 0),
)
_FLIPPED = Form(
    CONVOLUTION.stored_shape,
    lambda tensor: tensor.flip((0, 1)).permute(3, 2, 0, 1).contiguous(),
    lambda tensor: tensor.permute(2, 3, 1, 0).flip((0, 1)),
)
# Theirs is learned around the style 1.


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
    doublings = given.get("res_log2")
    if doublings is not None:
        checked("res_log2", doublings, 1, 9)
    resolution = given.get("resolution", 1024) if doublings is None else 4 << doublings
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


def split_lods(variables: dict[str, Any], prefix: str, name: str, scope: str) -> tuple[dict[str, Any], bool]:
    """Variables with `{name}_lod0` in the `scope` of the last resolution; those of lower resolutions only served growing.

    The second value tells whether there are any.
    """
    pattern = re.compile(rf"{re.escape(prefix)}{name}_lod(\d{{1,2}})/(\w+)\Z")
    result, found = {}, False
    for key, value in variables.items():
        match = pattern.match(key)
        found = found or match is not None
        if match is None:
            result[key] = value
        elif int(match[1]) == 0:
            result[f"{prefix}{scope}/{name}/{match[2]}"] = value
    return result, found


def recognise(network: TensorFlowNetwork) -> TensorFlowNetwork | None:
    """A generator that StyleGAN2's main function built."""
    return network if network.functions.get("") in _FUNCTIONS[""] else None


def read(network: TensorFlowNetwork, where: str) -> Read:
    """Configuration and tensors of Gs (or G); raises UnsupportedCheckpointError and DamagedCheckpointError."""
    given = checked_options(network, _KNOWN, _FUNCTIONS)
    shared = shared_options(given, where, "skip")
    start = _start(network, given)
    last = shared["img_resolution"] // 4
    variables, grown = split_lods(network.variables, "synthesis/", "ToRGB", f"{start[0] * last}x{start[1] * last}")
    if grown:
        shared["architecture"] = "orig"
    width = given.get("dlatent_size", 512)
    synthesis = SynthesisConfig(w_dim=width, **shared, use_noise=given.get("use_noise", True), start=start)
    if given.get("fmap_const") not in (None, synthesis.channels(4)):
        raise UnsupportedCheckpointError(f"not supported: {where} has fmap_const = {printable(given['fmap_const'])}")
    mapping = _mapping(given, variables, synthesis)
    config = StyleGAN2Config(mapping, synthesis)
    rules: dict[str, tuple[str, Form]] = {"mapping.w_avg": ("dlatent_avg", PLAIN)}
    if mapping.c_dim:
        theirs = "LabelConcat" if mapping.joint_label else "LabelEmbed"
        rules["mapping.embed.weight"] = f"mapping/{theirs}/weight", DENSE
        if not mapping.joint_label:
            rules["mapping.embed.bias"] = "mapping/LabelEmbed/bias", PLAIN
    for index in range(mapping.num_layers):
        rules[f"mapping.fc{index}.weight"] = f"mapping/Dense{index}/weight", DENSE
        rules[f"mapping.fc{index}.bias"] = f"mapping/Dense{index}/bias", PLAIN
    rules["synthesis.b4.const"] = f"synthesis/{start[0]}x{start[1]}/Const/const", unsqueezed(1)
    for resolution in synthesis.resolutions:
        for layer in synthesis.block(resolution):
            rules |= _layer_rules(layer.name, resolution, synthesis)
    if synthesis.architecture == "resnet":
        rules |= {
            f"synthesis.b{r}.skip.weight": (f"synthesis/{_scope(synthesis, r)}/Skip/weight", _FLIPPED) for r in synthesis.resolutions[1:]
        }
    unused = {"lod"} | {f"synthesis/noise{index}" for index in range(synthesis.num_ws - 1) if not synthesis.use_noise}
    stored = {name: value for name, value in variables.items() if name not in unused and name != "synthesis/lod"}
    return config, with_filters(derive(stored, config.shapes(), rules, where), config.shapes(), synthesis.resample_filter)


def _start(network: TensorFlowNetwork, given: dict[str, Any]) -> tuple[int, int]:
    """Rows and columns of the learned constant, which the options of networks that are not square name too."""
    const = next((value for name, value in network.variables.items() if _CONST.match(name)), None)
    if not isinstance(const, TensorRecord) or len(const.shape) != 4:
        raise DamagedCheckpointError(f"damaged: {network.where} has no usable learned constant (synthesis/4x4/Const/const)")
    start = const.shape[2], const.shape[3]
    said = given.get("min_h", 4), given.get("min_w", 4)
    if start != said:
        raise DamagedCheckpointError(f"damaged: {network.where} begins with {start[0]}x{start[1]} pixels, its options say {said!a:.60}")
    return start


def _scope(synthesis: SynthesisConfig, resolution: int) -> str:
    """What the variables of a block are kept under: the size of its features."""
    height, width = synthesis.size(resolution)
    return f"{height}x{width}"


def _mapping(given: dict[str, Any], variables: dict[str, Any], synthesis: SynthesisConfig) -> MappingConfig:
    """The mapping's options.  Widths that may be left to a default, which differs from one generation to the next, are the tensors'."""

    def columns(name: str) -> int | None:
        record = variables.get(f"mapping/{name}/weight")
        width = record.shape[1] if isinstance(record, TensorRecord) and len(record.shape) == 2 else synthesis.w_dim
        return width if width != synthesis.w_dim else None

    depth, beta = given.get("mapping_layers", 8), given.get("dlatent_avg_beta", given.get("w_avg_beta", 0.995))
    return MappingConfig(
        z_dim=given.get("latent_size", 512),
        c_dim=given.get("label_size", 0),
        w_dim=synthesis.w_dim,
        num_ws=synthesis.num_ws,
        num_layers=depth,
        embed_features=columns("LabelEmbed") or columns("LabelConcat"),
        layer_features=columns("Dense0") if depth != 1 else None,
        activation=given.get("mapping_nonlinearity", "lrelu"),
        lr_multiplier=given.get("mapping_lrmul", 0.01),
        w_avg_beta=beta if type(beta) is float and math.isfinite(beta) else 0.995,
        joint_label="mapping/LabelConcat/weight" in variables,
        normalize_z=given.get("normalize_latents", True),
    )


def _layer_rules(name: str, resolution: int, synthesis: SynthesisConfig) -> dict[str, tuple[str, Form]]:
    """The variables of one modulated layer."""
    kind = name.partition(".")[2]
    theirs = {"torgb": "ToRGB", "conv0": "Conv0_up", "conv1": "Conv1" if resolution > 4 else "Conv"}[kind]
    ours, path = f"synthesis.{name}", f"synthesis/{_scope(synthesis, resolution)}/{theirs}"
    rules = {
        f"{ours}.weight": (f"{path}/weight", _FLIPPED if kind == "conv0" else CONVOLUTION),
        f"{ours}.bias": (f"{path}/bias", PLAIN),
        f"{ours}.affine.weight": (f"{path}/mod_weight", DENSE),
        f"{ours}.affine.bias": (f"{path}/mod_bias", PLUS_ONE),
    }
    if kind != "torgb" and synthesis.use_noise:
        index = max(0, 2 * (resolution.bit_length() - 1) - (5 if kind == "conv0" else 4))
        rules[f"{ours}.noise_strength"] = f"{path}/noise_strength", PLAIN
        rules[f"{ours}.noise_const"] = f"synthesis/noise{index}", unsqueezed(2)
    return rules


def with_filters(tensors: Tensors, shapes: Shapes, taps: tuple[float, ...]) -> Tensors:
    """`tensors` with the resample filters, which these files keep as an option only."""
    return tensors | {name: resample_kernel(taps) for name in shapes if name.endswith("resample_filter")}
