"""The widespread PyTorch layout of StyleGAN (`generator.progression.0.conv1.input`, `style.1.linear.weight_orig`...) -> ours.

All stages up to 1024 pixels are always in the file, whatever was trained; how many are drawn with (`step`) the name of the file may say.
There the two layers of a stage share one w and one noise map, drawn anew for every image; here each layer has a w of its own.
"""

from __future__ import annotations

import math
import re
from itertools import count as counting

from orojar_cli.containers.derived import PLAIN, Form, constant, derive, scaled, unsqueezed
from orojar_cli.containers.records import TensorRecord
from orojar_cli.containers.state_dict import StateDict, StateDicts, count, small_values, tensor_shape
from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.generators.family import Read
from orojar_cli.generators.mapping_config import MappingConfig
from orojar_cli.generators.stylegan1.config import START, StyleGAN1Config, SynthesisConfig
from orojar_cli.generators.stylegan1.genforce_reader import without_blurs
from orojar_cli.generators.substitutes import LATENTS, drawn_noise, estimated_mean

_KERNEL = re.compile(r"generator\.progression\.\d+\.conv1\.[12]\.weight(_flip)?\Z")
_NAMED = re.compile(r"train_step-(\d{1,2})\.model\Z")
# Every weight there has the gain sqrt(2 / fan-in).  Ours has 1/100 of it in the mapping, whose activation has the root.
_MAPPING, _MAPPING_BIAS = scaled(100.0), scaled(100 / math.sqrt(2))
_STYLE = scaled(math.sqrt(2))
# Enlarging and convolving at once: [in, out, 3, 3], turned round, and a mean of four shifts where ours is their sum.
_FUSED = Form(
    lambda shape: (shape[1], shape[0], *shape[2:]),
    lambda tensor: tensor.transpose(0, 1).flip((2, 3)) / 4,
    lambda tensor: 4 * tensor.flip((2, 3)).transpose(0, 1),
)


def recognise(file: StateDicts) -> StateDict | None:
    """A generator of the widespread StyleGAN layout."""
    return file.generator(lambda tensors: {"generator.progression.0.conv1.input", "style.1.linear.weight_orig"} <= tensors.keys())


def read(stored: StateDict, where: str) -> Read:
    """Configuration and tensors of a generator; raises UnsupportedCheckpointError and DamagedCheckpointError.

    Where the file's name does not say the `step`, it is taken to be the last stage whose noise has been learned: its strengths begin at
    zero.  The share `fade` of a network still growing is taken to be 0.
    """
    stages = count(stored.tensors, "generator.to_rgb.{}.conv.weight_orig")
    if not 2 <= stages <= 9:
        raise UnsupportedCheckpointError(f"not supported: {where} has {stages} stages (2 to 9 are)")
    tensors = without_blurs(stored.tensors, _KERNEL, where)
    named = _named(stored.file, stages)
    channels = tuple(tensor_shape(tensors, f"generator.to_rgb.{stage}.conv.weight_orig", 4, where)[1] for stage in range(stages))
    synthesis = SynthesisConfig(
        w_dim=tensor_shape(tensors, "generator.progression.0.adain1.style.linear.weight_orig", 2, where)[1],
        channels=channels,
        step=named or _learned(tensors, stages),
        img_channels=tensor_shape(tensors, "generator.to_rgb.0.conv.weight_orig", 4, where)[0],
        epsilon=1e-5,
        bias_before_blur=True,
        shared_noise=True,
    )
    depth = next(index for index in counting() if f"style.{2 * index + 1}.linear.weight_orig" not in tensors)
    hidden, z_dim = tensor_shape(tensors, "style.1.linear.weight_orig", 2, where)
    mapping = MappingConfig(
        z_dim,
        0,
        synthesis.w_dim,
        synthesis.num_ws,
        num_layers=depth,
        layer_features=hidden if depth > 1 and hidden != synthesis.w_dim else None,
    )
    supplied = f"the noise maps of {stages} resolutions (drawn from a fixed seed)", f"the mean w (estimated from {LATENTS:,} latents)"
    config = StyleGAN1Config.of(mapping, synthesis, substitutes=supplied, assumed=("fade",) if named else ("step", "fade"))
    rules: dict[str, tuple[str, Form]] = {"synthesis.b4.const": ("generator.progression.0.conv1.input", unsqueezed(1))}
    for index in range(depth):
        rules[f"mapping.fc{index}.weight"] = f"style.{2 * index + 1}.linear.weight_orig", _MAPPING
        rules[f"mapping.fc{index}.bias"] = f"style.{2 * index + 1}.linear.bias", _MAPPING_BIAS
    for stage, width in enumerate(channels):
        rules |= _stage_rules(tensors, stage, width)
    result = dict(derive(dict(tensors), config.shapes(), rules, where))
    result["mapping.w_avg"] = estimated_mean(mapping, {name: result[name] for name in mapping.shapes() if name in result})
    for stage in range(stages):
        result[f"synthesis.b{START << stage}.noise_const"] = drawn_noise((START << stage,) * 2, stage)
    return config, result | {"synthesis.b4.conv0.bias": constant((channels[0],), 0.0)}


def _named(file: str, stages: int) -> int | None:
    """The step that the file's name says, if it can be that of so many stages."""
    match = _NAMED.search(file)
    return int(match[1]) if match and 0 < int(match[1]) < stages else None


def _learned(tensors: dict[str, TensorRecord], stages: int) -> int:
    """The last stage of which a strength of the noise is not zero, or else the last."""
    for stage in range(stages - 1, 0, -1):
        record = tensors.get(f"generator.progression.{stage}.noise1.weight_orig")
        if record is not None and any(small_values(record) or ()):
            return stage
    return stages - 1


def _stage_rules(tensors: dict[str, TensorRecord], stage: int, width: int) -> dict[str, tuple[str, Form]]:
    """Where the tensors of one stage are."""
    ours, theirs, rgb = f"synthesis.b{START << stage}", f"generator.progression.{stage}", f"generator.to_rgb.{stage}.conv"
    noise = Form(
        lambda shape: (1, *shape, 1, 1),
        lambda tensor: tensor.reshape(-1) * math.sqrt(2 / width),
        lambda tensor: tensor.reshape(1, -1, 1, 1) / math.sqrt(2 / width),
    )
    convolutions = {1: (f"{theirs}.conv2.conv.weight_orig", f"{theirs}.conv2.conv.bias", PLAIN)}
    if stage and f"{theirs}.conv1.0.weight" in tensors:
        convolutions[0] = f"{theirs}.conv1.0.weight", f"{theirs}.conv1.0.bias", _FUSED
    elif stage:
        convolutions[0] = f"{theirs}.conv1.1.conv.weight_orig", f"{theirs}.conv1.1.conv.bias", PLAIN
    rules: dict[str, tuple[str, Form]] = {
        f"{ours}.torgb.weight": (f"{rgb}.weight_orig", _STYLE),
        f"{ours}.torgb.bias": (f"{rgb}.bias", PLAIN),
    }
    for index in (0, 1):
        style = f"{theirs}.adain{index + 1}.style.linear"
        rules |= {
            f"{ours}.conv{index}.affine.weight": (f"{style}.weight_orig", _STYLE),
            f"{ours}.conv{index}.affine.bias": (f"{style}.bias", PLAIN),
            f"{ours}.conv{index}.noise_strength": (f"{theirs}.noise{index + 1}.weight_orig", noise),
        }
    for index, (weight, bias, form) in convolutions.items():
        rules |= {f"{ours}.conv{index}.weight": (weight, form), f"{ours}.conv{index}.bias": (bias, PLAIN)}
    return rules
