"""The options of StyleGAN2 generators as PyTorch-era files record them -> our configuration and tensors."""

from __future__ import annotations

from orojar_cli.containers.module_tree import NetworkTree
from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.generators.family import Read
from orojar_cli.generators.pickle_options import (
    SIZES,
    SPEED_OPTIONS,
    checked_clamp,
    mapping_config,
    options,
    refuse_classes,
    refuse_unknown,
    said_start,
    stored_taps,
    with_used_filters,
)
from orojar_cli.generators.stylegan2.config import StyleGAN2Config, SynthesisConfig

_SYNTHESIS_OPTIONS = SPEED_OPTIONS | {
    "channel_base",
    "channel_max",
    "conv_clamp",
    "architecture",
    "resample_filter",
    "activation",
    "use_noise",
    "kernel_size",
    "square",
    "init_res",
}
USED_FILTERS = r"b\d+\.((conv0|skip)\.)?resample_filter\Z"
_CLASSES = {
    "Generator",
    "MappingNetwork",
    "SynthesisNetwork",
    "SynthesisBlock",
    "SynthesisLayer",
    "ToRGBLayer",
    "FullyConnectedLayer",
    "Conv2dLayer",
}


def recognise(tree: NetworkTree) -> NetworkTree | None:
    """A Generator of StyleGAN2's blocks."""
    return tree if tree.class_name == "Generator" and "SynthesisBlock" in tree.classes.values() else None


def read(tree: NetworkTree, where: str) -> Read:
    """Configuration and tensors of a StyleGAN2 generator, checked against each other.

    Synthesis options sit in `synthesis_kwargs` in StyleGAN2-ADA's files and flat in StyleGAN3's.
    """
    refuse_classes(tree, _CLASSES, where)
    sizes = ("z_dim", "w_dim", *SIZES)
    flat, nested = options(tree, where, sizes, ("mapping_kwargs", "synthesis_kwargs"))
    given = {key: value for key, value in flat.items() if key not in sizes} | nested["synthesis_kwargs"]
    refuse_unknown(given, _SYNTHESIS_OPTIONS, f"{where}.synthesis")
    start = said_start(given, where)
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
        resample_filter=stored_taps(tree.tensors.get("synthesis.b4.resample_filter"), where),
        activation=tree.recorded(layer, "activation", (str,), given.get("activation", "lrelu")),
        conv_clamp=checked_clamp(tree.recorded(layer, "conv_clamp", (int, float, type(None)), given.get("conv_clamp")), where),
        use_noise=tree.recorded(layer, "use_noise", (bool,), given.get("use_noise", True)) is True,
        start=start,
        num_fp16_res=tree.recorded("synthesis", "num_fp16_res", (int,), given.get("num_fp16_res", 0)),
    )
    mapping = mapping_config(
        tree, nested["mapping_kwargs"], z_dim=flat["z_dim"], c_dim=flat["c_dim"], w_dim=flat["w_dim"], num_ws=synthesis.num_ws, where=where
    )
    if mapping.z_dim == 0:
        raise UnsupportedCheckpointError(f"not supported: {where} has no z")
    config = StyleGAN2Config(mapping, synthesis)
    filtered = with_used_filters(tree.tensors, config.shapes(), USED_FILTERS, synthesis.resample_filter, where)
    return config, filtered
