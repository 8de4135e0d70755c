"""The options of StyleGAN3 generators as PyTorch-era files record them -> our configuration and tensors."""

from __future__ import annotations

from typing import Any

from orojar_cli.containers.file import printable
from orojar_cli.containers.module_tree import NetworkTree, check_tensors
from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.generators.family import Read
from orojar_cli.generators.pickle_options import mapping_config, options, refuse_classes, refuse_unknown
from orojar_cli.generators.stylegan3.config import AliasFreeConfig, AliasFreeLayer, StyleGAN3Config

# What the running average decays with and how layers are rounded changes nothing that is computed in float32.
_IGNORED_OPTIONS = {"magnitude_ema_beta"}
_PLAIN_OPTIONS = {
    "channel_base": 32768,
    "channel_max": 512,
    "first_cutoff": 2.0,
    "first_stopband": 2**2.1,
    "last_stopband_rel": 2**0.3,
    "filter_size": 6,
    "lrelu_upsampling": 2,
    "use_radial_filters": False,
}
_RECORDED_OPTIONS: dict[str, tuple[Any, tuple[type, ...]]] = {
    "num_layers": (14, (int,)),
    "num_critical": (2, (int,)),
    "margin_size": (10, (int,)),
    "output_scale": (0.25, (int, float)),
    "num_fp16_res": (0, (int,)),
}
_SIZES = ("z_dim", "w_dim", "c_dim", "img_resolution", "img_channels")
_CLASSES = {"Generator", "MappingNetwork", "SynthesisNetwork", "SynthesisInput", "SynthesisLayer", "FullyConnectedLayer"}


def recognise(tree: NetworkTree) -> NetworkTree | None:
    """A Generator that begins with Fourier features, its classes not embedded as StyleGAN-XL's are."""
    classes = tree.classes.values()
    return tree if tree.class_name == "Generator" and "SynthesisInput" in classes and "Embedding" not in classes else None


def read(tree: NetworkTree, where: str) -> Read:
    """Configuration and tensors of a StyleGAN3 generator, the tensors and each layer's own records checked against it.

    Raises UnsupportedCheckpointError for modules, options or layers that are not StyleGAN3's, DamagedCheckpointError for tensors
    that are missing or have another shape.
    """
    refuse_classes(tree, _CLASSES, where)
    flat, nested = options(tree, where, _SIZES, ("mapping_kwargs", "synthesis_kwargs"))
    given = {key: value for key, value in flat.items() if key not in _SIZES} | nested["synthesis_kwargs"]
    refuse_unknown(
        given, _IGNORED_OPTIONS | set(_PLAIN_OPTIONS) | set(_RECORDED_OPTIONS) | {"conv_kernel", "conv_clamp"}, f"{where}.synthesis"
    )
    chosen = {name: given.get(name, default) for name, default in _PLAIN_OPTIONS.items()}
    for name, (default, kinds) in _RECORDED_OPTIONS.items():
        chosen[name] = tree.recorded("synthesis", name, kinds, given.get(name, default))
    first = next((path for path in sorted(tree.classes) if path.startswith("synthesis.L0_") and path.count(".") == 1), "")
    clamp = tree.recorded(first, "conv_clamp", (int, float, type(None)), given.get("conv_clamp", 256))
    synthesis = AliasFreeConfig(
        w_dim=flat["w_dim"],
        img_resolution=flat["img_resolution"],
        img_channels=flat["img_channels"],
        conv_kernel=tree.recorded(first, "conv_kernel", (int,), given.get("conv_kernel", 3)),
        conv_clamp=float(clamp) if type(clamp) is int else clamp,
        **chosen,
    )
    mapping = mapping_config(
        tree,
        {"num_layers": 2, "w_avg_beta": 0.998} | nested["mapping_kwargs"],
        z_dim=flat["z_dim"],
        c_dim=flat["c_dim"],
        w_dim=flat["w_dim"],
        num_ws=synthesis.num_ws,
        where=where,
    )
    if mapping.z_dim == 0:
        raise UnsupportedCheckpointError(f"not supported: {where} has no z")
    config = StyleGAN3Config(mapping, synthesis)
    check_tensors(tree.tensors, config.shapes(), where)
    _check_records(tree, synthesis, where)
    return config, tree.tensors


def _check_records(tree: NetworkTree, config: AliasFreeConfig, where: str) -> None:
    """Compare what every layer records of itself with our schedule: a fork's other schedule would load and compute something else."""
    expected = {"input": {"bandwidth": config.bands[0].cutoff, "sampling_rate": config.bands[0].rate}}
    expected |= {layer.name: _records(layer, config) for layer in config.alias_free_layers()}
    for name, records in expected.items():
        found = tree.attributes.get(f"synthesis.{name}", {})
        for key, value in records.items():
            if key in found and not _same(found[key], value):
                raise UnsupportedCheckpointError(
                    f"not supported: {where}.synthesis.{name} records {key} = {printable(found[key])}, its options give {printable(value)}"
                )


def _records(layer: AliasFreeLayer, config: AliasFreeConfig) -> dict[str, Any]:
    before, after = layer.padding
    return {
        "is_torgb": layer.is_torgb,
        "is_critically_sampled": layer.is_critical,
        "conv_kernel": layer.kernel,
        "conv_clamp": config.conv_clamp,
        "in_sampling_rate": layer.source.rate,
        "out_sampling_rate": layer.target.rate,
        "tmp_sampling_rate": layer.temporary_rate,
        "in_cutoff": layer.source.cutoff,
        "out_cutoff": layer.target.cutoff,
        "in_half_width": layer.source.half_width,
        "out_half_width": layer.target.half_width,
        "up_factor": layer.up,
        "down_factor": layer.down,
        "up_taps": layer.up_taps,
        "down_taps": layer.down_taps,
        "down_radial": layer.radial,
        "padding": [before, after, before, after],
    }


def _same(found: Any, expected: Any) -> bool:
    """Whether a recorded value is the expected one; numbers may be whole or not, and agree to rounding."""
    if type(expected) is list:
        return type(found) is list and len(found) == len(expected) and all(map(_same, found, expected))
    if type(expected) is bool or expected is None:
        return found is expected
    return type(found) in (int, float) and abs(found - expected) <= 1e-6 * abs(expected)
