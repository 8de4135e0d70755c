"""What metrics look at and how much of it: what a person waits for, or what fits a time."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, cast

from orojar_cli.generators.protocol import Generator
from orojar_cli.generators.stopped import stopped
from orojar_cli.operations.network import Network
from orojar_cli.progress import Notice, lasting
from orojar_cli.response.budget import arithmetic
from orojar_cli.response.outputs import Output, early, is_small

# Fewer mean nothing: latents measured at, images of distances and path lengths, an optimisation's steps, latents of activeness, pairs.
_FEWEST = {"samples": 16, "images": 200, "steps": 10, "activeness": 24, "pairs": 400}


def stopped_height(generator: Generator, detector: str | None, divided: int = 1) -> int | None:
    """Where images of a large network are stopped for measuring, which costs a tenth or less of the whole; None: they are not.

    Nowhere for a critic, which sees whole images.
    """
    stops = early(generator)
    if stops is None or is_small(generator) or detector == "critic":
        return None
    return int(stops.size or 0) // divided


def seen_at(checkpoint: Network, height: int | None) -> Network:
    """A network whose generator stops at a height: a copy that shares everything else."""
    if height is None or is_small(checkpoint.generator):
        return checkpoint
    view: Any = copy.copy(checkpoint)
    view.generator = stopped(checkpoint.generator, height)
    return cast(Network, view)


def affordable_counts(
    counts: Mapping[str, int],
    generator: Generator,
    always: float,
    images: float,
    multiplications: float,
    affordable: float | None = None,
) -> dict[str, int]:
    """As many of everything as `multiplications` allow, or so many images as are `affordable`, in proportion; `images` are those that all
    of the counts take, `always` those that are drawn whatever they are.

    Not fewer than a number can mean something, and without a number of images not more than the counts.
    """
    if affordable is not None:
        share = (affordable - always) / (images - always)
        return {name: max(_FEWEST[name], round(share * count)) for name, count in counts.items()}
    share = min(1.0, multiplications / (images * arithmetic(generator, (Output(),))))
    return {name: min(count, max(_FEWEST[name], round(share * count))) for name, count in counts.items()}


def say_measuring(counts: Mapping[str, int], height: int | None, expected: float, budget: float | None, notice: Notice) -> None:
    """What is measured with, and about how long that lasts in seconds."""
    looked_at = "" if height is None else f"the images as they are at {height} pixels, "
    notice(f"measuring {looked_at}with {counts['samples']} samples and {counts['images']} images: {lasting(expected, budget)}")
