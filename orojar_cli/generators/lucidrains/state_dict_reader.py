"""Files of lucidrains' stylegan2-pytorch (`model_N.pt`, `.config.json`) -> our configuration and tensors, of the averaged network."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

from orojar_cli.containers.derived import PLAIN, PLUS_ONE, DerivedRecord, Form, derive, scaled, unsqueezed
from orojar_cli.containers.records import TensorRecord
from orojar_cli.containers.state_dict import StateDict, StateDicts, count, tensor_shape
from orojar_cli.errors import DamagedCheckpointError, UnsupportedCheckpointError
from orojar_cli.generators.beside import json_beside
from orojar_cli.generators.family import Read
from orojar_cli.generators.lucidrains.config import START, LucidrainsConfig, SynthesisConfig
from orojar_cli.generators.mapping_config import MappingConfig
from orojar_cli.generators.substitutes import LATENTS, estimated_mean

SETTINGS = ".config.json"
FROM_W = "GE.to_initial_block.weight"  # a transposed convolution of a w as one pixel, without a bias: their no_const
_RATE = 0.1
_NOISE_SEED = 0
_COLUMN = Form(lambda shape: (*shape, 1), lambda tensor: tensor[:, 0], lambda tensor: tensor[:, None])
_CHANNELS = Form(lambda shape: (1, *shape, 1, 1), lambda tensor: tensor[0, :, 0, 0], lambda tensor: tensor[None, :, None, None])
# The layers of attention: our name, theirs, and whether there is a bias.
_ATTENTION = {
    "query": ("0.fn.fn.to_q", False),
    "near": ("0.fn.fn.to_kv.net.0", False),
    "key_value": ("0.fn.fn.to_kv.net.1", False),
    "out": ("0.fn.fn.to_out", True),
    "widen": ("1.fn.fn.0", True),
    "narrow": ("1.fn.fn.2", True),
}


def recognise(file: StateDicts) -> StateDict | None:
    """The averaged mapping (`SE`) and generator (`GE`)."""
    return file.generator(lambda tensors: "SE.net.0.weight" in tensors and "GE.blocks.0.to_style1.weight" in tensors)


def trained(file: StateDicts) -> StateDict | None:
    """The mapping (`S`) and generator (`G`) that are trained, under the names of the averaged ones."""
    stored = recognise(file)
    names = {name: f"{name[0]}E{name[1:]}" for name in stored.tensors if name.startswith(("S.", "G."))} if stored else {}
    if stored is None or "SE.net.0.weight" not in names.values():
        return None
    tensors = {theirs: stored.tensors[name] for name, theirs in names.items()}
    return replace(stored, tensors=tensors, shared=tuple(tensors))


def read(stored: StateDict, where: str) -> Read:
    """Configuration and tensors of a generator; raises UnsupportedCheckpointError and DamagedCheckpointError."""
    tensors = {
        name: record for name, record in stored.tensors.items() if name.startswith(("SE.", "GE.")) and not name.endswith("upsample.1.f")
    }
    beside = json_beside(tensors["SE.net.0.weight"], "", SETTINGS, "network_capacity")
    config = _config(tensors, beside, where)
    mapping = config.mapping
    rules: dict[str, tuple[str, Form]] = {
        "synthesis.const": (FROM_W, PLAIN) if config.synthesis.start_from_w else ("GE.initial_block", unsqueezed(1)),
        "synthesis.first.weight": ("GE.initial_conv.weight", PLAIN),
        "synthesis.first.bias": ("GE.initial_conv.bias", PLAIN),
    }
    # Their layers have neither 1 / sqrt(fan in) nor a gain behind the activation, and z has length 1 there where it has sqrt(z_dim) here.
    for index, inputs in enumerate(mapping.features[:-1]):
        factor = math.sqrt((inputs if index else 1) / 2)
        rules[f"mapping.fc{index}.weight"] = f"SE.net.{2 * index}.weight", scaled(factor)
        rules[f"mapping.fc{index}.bias"] = f"SE.net.{2 * index}.bias", scaled(math.sqrt(1 / 2))
    wide = scaled(math.sqrt(config.w_dim))
    for layer in config.layers():
        block, name = f"GE.blocks.{layer.ws}", layer.name.partition(".")[2]
        ours = f"synthesis.{layer.name}"
        style = f"{block}.to_rgb.to_style" if name == "torgb" else f"{block}.to_style{name[-1]}"
        rules |= {
            f"{ours}.affine.weight": (f"{style}.weight", wide),
            f"{ours}.affine.bias": (f"{style}.bias", PLUS_ONE),
            f"{ours}.weight": (f"{block}.to_rgb.conv.weight" if name == "torgb" else f"{block}.{name}.weight", PLAIN),
        }
        if name != "torgb":
            rules[f"{ours}.noise_strength"] = f"{block}.to_noise{name[-1]}.weight", _COLUMN
            rules[f"{ours}.bias"] = f"{block}.to_noise{name[-1]}.bias", PLAIN
    for number in config.synthesis.attention:
        ours, theirs = f"synthesis.{config.synthesis.attention_name(number)}", f"GE.attns.{number}"
        for norm, part in (("norm", 0), ("norm2", 1)):
            rules[f"{ours}.{norm}.weight"] = f"{theirs}.{part}.fn.norm.g", _CHANNELS
            rules[f"{ours}.{norm}.bias"] = f"{theirs}.{part}.fn.norm.b", _CHANNELS
        for name, (stored_name, has_bias) in _ATTENTION.items():
            rules[f"{ours}.{name}.weight"] = f"{theirs}.{stored_name}.weight", PLAIN
            if has_bias:
                rules[f"{ours}.{name}.bias"] = f"{theirs}.{stored_name}.bias", PLAIN
    result = dict(derive(dict(tensors), config.shapes(), rules, where))
    result["mapping.w_avg"] = estimated_mean(mapping, {name: result[name] for name in mapping.shapes() if name in result})
    result["synthesis.noise_const"] = _noise(config.img_resolution)
    return config, result


def _config(tensors: dict[str, TensorRecord], beside: dict[str, Any] | None, where: str) -> LucidrainsConfig:
    depth = next(index for index in itertools.count() if f"SE.net.{2 * index}.weight" not in tensors)
    blocks = count(tensors, "GE.blocks.{}.conv2.weight")
    if not 2 <= blocks <= 10:
        raise UnsupportedCheckpointError(f"not supported: {where} has {blocks} blocks (2 to 10 are)")
    widths = tuple(tensor_shape(tensors, f"GE.blocks.{index}.conv2.weight", 4, where)[0] for index in range(blocks))
    hidden, z_dim = tensor_shape(tensors, "SE.net.0.weight", 2, where)
    w_dim = tensor_shape(tensors, f"SE.net.{2 * depth - 2}.weight", 2, where)[0]
    rate, said = _RATE, beside is not None and "lr_mlp" in beside
    if beside is not None:
        rate = beside.get("lr_mlp", _RATE)
        if type(rate) not in (int, float) or beside.get("image_size", START << (blocks - 1)) != START << (blocks - 1):
            raise DamagedCheckpointError(f"damaged: .config.json says another size or rate than the tensors of {where}")
    attention = tuple(index for index in range(blocks) if f"GE.attns.{index}.0.fn.norm.g" in tensors)
    channels = tensor_shape(tensors, "GE.blocks.0.to_rgb.conv.weight", 4, where)[0]
    synthesis = SynthesisConfig(w_dim, widths, channels, FROM_W in tensors, attention)
    mapping = MappingConfig(
        z_dim, 0, w_dim, blocks, depth, layer_features=hidden if depth > 1 and hidden != w_dim else None, lr_multiplier=float(rate)
    )
    supplied = ("the noise map (drawn from a fixed seed)", f"the mean w (estimated from {LATENTS:,} latents)")
    return replace(LucidrainsConfig(mapping, synthesis, assumed=() if said else ("lr_mlp",)), substitutes=supplied)


def _noise(resolution: int) -> DerivedRecord:
    """A fixed map for the network, which draws one anew for every image."""

    def make(_: Any) -> Any:
        import torch

        return torch.rand(resolution, resolution, generator=torch.Generator().manual_seed(_NOISE_SEED))

    return DerivedRecord((resolution, resolution), None, make)
