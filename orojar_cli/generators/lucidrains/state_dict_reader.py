"""Files `model_N.pt` of lucidrains' stylegan2-pytorch -> our configuration and tensors.

Everything but the mapping's learning-rate multiplier is deduced from the tensors; that stands in `.config.json` beside the file.
"""

from __future__ import annotations

import json
import math

from orojar_cli.containers.derived import PLAIN, DerivedRecord, Form, derive, unsqueezed
from orojar_cli.containers.file import CheckpointFile
from orojar_cli.containers.records import TensorRecord
from orojar_cli.containers.state_dict import StateDict, StateDicts, count, tensor_shape
from orojar_cli.errors import DamagedCheckpointError, UnsupportedCheckpointError
from orojar_cli.generators.family import Read
from orojar_cli.generators.lucidrains.config import BlocksConfig, LucidrainsConfig
from orojar_cli.generators.mapping_config import MappingConfig
from orojar_cli.generators.substitutes import LATENTS, estimated_mean

SETTINGS, _LARGEST, _USUAL = ".config.json", 1 << 16, 0.1
_KNOWN = ("SE.", "GE.")  # the averages; S., G. and the discriminator's D. are beside them
_SHIFTED = Form(PLAIN.stored_shape, lambda tensor: tensor + 1, lambda tensor: tensor - 1)  # theirs is around the style 1
_COLUMN = Form(lambda shape: (*shape, 1), lambda tensor: tensor[..., 0], lambda tensor: tensor[..., None])


def recognise(file: StateDicts) -> StateDict | None:
    """The averaged mapping and generator."""
    return file.generator(lambda tensors: "GE.initial_conv.weight" in tensors and "SE.net.0.weight" in tensors)


def read(stored: StateDict, where: str) -> Read:
    """Configuration and tensors; raises UnsupportedCheckpointError and DamagedCheckpointError."""
    tensors = {name: record for name, record in stored.tensors.items() if name.startswith(_KNOWN)}
    if "GE.to_initial_block.weight" in tensors:
        raise UnsupportedCheckpointError(f"not supported: {where} makes its first features of w (no_const)")
    if any(name.startswith("GE.attns.") and not name.endswith("num_batches_tracked") for name in tensors):
        raise UnsupportedCheckpointError(f"not supported: {where} has layers of attention")
    blocks, depth = count(tensors, "GE.blocks.{}.conv1.weight"), next(i for i in range(65) if f"SE.net.{2 * i}.weight" not in tensors)
    if not 2 <= blocks <= 10:
        raise UnsupportedCheckpointError(f"not supported: {where} has {blocks} blocks (2 to 10 are)")
    channels = tuple(tensor_shape(tensors, f"GE.blocks.{index}.conv1.weight", 4, where)[0] for index in range(blocks))
    w_dim, z_dim = tensor_shape(tensors, "SE.net.0.weight", 2, where)
    synthesis = BlocksConfig(w_dim, channels, tensor_shape(tensors, "GE.blocks.0.to_rgb.conv.weight", 4, where)[0])
    multiplier, supplied = _multiplier(tensors["SE.net.0.weight"])
    mapping = MappingConfig(z_dim, 0, w_dim, blocks, num_layers=depth, lr_multiplier=multiplier)
    rules: dict[str, tuple[str, Form]] = {
        "synthesis.const": ("GE.initial_block", unsqueezed(1)),
        "synthesis.initial.weight": ("GE.initial_conv.weight", PLAIN),
        "synthesis.initial.bias": ("GE.initial_conv.bias", PLAIN),
    }
    for index in range(depth):
        # Their layers have neither our 1 / sqrt(inputs) nor the gain sqrt(2), and their z has the length 1 where ours has sqrt(z_dim).
        gain = math.sqrt(0.5) if index == 0 else math.sqrt(w_dim / 2)
        rules[f"mapping.fc{index}.weight"] = f"SE.net.{2 * index}.weight", _scaled(gain)
        rules[f"mapping.fc{index}.bias"] = f"SE.net.{2 * index}.bias", _scaled(math.sqrt(0.5))
    for index in range(blocks):
        for layer in synthesis.block(index):
            rules |= _layer_rules(layer.name, f"GE.blocks.{index}")
    tensors = {name: record for name, record in tensors.items() if not name.endswith(".upsample.1.f")}
    config = LucidrainsConfig(
        mapping,
        synthesis,
        substitutes=(
            "the noise map (uniform numbers drawn from a fixed seed)",
            f"the mean w (estimated from {LATENTS:,} latents)",
            *supplied,
        ),
    )
    result = derive(dict(tensors), config.shapes(), rules, where)
    average = estimated_mean(mapping, {name: result[name] for name in mapping.shapes() if name in result})
    return config, result | {"mapping.w_avg": average, "synthesis.noise_map": _noise_map(synthesis.img_resolution)}


def _layer_rules(name: str, block: str) -> dict[str, tuple[str, Form]]:
    """Where the tensors of one modulated layer are."""
    kind = name.partition(".")[2]
    style, weight = ("to_rgb.to_style", "to_rgb.conv") if kind == "torgb" else (f"to_style{kind[-1]}", kind)
    rules = {
        f"synthesis.{name}.weight": (f"{block}.{weight}.weight", PLAIN),
        f"synthesis.{name}.affine.weight": (f"{block}.{style}.weight", PLAIN),
        f"synthesis.{name}.affine.bias": (f"{block}.{style}.bias", _SHIFTED),
    }
    if kind != "torgb":
        rules[f"synthesis.{name}.noise_weight"] = f"{block}.to_noise{kind[-1]}.weight", _COLUMN
        rules[f"synthesis.{name}.bias"] = f"{block}.to_noise{kind[-1]}.bias", PLAIN
    return rules


def _scaled(factor: float) -> Form:
    return Form(PLAIN.stored_shape, lambda tensor: tensor * factor, lambda tensor: tensor / factor)


def _noise_map(resolution: int) -> DerivedRecord:
    def make(_: object) -> object:
        import torch

        return torch.rand(resolution, resolution, generator=torch.Generator().manual_seed(0))

    return DerivedRecord((resolution,) * 2, None, make)


def _multiplier(record: TensorRecord) -> tuple[float, tuple[str, ...]]:
    """The mapping's learning-rate multiplier, and words for it where the settings that say it are not there."""
    file = record.storage.data.file
    path = file.path.with_name(SETTINGS) if isinstance(file, CheckpointFile) else None
    if path is None or not path.is_file():
        return _USUAL, (f"the mapping's lr_mlp ({_USUAL}, the usual; {SETTINGS} is not beside it)",)
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError
        value = json.loads(path.read_bytes())["lr_mlp"]
        if type(value) not in (int, float) or not 0 < value < 1e6:
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedCheckpointError(
            f"damaged: {SETTINGS} beside {file.name} does not say lr_mlp; copy it from where the file was trained"
        ) from error
    return float(value), ()
