"""The options and variable names of TensorFlow-era StyleGAN2 discriminators -> our critic's configuration and tensors."""

from __future__ import annotations

from typing import Any

from orojar_cli.containers.derived import PLAIN, Form, derive
from orojar_cli.containers.records import TensorRecord
from orojar_cli.containers.tensorflow import TensorFlowNetwork
from orojar_cli.errors import DamagedCheckpointError, UnsupportedCheckpointError
from orojar_cli.generators.critic.config import CriticConfig
from orojar_cli.generators.family import Read
from orojar_cli.generators.mapping_config import MappingConfig
from orojar_cli.generators.stylegan2.tensorflow_reader import CONVOLUTION, DENSE, checked_options, shared_options, split_lods, with_filters

_FUNCTIONS = {"": {"D_stylegan2", "D_stylegan", "D_main"}}  # the last is ADA's
_KNOWN = {"mbstd_group_size", "mbstd_num_features", "mapping_layers", "mapping_fmaps", "mapping_lrmul", "label_size", "label_fmaps"}


def recognise(network: TensorFlowNetwork) -> TensorFlowNetwork | None:
    """A discriminator that one of StyleGAN2's functions built."""
    return network if network.functions.get("") in _FUNCTIONS[""] else None


def read(network: TensorFlowNetwork, where: str) -> Read:
    """Configuration and tensors of D; raises UnsupportedCheckpointError and DamagedCheckpointError."""
    given = checked_options(network, _KNOWN, _FUNCTIONS)
    shared = shared_options(given, where, "resnet")
    variables, grown = split_lods(network.variables, "", "FromRGB", f"{shared['img_resolution']}x{shared['img_resolution']}")
    if grown:
        shared["architecture"] = "orig"
    mapping = _label_mapping(network, given)
    config = CriticConfig(
        c_dim=mapping.c_dim if mapping else 0,
        mapping=mapping,
        **shared,
        mbstd_group_size=given.get("mbstd_group_size", 4),
        mbstd_num_channels=given.get("mbstd_num_features", 1),
    )
    names = {"fromrgb": "FromRGB", "conv0": "Conv0", "conv1": "Conv1_down", "skip": "Skip", "conv": "Conv", "fc": "Dense0"}
    rules: dict[str, tuple[str, Form]] = {}
    for ours, shape in config.shapes().items():
        block, layer, tensor = (ours.split(".") + [""])[:3]
        if "resample_filter" not in ours:
            if block == "mapping":
                path = "LabelEmbed" if layer == "embed" else f"Mapping{layer.removeprefix('fc')}"
            else:
                path = "Output" if layer == "out" else f"{block[1:]}x{block[1:]}/{names[layer]}"
            rules[ours] = f"{path}/{tensor}", {1: PLAIN, 2: DENSE, 4: CONVOLUTION}[len(shape)]
    stored = {name: value for name, value in variables.items() if name != "lod"}
    return config, with_filters(derive(stored, config.shapes(), rules, where), config.shapes(), config.resample_filter)


def _label_mapping(network: TensorFlowNetwork, given: dict[str, Any]) -> MappingConfig | None:
    """What an ADA critic compares images with, where there are labels."""
    labels = given.get("label_size", 0)
    if type(labels) is int and labels == 0:
        return None
    if network.functions[""] != "D_main":
        raise UnsupportedCheckpointError(f"not supported: {network.where} is a critic with one output for each class")

    def columns(name: str) -> int:
        record = network.variables.get(f"{name}/weight")
        if not isinstance(record, TensorRecord) or len(record.shape) != 2:
            raise DamagedCheckpointError(f"damaged: {network.where}.{name}/weight is missing or not a matrix")
        return record.shape[1]

    depth, width = given.get("mapping_layers", 8), columns("Output")
    hidden = columns("Mapping0") if depth != 1 else width
    return MappingConfig(
        z_dim=0,
        c_dim=labels,
        w_dim=width,
        num_ws=None,
        num_layers=depth,
        embed_features=None if columns("LabelEmbed") == width else columns("LabelEmbed"),
        layer_features=None if hidden == width else hidden,
        lr_multiplier=given.get("mapping_lrmul", 0.01),
        w_avg_beta=None,
    )
