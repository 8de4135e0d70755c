"""Where a direction set is applied, and what that makes of ws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from orojar_cli.errors import OptionError
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.projected import Points, ProjectedLatents
from orojar_cli.latents.spaces import LAYERED, displaced_ws

if TYPE_CHECKING:
    from orojar_cli.directions.direction_set import DirectionSet


def chosen_layers(generator: Generator, directions: DirectionSet, layers: Sequence[int] | None) -> tuple[int, ...]:
    """The entries of ws a direction set is applied at: its own, or those asked for."""
    if layers is None:
        return directions.layers
    if directions.space in LAYERED:
        raise OptionError(f"directions in {directions.space} carry their own layers; leave out --layers")
    if not layers or min(layers) < 0 or max(layers) >= generator.num_ws:
        raise OptionError(f"no layer {max(layers, default=0)}: this network has layers 0-{generator.num_ws - 1}")
    return tuple(sorted(set(layers)))


def displaced(generator: Generator, at: Points, directions: DirectionSet, step: Tensor, layers: Sequence[int] | None = None) -> Tensor:
    """ws [N, num_ws, w_dim] of N points moved by `step` [N, D] in the direction set's own space."""
    where = chosen_layers(generator, directions, layers)
    if isinstance(at, ProjectedLatents):
        return at.displaced(generator, step, directions.space, where)
    return displaced_ws(generator, at, step, directions.space, where)
