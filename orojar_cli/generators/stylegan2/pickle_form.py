"""StyleGAN2's generator modules as the PyTorch-era container describes them (observed in checkpoint files)."""

from __future__ import annotations

from typing import Any

from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.generators.mapping import Mapping
from orojar_cli.generators.mapping_config import MappingConfig
from orojar_cli.generators.pickle_description import (
    TAPS,
    Describers,
    Description,
    beginning,
    convolution_record,
    departures,
    generator_sizes,
    normalised,
)
from orojar_cli.generators.primitives import FullyConnected, activation_gain
from orojar_cli.generators.stylegan2.config import StyleGAN2Config, SynthesisConfig
from orojar_cli.generators.stylegan2.network import SkipConvolution, StyleGAN2, Synthesis, SynthesisBlock, SynthesisLayer, ToRGB


def mapping_options(config: MappingConfig, w_avg_beta: float | None = 0.995) -> dict[str, Any]:
    """Constructor options of a mapping network beyond its sizes; `w_avg_beta` is the default of the network it belongs to."""
    return {"num_layers": config.num_layers} | departures(
        config, embed_features=None, layer_features=None, activation="lrelu", lr_multiplier=0.01, w_avg_beta=w_avg_beta
    )


def synthesis_options(config: SynthesisConfig) -> dict[str, Any]:
    """Constructor options of a StyleGAN2 synthesis network beyond its sizes."""
    options = {"channel_base": config.channel_base, "channel_max": config.channel_max, "num_fp16_res": config.num_fp16_res}
    options |= departures(config, architecture="skip", activation="lrelu", conv_clamp=None, use_noise=True) | beginning(config)
    taps = normalised(config.resample_filter)
    return options if tuple(taps) == TAPS else options | {"resample_filter": taps}


def _fully_connected(module: FullyConnected, name: str) -> Description:
    outputs, inputs = module.weight.shape
    options: dict[str, Any] = {"bias_init": 1} if name == "affine" else {}
    if module.activation != "linear":
        options = {"activation": module.activation} | ({"lr_multiplier": module.bias_gain} if module.bias_gain != 1 else {})
    sizes = {"in_features": inputs, "out_features": outputs}
    gains = {"activation": module.activation, "weight_gain": module.weight_gain, "bias_gain": module.bias_gain}
    return Description("FullyConnectedLayer", (inputs, outputs), options, sizes | gains)


def _mapping(module: Mapping, name: str) -> Description:
    config = module.config
    if config.joint_label or not config.normalize_z:
        raise UnsupportedCheckpointError(
            "not supported: a mapping that does not normalise z and label each alone has no .pkl form; write .safetensors instead"
        )
    sizes = {"z_dim": config.z_dim, "c_dim": config.c_dim, "w_dim": config.w_dim, "num_ws": config.num_ws}
    attributes = sizes | {"num_layers": config.num_layers, "w_avg_beta": config.w_avg_beta}
    if config.c_dim == 0:
        attributes["embed"] = None  # later versions of the module ask for it
    return Description("MappingNetwork", (), sizes | mapping_options(config), attributes)


def _layer(module: SynthesisLayer, name: str) -> Description:
    config, (outputs, inputs) = module.config, module.weight.shape[:2]
    upsampling = {"up": module.up, "resample_filter": normalised(config.resample_filter)} if module.up > 1 else {}
    options = {
        "w_dim": config.w_dim,
        "resolution": module.resolution,
        **upsampling,
        "conv_clamp": config.conv_clamp,
        "channels_last": False,
        **beginning(config),
    }
    attributes = {
        "in_channels": inputs,
        "out_channels": outputs,
        "w_dim": config.w_dim,
        "resolution": module.resolution,
        **beginning(config),
        "up": module.up,
        "use_noise": config.use_noise,
        "activation": config.activation,
        "conv_clamp": config.conv_clamp,
        "padding": 1,
        "act_gain": activation_gain(config.activation),
    }
    return Description("SynthesisLayer", (inputs, outputs), options, attributes)


def _torgb(module: ToRGB, name: str) -> Description:
    outputs, inputs = module.weight.shape[:2]
    options = {"w_dim": module.affine.weight.shape[1], "conv_clamp": module.clamp, "channels_last": False}
    attributes = {"in_channels": inputs, "out_channels": outputs, "w_dim": options["w_dim"]}
    attributes |= {"conv_clamp": module.clamp, "weight_gain": module.weight_gain}
    return Description("ToRGBLayer", (inputs, outputs), options, attributes)


def _skip(module: SkipConvolution, name: str) -> Description:
    return convolution_record(module.weight, "linear", 2, 1, None, module.taps, bias=False)


def _block(module: SynthesisBlock, name: str) -> Description:
    config, resolution = module.config, module.resolution
    inputs = config.channels(resolution // 2) if resolution > 4 else 0
    options = {
        "w_dim": config.w_dim,
        "resolution": resolution,
        "img_channels": config.img_channels,
        "is_last": resolution == config.img_resolution,
        **beginning(config),
    }
    attributes = options | {
        "in_channels": inputs,
        "fused_modconv_default": "inference_only",
        "architecture": config.architecture,
        "use_fp16": config.in_float16(resolution),
        "channels_last": False,
        "num_conv": 2 if resolution > 4 else 1,
        "num_torgb": int(config.has_torgb(resolution)),
    }
    options |= {"use_fp16": config.in_float16(resolution)} | departures(config, architecture="skip", conv_clamp=None)
    return Description("SynthesisBlock", (inputs, config.channels(resolution)), options, attributes)


def _synthesis(module: Synthesis, name: str) -> Description:
    config = module.config
    sizes = {"w_dim": config.w_dim, "img_resolution": config.img_resolution, "img_channels": config.img_channels}
    sizes |= beginning(config)
    attributes = sizes | {
        "img_resolution_log2": config.img_resolution.bit_length() - 1,
        "block_resolutions": config.resolutions,
        "num_ws": config.num_ws,
        "num_fp16_res": config.num_fp16_res,
    }
    if "init_res" in sizes:
        attributes["fmap_base"] = config.channel_base
    return Description("SynthesisNetwork", (), sizes | synthesis_options(config), attributes)


def _stylegan2(module: StyleGAN2, name: str) -> Description:
    config: StyleGAN2Config = module.config
    sizes = generator_sizes(config) | {"img_resolution": config.synthesis.img_resolution} | beginning(config.synthesis)
    synthesis = {name: value for name, value in synthesis_options(config.synthesis).items() if name not in sizes}
    options = {"mapping_kwargs": mapping_options(config.mapping), "synthesis_kwargs": synthesis}
    attributes = sizes | {"num_ws": config.num_ws}
    if "init_res" in sizes:
        attributes |= {"res": config.synthesis.img_resolution, "output_shape": [1, *config.image_shape]}
    return Description("Generator", (), sizes | options, attributes)


DESCRIBERS: Describers = {
    FullyConnected: _fully_connected,
    Mapping: _mapping,
    SynthesisLayer: _layer,
    ToRGB: _torgb,
    SkipConvolution: _skip,
    SynthesisBlock: _block,
    Synthesis: _synthesis,
    StyleGAN2: _stylegan2,
}
