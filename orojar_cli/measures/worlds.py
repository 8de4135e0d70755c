"""The worlds whose factors can be measured in a picture: `WORLDS`, by name."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from orojar_cli.containers.file import CheckpointFile
from orojar_cli.demonstration import demonstration
from orojar_cli.errors import InputFileError, OptionError
from orojar_cli.measures import bars_factors, shapes_factors, sprites_factors
from orojar_cli.measures.factors import Factor

Measure = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class World:
    """A world of pictures drawn from known factors.

    `measure` takes images [N, C, H, W] in [-1, 1], of at least `channels` channels, to the factors' values [N, F] (categories as indices,
    angles in units of their periods); `changes` two of these, after and before, to their differences [N, F].  `plain` takes the standard
    deviation of angles without regard to their period.  `networks` are the SHA-256 of our own networks that draw this world.
    """

    name: str
    factors: tuple[Factor, ...]
    measure: Measure
    changes: Callable[[Tensor, Tensor], Tensor]
    channels: int = 3
    plain: bool = False
    networks: tuple[str, ...] = ()

    @property
    def factor_names(self) -> list[str]:
        return [factor.name for factor in self.factors]

    def deviations(self, values: Tensor) -> Tensor:
        """[F] standard deviations of factors [N, F], in which their changes are told."""
        if self.plain:
            return values.std(0)
        return torch.stack([factor.deviation(values[:, index]) for index, factor in enumerate(self.factors)])


# checkpoints/README.md
_BARS = "40ab08117cbddb220e3a83ffe48801dacdbbc19223627b50d8c6a0b81be7594c"
_SPRITES = "7c676921175759b6dce02f0330fafde2e400b5b54508c3fe5ec1be8fc94dedf3"

WORLDS = {
    world.name: world
    for world in (
        # The shapes world's numbers have always been told in the plain deviation of the hue, whose upper sixth counts as negative angles.
        World("shapes", shapes_factors.FACTORS, shapes_factors.measure_factors, shapes_factors.changes, plain=True),
        World("bars", bars_factors.FACTORS, bars_factors.measure_bars, bars_factors.bars_changes, networks=(_BARS,)),
        World(
            "sprites",
            sprites_factors.FACTORS,
            sprites_factors.measure_sprites,
            sprites_factors.sprites_changes,
            channels=1,
            networks=(_SPRITES,),
        ),
    )
}


@functools.cache
def bundled_sha256() -> str | None:
    """SHA-256 of the bundled network, None where it is not installed."""
    try:
        with CheckpointFile(demonstration()[0]) as file:
            return file.sha256()
    except InputFileError:
        return None


def world_of(sha256: str | None) -> str | None:
    """Name of the world that one of our own networks draws, by its SHA-256; None for all others."""
    if not sha256:
        return None
    if sha256 == bundled_sha256():
        return "shapes"
    return next((world.name for world in WORLDS.values() if sha256 in world.networks), None)


def known_world(sha256: str, named: str | None) -> World | None:
    """The world of that name, or else that of our own network; None where neither is known.  Raises OptionError for an unknown name."""
    if named is not None and named not in WORLDS:
        raise OptionError(f"unknown world {named!r}; choose one of {', '.join(WORLDS)}")
    name = named or world_of(sha256)
    return None if name is None else WORLDS[name]
