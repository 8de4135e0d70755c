"""GenForce's PGGAN state dictionaries (`layer0.weight`, `output0.weight`, `lod`...; SeFa's and InterFaceGAN's files) -> ours.

There every layer begins with the pixel normalisation that stands behind our layers, so z, which is normalised on its own before, is
normalised twice: w is the normalised z, and steps from it are normalised again.
"""

from __future__ import annotations

import math
from typing import Any

from orojar_cli.containers.derived import PLAIN, Form, constant, derive
from orojar_cli.containers.module_tree import check_tensors
from orojar_cli.containers.records import TensorRecord
from orojar_cli.containers.state_dict import StateDict, StateDicts, count, tensor_shape
from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.generators.family import Read
from orojar_cli.generators.level_of_detail import level_of_detail
from orojar_cli.generators.options import Shapes
from orojar_cli.generators.progan.config import KERNEL, ProGANConfig
from orojar_cli.generators.progan.tensorflow_reader import CHANNEL_BIAS, TO_RGB_GAIN
from orojar_cli.generators.unmapped_config import START

_AREA = START * START
# A convolution that z, as one pixel, enters padded by three: the kernel turned round.  Its gain is 1/4 of ours.
_FIRST = Form(
    lambda shape: (shape[0] // _AREA, shape[1], START, START),
    lambda tensor: tensor.flip((2, 3)).permute(0, 2, 3, 1).flatten(0, 2) / START,
    lambda tensor: (tensor * START).unflatten(0, (-1, START, START)).permute(0, 3, 1, 2).flip((2, 3)),
)
_FUSED = Form(
    lambda shape: (shape[1], shape[0], *shape[2:]),
    lambda tensor: tensor.transpose(0, 1).flip((2, 3)).contiguous(),
    lambda tensor: tensor.flip((2, 3)).transpose(0, 1),
)
_OUTPUT = Form(PLAIN.stored_shape, lambda tensor: tensor / TO_RGB_GAIN, lambda tensor: tensor * TO_RGB_GAIN)


def recognise(file: StateDicts) -> StateDict | None:
    """A generator of GenForce's PGGAN."""
    return file.generator(lambda tensors: {"lod", "layer0.weight", "layer1.weight", "output0.weight"} <= tensors.keys())


def read(stored: StateDict, where: str) -> Read:
    """Configuration and tensors of a generator; raises UnsupportedCheckpointError and DamagedCheckpointError.

    A network that stopped while growing is read as far as it had grown; what lies beyond is checked and left out.
    """
    tensors = stored.tensors
    levels = count(tensors, "output{}.weight")
    if not 2 <= levels <= 10:
        raise UnsupportedCheckpointError(f"not supported: {where} has {levels} resolutions (2 to 10 are)")
    widths = [tensor_shape(tensors, f"layer{index}.bias", 1, where)[0] for index in range(2 * levels)]
    fused = _fused(tensors, widths, where)
    lod = level_of_detail(tensors["lod"], where)
    last = levels - 1 - math.floor(lod)
    if last < 1:
        raise UnsupportedCheckpointError(f"not supported: {where} has not grown beyond {START} pixels")
    config = ProGANConfig(
        tensor_shape(tensors, "layer0.weight", 4, where)[1],
        tuple(widths[1 : 2 * last + 2 : 2]),
        tensor_shape(tensors, f"output{last}.weight", 4, where)[0],
        normalised_z=True,
        scaled_bias=False,
        fade=lod % 1,
    )
    known = rules(config, fused)
    unused = _shapes(widths, config.img_channels, fused)
    for theirs, _ in known.values():
        del unused[theirs]
    check_tensors({name: record for name, record in tensors.items() if name in unused}, unused, where)
    kept = {name: record for name, record in tensors.items() if name not in unused and name != "lod"}
    return config, derive(dict(kept), config.shapes(), known, where) | {"mapping.w_avg": constant((config.w_dim,), 0.0)}


def rules(config: ProGANConfig, fused: bool = False) -> dict[str, tuple[str, Form]]:
    """Our tensors' names -> those of this layout, and the form they have there; with `fused` enlarging and convolving are one step."""
    last = len(config.channels) - 1
    layers = {
        "first.affine": ("layer0", _FIRST, CHANNEL_BIAS),
        "b4.conv1": ("layer1", PLAIN, PLAIN),
        "torgb": (f"output{last}", _OUTPUT, PLAIN),
    }
    if config.fade:
        layers["torgb_before"] = f"output{last - 1}", _OUTPUT, PLAIN
    for level, size in enumerate(config.resolutions[1:], start=1):
        layers[f"b{size}.conv0"] = f"layer{2 * level}", _FUSED if fused else PLAIN, PLAIN
        layers[f"b{size}.conv1"] = f"layer{2 * level + 1}", PLAIN, PLAIN
    found: dict[str, tuple[str, Form]] = {}
    for ours, (theirs, weight, bias) in layers.items():
        found |= {f"synthesis.{ours}.weight": (f"{theirs}.weight", weight), f"synthesis.{ours}.bias": (f"{theirs}.bias", bias)}
    return found


def beside(config: ProGANConfig) -> dict[str, Any]:
    """The other tensors of the layout: how far the network has grown, and images of resolutions that are not drawn with, as zeros."""
    import torch

    count, drawn = config.img_channels, 2 if config.fade else 1
    found: dict[str, Any] = {"lod": torch.tensor(config.fade, device="cpu")}
    for stage, width in enumerate(config.channels[:-drawn]):
        found |= {
            f"output{stage}.weight": torch.zeros(count, width, 1, 1, device="cpu"),
            f"output{stage}.bias": torch.zeros(count, device="cpu"),
        }
    return found


def _fused(tensors: dict[str, TensorRecord], widths: list[int], where: str) -> bool:
    """Whether enlarging and convolving are one step, whose weights are [in, out, 3, 3]: seen where a width changes."""
    return any(
        tensor_shape(tensors, f"layer{index}.weight", 4, where)[:2] == (widths[index - 1], widths[index])
        for index in range(2, len(widths), 2)
        if widths[index] != widths[index - 1]
    )


def _shapes(widths: list[int], image: int, fused: bool) -> Shapes:
    """Every tensor but `lod`, for layers of these widths; that of z, in layer 0, is not among what may be left out."""
    shapes: Shapes = {"layer0.weight": (), "layer0.bias": (widths[0],)}
    for index in range(1, len(widths)):
        sides = widths[index], widths[index - 1]
        sides = sides[::-1] if fused and index % 2 == 0 else sides
        shapes |= {f"layer{index}.weight": (*sides, KERNEL, KERNEL), f"layer{index}.bias": (widths[index],)}
        if index % 2:
            shapes |= {f"output{index // 2}.weight": (image, widths[index], 1, 1), f"output{index // 2}.bias": (image,)}
    return shapes
