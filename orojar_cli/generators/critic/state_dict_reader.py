"""The discriminator of the widespread PyTorch layout of StyleGAN2 (`convs.0.0.weight`, `final_linear.0.weight`…) -> our critic.

Everything is deduced from the tensors.
"""

from __future__ import annotations

import re

from orojar_cli.containers.derived import PLAIN, derive, resample_kernel
from orojar_cli.containers.state_dict import StateDict, StateDicts, count, tensor_shape
from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.generators.critic.config import CriticConfig
from orojar_cli.generators.family import Read
from orojar_cli.generators.stylegan2.state_dict_reader import TAPS, channel_rule, without_kernels

_KERNEL = re.compile(r"convs\.\d+\.(conv2|skip)\.0\.kernel\Z")


def recognise(file: StateDicts) -> StateDict | None:
    """The discriminator of the widespread StyleGAN2 layout."""
    return file.critic(lambda tensors: "final_linear.1.weight" in tensors and "convs.0.0.weight" in tensors)


def read(stored: StateDict, where: str) -> Read:
    """Configuration and tensors of a discriminator of that layout; raises UnsupportedCheckpointError and DamagedCheckpointError."""
    tensors = without_kernels(stored.tensors, _KERNEL, 1.0, where)
    levels = count(tensors, "convs.{}.conv1.0.weight", first=1)
    if not 1 <= levels <= 9:
        raise UnsupportedCheckpointError(f"not supported: {where} has {levels} downsampling levels (1 to 9 are)")
    size = 4 << levels
    widths = {size: tensor_shape(tensors, "convs.0.0.weight", 4, where)[0]}
    for level in range(1, levels + 1):
        widths[size >> level] = tensor_shape(tensors, f"convs.{level}.conv2.1.weight", 4, where)[0]
    base, largest = channel_rule(widths, where)
    features = tensor_shape(tensors, "final_conv.0.weight", 4, where)[1] - widths[4]
    if tensor_shape(tensors, "final_linear.0.weight", 2, where)[1] != 16 * tensor_shape(tensors, "final_conv.0.weight", 4, where)[0]:
        raise UnsupportedCheckpointError(f"not supported: {where} is a critic of images that are not square, of sizes that it does not say")
    image = tensor_shape(tensors, "convs.0.0.weight", 4, where)[1]
    config = CriticConfig(0, size, image, channel_base=base, channel_max=largest, resample_filter=TAPS, mbstd_num_channels=features)
    names = {"conv0": ("conv1.0", "conv1.1"), "conv1": ("conv2.1", "conv2.2"), "skip": ("skip.1", "")}
    rules = {
        f"b{size}.fromrgb.weight": ("convs.0.0.weight", PLAIN),
        f"b{size}.fromrgb.bias": ("convs.0.1.bias", PLAIN),
        "b4.conv.weight": ("final_conv.0.weight", PLAIN),
        "b4.conv.bias": ("final_conv.1.bias", PLAIN),
    }
    rules |= {f"b4.fc.{part}": (f"final_linear.0.{part}", PLAIN) for part in ("weight", "bias")}
    rules |= {f"b4.out.{part}": (f"final_linear.1.{part}", PLAIN) for part in ("weight", "bias")}
    for level in range(1, levels + 1):
        for ours, (weight, bias) in names.items():
            rules[f"b{2 * size >> level}.{ours}.weight"] = f"convs.{level}.{weight}.weight", PLAIN
            if bias:
                rules[f"b{2 * size >> level}.{ours}.bias"] = f"convs.{level}.{bias}.bias", PLAIN
    kernel = resample_kernel(TAPS)
    filters = {name: kernel for name in config.shapes() if name.endswith("resample_filter")}
    return config, derive(dict(tensors), config.shapes(), rules, where) | filters
