"""The options of critics as PyTorch-era files record them -> our configuration and tensors."""

from __future__ import annotations

from orojar_cli.containers.module_tree import NetworkTree
from orojar_cli.generators.critic.config import CriticConfig
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

USED_FILTERS = r"b\d+\.((conv1|skip)\.)?resample_filter\Z"
_CLASSES = {
    "Discriminator",
    "DiscriminatorBlock",
    "DiscriminatorEpilogue",
    "MinibatchStdLayer",
    "MappingNetwork",
    "FullyConnectedLayer",
    "Conv2dLayer",
}
_OPTIONS = {"channel_base", "channel_max", "conv_clamp", "architecture", "cmap_dim", "square", "init_res"}


def recognise(tree: NetworkTree) -> NetworkTree | None:
    """A Discriminator."""
    return tree if tree.class_name == "Discriminator" else None


def read(tree: NetworkTree, where: str) -> Read:
    """Configuration and tensors of a critic, checked against each other."""
    refuse_classes(tree, _CLASSES, where)
    groups = ("block_kwargs", "mapping_kwargs", "epilogue_kwargs")
    flat, nested = options(tree, where, SIZES, groups)
    given = {key: value for key, value in flat.items() if key not in SIZES}
    refuse_unknown(
        given, SPEED_OPTIONS | {"channel_base", "channel_max", "conv_clamp", "architecture", "cmap_dim", "square", "init_res"}, where
    )
    refuse_unknown(nested["block_kwargs"], SPEED_OPTIONS | {"activation", "resample_filter", "freeze_layers"}, where)
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
        resample_filter=stored_taps(tree.tensors.get(f"{first}.resample_filter"), where),
        activation=tree.recorded(f"{first}.conv0", "activation", (str,), "lrelu"),
        conv_clamp=checked_clamp(tree.recorded(f"{first}.conv0", "conv_clamp", (int, float, type(None)), given.get("conv_clamp")), where),
        mbstd_group_size=tree.recorded("b4.mbstd", "group_size", (int, type(None)), nested["epilogue_kwargs"].get("mbstd_group_size", 4)),
        mbstd_num_channels=nested["epilogue_kwargs"].get("mbstd_num_channels", 1),
        mapping=mapping,
        start=said_start(given, where),
    )
    filtered = with_used_filters(tree.tensors, config.shapes(), USED_FILTERS, config.resample_filter, where)
    return config, filtered
