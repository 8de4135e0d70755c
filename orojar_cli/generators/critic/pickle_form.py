"""The critic's modules as the PyTorch-era container describes them (observed in checkpoint files)."""

from __future__ import annotations

from typing import Any

from orojar_cli.generators.critic.config import CriticConfig
from orojar_cli.generators.critic.network import Convolution, Critic, CriticBlock, CriticEpilogue
from orojar_cli.generators.pickle_description import TAPS, Describers, Description, beginning, convolution_record, departures, normalised
from orojar_cli.generators.stylegan2.pickle_form import mapping_options


def _convolution(module: Convolution, name: str) -> Description:
    return convolution_record(module.weight, module.activation, 1, module.down, module.clamp, module.taps, module.bias is not None)


def _critic_block(module: CriticBlock, name: str) -> Description:
    config, resolution = module.config, int(name[1:])
    position = config.resolutions.index(resolution)
    counts = [2 + config.has_fromrgb(each) + (config.architecture == "resnet") for each in config.resolutions]
    options = {
        "resolution": resolution,
        "first_layer_idx": sum(counts[:position]),
        "use_fp16": False,
        "img_channels": config.img_channels,
        "architecture": config.architecture,
    }
    inputs, width, below = (
        (0 if position == 0 else config.channels(resolution)),
        config.channels(resolution),
        config.channels(resolution // 2),
    )
    attributes = options | {"in_channels": inputs, "channels_last": False, "num_layers": counts[position]}
    return Description("DiscriminatorBlock", (inputs, width, below), options | {"conv_clamp": config.conv_clamp}, attributes)


def _epilogue(module: CriticEpilogue, name: str) -> Description:
    config = module.config
    options = {
        "cmap_dim": config.mapping.w_dim if config.mapping else 0,
        "resolution": 4,
        "img_channels": config.img_channels,
        "architecture": config.architecture,
    }
    group = {"group_size": config.mbstd_group_size, "num_channels": config.mbstd_num_channels}
    deviation = {"mbstd": Description("MinibatchStdLayer", (), group, group)} if config.mbstd_num_channels else {}
    given = options | _epilogue_options(config) | {"conv_clamp": config.conv_clamp}
    width = config.channels(4)
    return Description("DiscriminatorEpilogue", (width,), given, {"in_channels": width} | options, deviation)


def _epilogue_options(config: CriticConfig) -> dict[str, Any]:
    return {"mbstd_group_size": config.mbstd_group_size} | departures(config, mbstd_num_channels=1, activation="lrelu")


def _critic(module: Critic, name: str) -> Description:
    config = module.config
    sizes = {"c_dim": config.c_dim, "img_resolution": config.img_resolution, "img_channels": config.img_channels} | beginning(config)
    options: dict[str, Any] = {"channel_base": config.channel_base, "channel_max": config.channel_max, "num_fp16_res": 0}
    options |= departures(config, architecture="resnet", conv_clamp=None) | {"epilogue_kwargs": _epilogue_options(config)}
    if config.mapping:
        options |= {"cmap_dim": config.mapping.w_dim, "mapping_kwargs": mapping_options(config.mapping, w_avg_beta=None)}
    block, taps = departures(config, activation="lrelu"), normalised(config.resample_filter)
    if tuple(taps) != TAPS:
        block["resample_filter"] = taps
    attributes = sizes | {"img_resolution_log2": config.img_resolution.bit_length() - 1, "block_resolutions": config.resolutions}
    return Description("Discriminator", (), sizes | options | ({"block_kwargs": block} if block else {}), attributes)


DESCRIBERS: Describers = {
    Convolution: _convolution,
    CriticBlock: _critic_block,
    CriticEpilogue: _epilogue,
    Critic: _critic,
}
