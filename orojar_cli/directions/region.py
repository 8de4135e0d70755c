"""A painted part of the picture as what is to be held still, and the active subspace of which steps may be made of that do so."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from orojar_cli.directions.applied import chosen_layers
from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.directions.frame import Frame
from orojar_cli.directions.kept import Region, keeping_output
from orojar_cli.directions.settings import Settings
from orojar_cli.errors import OptionError
from orojar_cli.generators.protocol import Generator
from orojar_cli.numbers import Classes
from orojar_cli.response.jacobian import Response
from orojar_cli.response.outputs import Output
from orojar_cli.response.subspace import active_subspace

# In a picture's recipe: so many pixels at most, each of one of sixteen levels.
LARGEST = 64
_TEXT = re.compile(r"([1-9]\d?)x([1-9]\d?):([0-9a-f]+)\Z", re.ASCII)
_STREAM = 120
_MOST = 24


def region_text(painted: np.ndarray, shape: tuple[int, int, int]) -> str:
    """How a scene keeps a mask: "32x32:00ff…", a digit for each pixel of the mask brought to the picture's proportions, at most 64 high
    and wide.

    `painted` [H, W] are numbers from 0 (moves) to 1 (is held still).  Raises OptionError for other proportions than those of a picture of
    `shape` [C, H, W], and for a mask that is all of one kind.
    """
    height, width = shape[1:]
    if abs(painted.shape[0] * width - painted.shape[1] * height) > max(width, height):
        raise OptionError(f"--keep-picture of {painted.shape[1]}x{painted.shape[0]} pixels is not of the proportions of {width}x{height}")
    scale = min(1.0, LARGEST / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    small = F.interpolate(torch.from_numpy(painted).float()[None, None], size, mode="area")[0, 0]
    levels = (small.clamp(0, 1) * 15).round().int()
    if int(levels.max()) == 0 or int(levels.min()) == 15:
        raise OptionError("--keep-picture marks nothing, or everything: paint white what stays still, the rest black")
    return f"{size[0]}x{size[1]}:" + "".join(f"{level:x}" for level in levels.flatten().tolist())


def mask_of(text: str) -> Tensor:
    """[H, W] from 0 to 1 of a `region_text`; raises OptionError for what is none."""
    match = _TEXT.match(text)
    if match is None or int(match[1]) > LARGEST or int(match[2]) > LARGEST or len(match[3]) != int(match[1]) * int(match[2]):
        raise OptionError(f"--keep-picture {text!r:.40} is no mask")
    return torch.tensor([int(digit, 16) for digit in match[3]], device="cpu").reshape(int(match[1]), int(match[2])) / 15


def painted_region(
    generator: Generator,
    directions: DirectionSet,
    mask: str,
    *,
    layers: Sequence[int] | None = None,
    class_index: Classes | None = None,
    psi: float = 1.0,
    output: Output | None = None,
) -> Region:
    """A mask (`region_text`) for `kept_path`, with up to 24 directions of the set's space along which pictures change most.

    They are found by gradients (`response.subspace`).  Raises OptionError for a generator that gives none, and for no mask.
    """
    if not getattr(generator, "differentiable", True):
        raise OptionError("--keep-picture needs gradients, which this generator does not give: keep dimensions instead (--keep)")
    output, where = output or keeping_output(generator), chosen_layers(generator, directions, layers)
    settings = Settings(directions.space, True, where, class_index=class_index, psi=psi, outputs=(output,))
    frame, response = Frame.of(generator, settings), Response(generator, directions.space, where, (output,))
    found = active_subspace(response, lambda count, number: settings.latents(generator, count, _STREAM + number), frame.steps, most=_MOST)
    channels, height, width = generator.image_shape
    size = output.size or generator.img_resolution
    wanted = size, size * width // height
    small = F.interpolate(mask_of(mask)[None, None], wanted, mode="bilinear" if wanted[0] > LARGEST else "area")[0, 0]
    return Region(small.repeat(channels, 1, 1).flatten(), (found.basis[:_MOST].to(frame.steps) @ frame.steps).cpu())
