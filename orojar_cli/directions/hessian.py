"""Hessian Penalty (Peebles et al., ECCV 2020, arXiv 2008.10599)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.directions.method import Method, Preset
from orojar_cli.directions.optimised import OPTIONS, PAPER, images_of_search, optimised
from orojar_cli.directions.settings import Settings
from orojar_cli.generators.protocol import Generator
from orojar_cli.progress import Progress
from orojar_cli.response.penalties import hessian_penalty


def hessian(generator: Generator, settings: Settings, progress: Progress | None = None) -> DirectionSet:
    """The Hessian Penalty's optimisation."""
    return optimised("hessian", hessian_penalty, generator, settings, progress)


def _images(generator: Generator, settings: Settings) -> float:
    return images_of_search(settings, lambda k: 2 * k + 1)


_PAPER = Preset(PAPER | {"batch": 96, "point": "one-hot"})


def _minimises(options: Mapping[str, Any]) -> tuple[str, ...]:
    return "hessian_penalty", "hessian_penalty_normalised"


METHOD = Method(
    "hessian",
    hessian,
    OPTIONS,
    needs_gradients=True,
    compared=True,
    protocols={"paper": _PAPER},
    images=_images,
    counted="steps",
    minimises=_minimises,
    drawn=True,
)
