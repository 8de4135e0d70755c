"""State dictionaries of ProGAN generators in their widespread PyTorch layout (`formatLayer`, `scaleLayers`…) -> ours.

Sizes are deduced from the shapes; what tensors do not show is in the trainer's configuration object, where the file has it.
Weights are stored with unit variance, as ours are, and the biases are scaled with them.
"""

from __future__ import annotations

import itertools
import re

from orojar_cli.containers.derived import PLAIN, Form, constant, derive
from orojar_cli.containers.module_tree import check_tensors
from orojar_cli.containers.state_dict import StateDict, StateDicts
from orojar_cli.errors import DamagedCheckpointError, UnsupportedCheckpointError
from orojar_cli.generators.family import Read
from orojar_cli.generators.options import Shapes
from orojar_cli.generators.progan.config import ProGANConfig
from orojar_cli.generators.unmapped_config import START
from orojar_cli.generators.zoo_settings import ZooSettings

_TO_RGB = re.compile(r"toRGBLayers\.(\d{1,3})\.module\.(weight|bias)\Z")
_FIRST = "formatLayer.module.weight"


def recognise(file: StateDicts) -> StateDict | None:
    """A generator of the widespread ProGAN layout."""
    return file.generator(lambda tensors: _FIRST in tensors and "toRGBLayers.0.module.weight" in tensors)


def read(stored: StateDict, where: str) -> Read:
    """Configuration and tensors of a generator; raises UnsupportedCheckpointError and DamagedCheckpointError.

    The image is made by the last `toRGBLayers`, in a network that stopped while growing with the one before it; the other ones are
    checked and left out.
    """
    config = _config(stored, where)
    last = len(config.channels) - 1
    theirs = {"synthesis.first.affine": "formatLayer", "synthesis.b4.conv1": "groupScale0.0", "synthesis.torgb": f"toRGBLayers.{last}"}
    if config.fade:
        theirs["synthesis.torgb_before"] = f"toRGBLayers.{last - 1}"
    for level, resolution in enumerate(config.resolutions[1:]):
        theirs |= {f"synthesis.b{resolution}.conv{index}": f"scaleLayers.{level}.{index}" for index in (0, 1)}
    rules: dict[str, tuple[str, Form]] = {
        f"{ours}.{part}": (f"{name}.module.{part}", PLAIN) for ours, name in theirs.items() for part in ("weight", "bias")
    }
    kept = last - bool(config.fade)  # the first of the layers that make the image
    outgrown = {name: record for name, record in stored.tensors.items() if (match := _TO_RGB.match(name)) and int(match[1]) < kept}
    shapes: Shapes = {}
    for level, width in enumerate(config.channels[:kept]):
        shapes[f"toRGBLayers.{level}.module.weight"] = config.img_channels, width, 1, 1
        shapes[f"toRGBLayers.{level}.module.bias"] = (config.img_channels,)
    check_tensors(outgrown, shapes, where)
    used = {name: record for name, record in stored.tensors.items() if name not in outgrown}
    average = {"mapping.w_avg": constant((config.w_dim,), 0.0)}
    return config, derive(dict(used), config.shapes(), rules, where) | average


def _config(stored: StateDict, where: str) -> ProGANConfig:
    tensors = stored.tensors
    levels = next(index for index in itertools.count() if f"scaleLayers.{index}.0.module.weight" not in tensors)
    heads = next(index for index in itertools.count() if f"toRGBLayers.{index}.module.weight" not in tensors)
    if not 1 <= levels <= 9 or heads != levels + 1:
        raise UnsupportedCheckpointError(
            f"not supported: {where} has {levels} doublings and {heads} layers that make images (1 to 9 doublings are, and one layer more)"
        )
    shapes = [tensors[f"toRGBLayers.{level}.module.weight"].shape for level in range(heads)]
    first = tensors[_FIRST].shape
    if any(len(shape) != 4 for shape in shapes) or len(first) != 2:
        raise DamagedCheckpointError(f"damaged: {where} has a first layer or a layer that makes images with a wrong number of axes")
    if first[0] != START**2 * shapes[0][1]:
        raise DamagedCheckpointError(f"damaged: {where}.{_FIRST} has {first[0]} rows, its first block needs {START**2 * shapes[0][1]}")
    settings = ZooSettings(stored.settings, where)
    if settings.attributes.get("perChannelNormalization", True) is not True:
        raise UnsupportedCheckpointError(f"not supported: {where} was made without perChannelNormalization")
    c_dim = settings.c_dim()
    return ProGANConfig(
        first[1] - c_dim,
        tuple(shape[1] for shape in shapes),
        shapes[-1][0],
        c_dim=c_dim,
        equalised=settings.said("equalizedlR", "equalised", True),
        slope=settings.said("leakyReluLeak", "slope", 0.2),
        fade=settings.said("alpha", "fade", 0.0),
        output=settings.output("WGANGP"),
        assumed=tuple(settings.assumed),
    )
