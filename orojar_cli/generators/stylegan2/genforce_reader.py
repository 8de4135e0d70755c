"""GenForce's StyleGAN2 state dictionaries (`synthesis.early_layer.const`, `synthesis.layer0.weight`...) -> ours.

Numbers are those of the original TensorFlow files: styles are learned around 1, and kernels that enlarge lie the other way round.
"""

from __future__ import annotations

import re
from typing import Any

from orojar_cli.containers.derived import PLAIN, PLUS_ONE, Form, derive, resample_kernel, unsqueezed
from orojar_cli.containers.state_dict import StateDict, StateDicts, count, tensor_shape
from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.generators.family import Read
from orojar_cli.generators.genforce import mapping_config, mapping_rules
from orojar_cli.generators.stylegan2.config import StyleGAN2Config, SynthesisConfig
from orojar_cli.generators.stylegan2.state_dict_reader import TAPS, channel_rule, without_kernels

_KERNEL = re.compile(r"synthesis\.(layer\d+\.filter|upsample)\.kernel\Z")
_FLIPPED = Form(PLAIN.stored_shape, lambda tensor: tensor.flip((2, 3)), lambda tensor: tensor.flip((2, 3)))


def recognise(file: StateDicts) -> StateDict | None:
    """A generator of GenForce's StyleGAN2."""
    return file.generator(lambda tensors: {"synthesis.early_layer.const", "mapping.dense0.weight"} <= tensors.keys())


def read(stored: StateDict, where: str) -> Read:
    """Configuration and tensors of a generator; raises UnsupportedCheckpointError and DamagedCheckpointError."""
    tensors = without_kernels(stored.tensors, _KERNEL, 4.0, where)
    layers = count(tensors, "synthesis.layer{}.weight")
    if layers % 2 == 0 or not 3 <= layers <= 19:
        raise UnsupportedCheckpointError(f"not supported: {where} has {layers} convolutions (3, 5, 7... 19 are)")
    levels = layers // 2
    widths = {4 << level: tensor_shape(tensors, f"synthesis.layer{2 * level}.weight", 4, where)[0] for level in range(levels + 1)}
    base, largest = channel_rule(widths, where)
    mapping = mapping_config(tensors, layers + 1, where)
    synthesis = SynthesisConfig(
        w_dim=mapping.w_dim,
        img_resolution=4 << levels,
        img_channels=tensor_shape(tensors, f"synthesis.output{levels}.weight", 4, where)[0],
        channel_base=base,
        channel_max=largest,
        architecture="skip" if "synthesis.output0.weight" in tensors else "orig",
        resample_filter=TAPS,
    )
    config = StyleGAN2Config(mapping, synthesis)
    kernel = resample_kernel(TAPS)
    kernels = {name: kernel for name in config.shapes() if name.endswith("resample_filter")}
    return config, derive(dict(tensors), config.shapes(), rules(config), where) | kernels


def rules(config: StyleGAN2Config) -> dict[str, tuple[str, Form]]:
    """Our tensors' names -> those of this layout, and the form they have there."""
    found = mapping_rules(config.mapping, PLAIN) | {"synthesis.b4.const": ("synthesis.early_layer.const", unsqueezed(1))}
    for layer in config.layers():
        kind, level = layer.name.partition(".")[2], layer.resolution.bit_length() - 3
        theirs = f"synthesis.output{level}" if kind == "torgb" else f"synthesis.layer{2 * level - (kind == 'conv0')}"
        ours = f"synthesis.{layer.name}"
        found |= {
            f"{ours}.weight": (f"{theirs}.weight", _FLIPPED if kind == "conv0" else PLAIN),
            f"{ours}.bias": (f"{theirs}.bias", PLAIN),
            f"{ours}.affine.weight": (f"{theirs}.style.weight", PLAIN),
            f"{ours}.affine.bias": (f"{theirs}.style.bias", PLUS_ONE),
        }
        if kind != "torgb":
            found[f"{ours}.noise_strength"] = f"{theirs}.noise_strength", PLAIN
            found[f"{ours}.noise_const"] = f"{theirs}.noise", unsqueezed(2)
    return found


def beside(config: StyleGAN2Config) -> dict[str, Any]:
    """The tensors of the layout that are the same in all its files: the resample filter."""
    import torch

    row = torch.tensor(TAPS, device="cpu")
    kernel = 4 * torch.outer(row, row)[None, None]
    names = [f"synthesis.layer{index}.filter.kernel" for index in range(1, config.num_ws - 1, 2)]
    names += ["synthesis.upsample.kernel"] if config.synthesis.architecture == "skip" else []
    return {name: kernel.clone() for name in names}
