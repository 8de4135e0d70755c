"""GenForce's StyleGAN state dictionaries (`synthesis.layer0.const`, `synthesis.layer1.apply_noise.weight`...; SeFa, HiGAN)."""

from __future__ import annotations

import math
import re
from typing import Any

from orojar_cli.containers.derived import PLAIN, Form, derive
from orojar_cli.containers.file import printable
from orojar_cli.containers.records import TensorRecord
from orojar_cli.containers.state_dict import StateDict, StateDicts, count, small_values, tensor_shape
from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.generators.family import Read
from orojar_cli.generators.genforce import mapping_config, mapping_rules
from orojar_cli.generators.level_of_detail import level_of_detail
from orojar_cli.generators.stylegan1.config import StyleGAN1Config, SynthesisConfig
from orojar_cli.generators.stylegan1.original import MAPPING_BIAS, Layout, fused_from, synthesis_rules

_PARTS = {"noise_strength": "apply_noise.weight", "noise_const": "apply_noise.noise"}
_LAYOUT = Layout(
    lambda index, part: f"synthesis.layer{index}.{_PARTS.get(part, part)}",
    lambda index, part: f"synthesis.output{index}.{part}",
    PLAIN,
    PLAIN,
    # A convolution of w as one pixel with 3 more around it, which turns the kernel round: [C, w, 4, 4].
    Form(
        lambda shape: (shape[1], shape[0], *shape[2:]),
        lambda tensor: tensor.flip((2, 3)).transpose(0, 1).contiguous(),
        lambda tensor: tensor.flip((2, 3)).transpose(0, 1),
    ),
)
_KERNEL = re.compile(r"synthesis\.layer\d+\.blur\.kernel\Z")


def recognise(file: StateDicts) -> StateDict | None:
    """A generator of GenForce's StyleGAN."""
    return file.generator(lambda tensors: {"mapping.dense0.weight", "synthesis.layer0.apply_noise.weight"} <= tensors.keys())


def read(stored: StateDict, where: str) -> Read:
    """Configuration and tensors of a generator; raises UnsupportedCheckpointError and DamagedCheckpointError.

    Layers from 128 pixels up enlarge and convolve at once, as in all of GenForce's files; nothing in them says so.
    """
    tensors = without_blurs(stored.tensors, _KERNEL, where)
    stages = count(tensors, "synthesis.output{}.weight")
    if not 2 <= stages <= 10:
        raise UnsupportedCheckpointError(f"not supported: {where} has {stages} resolutions (2 to 10 are)")
    lod = level_of_detail(tensors["synthesis.lod"], where) if "synthesis.lod" in tensors else 0.0
    synthesis = SynthesisConfig(
        w_dim=tensor_shape(tensors, "synthesis.layer0.style.weight", 2, where)[1],
        img_channels=tensor_shape(tensors, "synthesis.output0.weight", 4, where)[0],
        channels=tuple(tensor_shape(tensors, f"synthesis.output{stage}.weight", 4, where)[1] for stage in range(stages)),
        step=stages - 1 - math.floor(lod),
        fade=lod % 1,
        start_from_w="synthesis.layer0.weight" in tensors,
    )
    mapping = mapping_config(tensors, 2 * stages, where)
    config = StyleGAN1Config.of(mapping, synthesis)
    kept = {name: record for name, record in tensors.items() if name != "synthesis.lod"}
    return config, derive(dict(kept), config.shapes(), rules(config), where)


def rules(config: StyleGAN1Config) -> dict[str, tuple[str, Form]]:
    """Our tensors' names -> those of this layout, and the form they have there."""
    return mapping_rules(config.mapping, MAPPING_BIAS) | synthesis_rules(config, _LAYOUT, fused_from("auto", ""))


def beside(config: StyleGAN1Config) -> dict[str, Any]:
    """The other tensors of the layout: how far the network has grown, and the blur."""
    import torch

    channels, step = config.synthesis.channels, config.synthesis.step
    row = torch.tensor([1.0, 2.0, 1.0], device="cpu") / 4
    blurs = {
        f"synthesis.layer{2 * stage}.blur.kernel": torch.outer(row, row).expand(width, 1, 3, 3).clone()
        for stage, width in enumerate(channels)
        if stage
    }
    return blurs | {"synthesis.lod": torch.tensor(len(channels) - 1 - step + config.synthesis.fade, device="cpu")}


def without_blurs(tensors: dict[str, TensorRecord], pattern: re.Pattern[str], where: str) -> dict[str, TensorRecord]:
    """`tensors` without the stored blur kernels [C, 1, 3, 3], which must be the usual 1 2 1 along both axes, with sum 1."""
    expected = [row * column / 16 for row in (1, 2, 1) for column in (1, 2, 1)]
    for name, record in tensors.items():
        if pattern.match(name):
            values = small_values(record, 9 * 8192) if record.shape[1:] == (1, 3, 3) else None
            if values is None or any(not abs(value - expected[place % 9]) < 1e-5 for place, value in enumerate(values)):
                raise UnsupportedCheckpointError(f"not supported: {where}.{printable(name)} is not the usual blur 1 2 1")
    return {name: record for name, record in tensors.items() if not pattern.match(name)}
