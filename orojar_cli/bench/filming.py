"""The share of encoding in the time of a film."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from orojar_cli.bench.measurement import Effort, Row
from orojar_cli.bench.networks import stylegan2
from orojar_cli.media import resize, save_animation, tile, to_uint8

_FRAMES, _IMAGES = 24, 4


@torch.no_grad()
def filming(effort: Effort) -> Iterator[Row]:
    """A GIF and a WebP of 24 frames of 1024x1024: two by two pictures of a 256x256 network that move along a direction."""
    network = stylegan2(effort.pick(64, 256))
    frames = effort.pick(4, _FRAMES)
    side = effort.pick(128, 512)
    rng = torch.Generator().manual_seed(2)
    start, step = torch.randn(2, _IMAGES, 1, network.w_dim, generator=rng)
    spent = 0.0

    def rendered() -> Iterator[np.ndarray]:
        nonlocal spent
        for number in range(frames):
            began = time.process_time()
            ws = (start + step * number / frames).expand(-1, network.num_ws, -1)
            frame = tile(resize(to_uint8(network.synthesis(ws)), side), 2)
            spent += time.process_time() - began
            yield frame

    for suffix in (".gif", ".webp"):
        spent = 0.0
        with tempfile.TemporaryDirectory() as folder:
            began = time.process_time()
            save_animation(rendered(), Path(folder) / f"film{suffix}")
            whole = time.process_time() - began
        what = f"{frames} frames of {2 * side}x{2 * side} as {suffix}: encoding"
        goal = "" if effort.quick or suffix != ".gif" else "<= 0.2"
        yield Row("film", what, whole - spent, "s", (whole - spent) / whole, "the whole film", goal)
