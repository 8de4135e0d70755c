"""StyleGAN3's generator modules as the PyTorch-era container describes them (observed in checkpoint files)."""

from __future__ import annotations

from typing import Any

from orojar_cli.containers.pickle_writer import Call, Name
from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.generators.pickle_description import Describers, Description, departures, generator_sizes
from orojar_cli.generators.stylegan2.pickle_form import mapping_options
from orojar_cli.generators.stylegan3.config import AliasFreeConfig
from orojar_cli.generators.stylegan3.network import AliasFreeSynthesis, AliasFreeSynthesisLayer, FourierInput, StyleGAN3


def _square(size: int) -> Call:
    """The numpy array [size, size] of whole numbers that StyleGAN3's modules keep their sizes in."""
    dtype = Call(Name("numpy", "dtype"), ("i8", False, True), (3, "<", None, None, None, -1, -1, 0))
    data = size.to_bytes(8, "little") * 2
    return Call(Name("numpy.core.multiarray", "_reconstruct"), (Name("numpy", "ndarray"), (0,), b"b"), (1, (2,), dtype, False, data))


def _input(module: FourierInput, name: str) -> Description:
    band = module.band
    shared = {"w_dim": module.affine.weight.shape[1], "channels": band.channels}
    limits = {"sampling_rate": float(band.rate), "bandwidth": band.cutoff}
    return Description("SynthesisInput", (), shared | {"size": band.size} | limits, shared | {"size": _square(band.size)} | limits)


def _alias_free_layer(module: AliasFreeSynthesisLayer, name: str) -> Description:
    layer, (before, after) = module.layer, module.layer.padding
    options: dict[str, Any] = {
        "w_dim": module.affine.weight.shape[1],
        "is_torgb": layer.is_torgb,
        "is_critically_sampled": layer.is_critical,
        "use_fp16": module.fp16,
        "in_channels": layer.source.channels,
        "out_channels": layer.target.channels,
        "in_size": layer.source.size,
        "out_size": layer.target.size,
        "in_sampling_rate": layer.source.rate,
        "out_sampling_rate": layer.target.rate,
        "in_cutoff": layer.source.cutoff,
        "out_cutoff": layer.target.cutoff,
        "in_half_width": layer.source.half_width,
        "out_half_width": layer.target.half_width,
    }
    attributes = options | {
        "in_size": _square(layer.source.size),
        "out_size": _square(layer.target.size),
        "tmp_sampling_rate": layer.temporary_rate,
        "conv_kernel": layer.kernel,
        "conv_clamp": module.clamp,
        "magnitude_ema_beta": 0.999,
        "up_factor": layer.up,
        "up_taps": layer.up_taps,
        "down_factor": layer.down,
        "down_taps": layer.down_taps,
        "down_radial": layer.radial,
        "padding": [before, after, before, after],
    }
    options |= {"conv_kernel": layer.kernel, "conv_clamp": module.clamp}
    return Description("SynthesisLayer", (), options, attributes, empty_buffers=("up_filter", "down_filter"))


def _alias_free_options(config: AliasFreeConfig) -> dict[str, Any]:
    options = {"channel_base": config.channel_base, "channel_max": config.channel_max, "num_fp16_res": config.num_fp16_res}
    defaults = AliasFreeConfig(config.w_dim, config.img_resolution, config.img_channels)
    names = (
        name for name in vars(defaults) if name not in ("w_dim", "img_resolution", "img_channels", "channel_base", "channel_max", "bands")
    )
    return options | departures(config, **{name: getattr(defaults, name) for name in names})


def _alias_free_synthesis(module: AliasFreeSynthesis, name: str) -> Description:
    config = module.config
    sizes = {"w_dim": config.w_dim, "img_resolution": config.img_resolution, "img_channels": config.img_channels}
    schedule = {key: getattr(config, key) for key in ("num_layers", "num_critical", "margin_size", "output_scale")}
    attributes = sizes | schedule | {"num_ws": config.num_ws, "num_fp16_res": config.num_fp16_res}
    attributes["layer_names"] = [layer.name for layer in module.layers]
    return Description("SynthesisNetwork", (), sizes | _alias_free_options(config), attributes)


def _stylegan3(module: StyleGAN3, name: str) -> Description:
    config = module.config
    if config.mapping.layer_features not in (None, config.mapping.w_dim):
        raise UnsupportedCheckpointError(
            "not supported: StyleGAN3's mapping has layers as wide as w, so that another has no .pkl form; write .safetensors instead"
        )
    options = {"mapping_kwargs": mapping_options(config.mapping, 0.998)} | _alias_free_options(config.synthesis)
    return Description("Generator", (), generator_sizes(config) | options, generator_sizes(config) | {"num_ws": config.num_ws})


DESCRIBERS: Describers = {
    FourierInput: _input,
    AliasFreeSynthesisLayer: _alias_free_layer,
    AliasFreeSynthesis: _alias_free_synthesis,
    StyleGAN3: _stylegan3,
}
