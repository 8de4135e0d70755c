"""The options and variable names of TensorFlow-era StyleGAN2 discriminators -> our critic's configuration and tensors."""

from __future__ import annotations

from orojar_cli.containers.derived import PLAIN, Form, derive
from orojar_cli.containers.tensorflow import TensorFlowNetwork
from orojar_cli.generators.critic.config import CriticConfig
from orojar_cli.generators.family import Read
from orojar_cli.generators.stylegan2.tensorflow_reader import CONVOLUTION, DENSE, checked_options, shared_options, split_lods, with_filters

_FUNCTIONS = {"": {"D_stylegan2", "D_stylegan"}}
_KNOWN = {"mbstd_group_size", "mbstd_num_features", "mapping_layers", "mapping_fmaps", "mapping_lrmul"}


def recognise(network: TensorFlowNetwork) -> TensorFlowNetwork | None:
    """A discriminator that one of StyleGAN2's functions built."""
    return network if network.functions.get("") in _FUNCTIONS[""] else None


def read(network: TensorFlowNetwork, where: str) -> Read:
    """Configuration and tensors of D; raises UnsupportedCheckpointError and DamagedCheckpointError."""
    given = checked_options(network, _KNOWN, _FUNCTIONS)
    shared = shared_options(given, where, "resnet")
    variables, grown = split_lods(network.variables, "", "FromRGB", shared["img_resolution"])
    if grown:
        shared["architecture"] = "orig"
    config = CriticConfig(
        c_dim=0, **shared, mbstd_group_size=given.get("mbstd_group_size", 4), mbstd_num_channels=given.get("mbstd_num_features", 1)
    )
    names = {"fromrgb": "FromRGB", "conv0": "Conv0", "conv1": "Conv1_down", "skip": "Skip", "conv": "Conv", "fc": "Dense0"}
    rules: dict[str, tuple[str, Form]] = {}
    for ours, shape in config.shapes().items():
        block, layer, tensor = (ours.split(".") + [""])[:3]
        if "resample_filter" not in ours:
            path = "Output" if layer == "out" else f"{block[1:]}x{block[1:]}/{names[layer]}"
            rules[ours] = f"{path}/{tensor}", {1: PLAIN, 2: DENSE, 4: CONVOLUTION}[len(shape)]
    stored = {name: value for name, value in variables.items() if name != "lod"}
    return config, with_filters(derive(stored, config.shapes(), rules, where), config.shapes(), config.resample_filter)
