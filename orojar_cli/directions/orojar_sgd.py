"""OroJaR as its authors optimise it (Wei et al., ICCV 2021, arXiv 2108.07668)."""

from __future__ import annotations

from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.directions.method import Method, Preset
from orojar_cli.directions.optimised import OPTIONS, PAPER, images_of_search, optimised
from orojar_cli.directions.orojar import minimised
from orojar_cli.directions.settings import Settings
from orojar_cli.generators.protocol import Generator
from orojar_cli.progress import Progress
from orojar_cli.response.penalties import orojar_penalty


def orojar_sgd(generator: Generator, settings: Settings, progress: Progress | None = None) -> DirectionSet:
    """The paper's own optimisation of the stochastic OroJaR loss."""
    return optimised("orojar-sgd", orojar_penalty, generator, settings, progress)


def _images(generator: Generator, settings: Settings) -> float:
    return images_of_search(settings, lambda k: k + 1)


METHOD = Method(
    "orojar-sgd",
    orojar_sgd,
    OPTIONS,
    needs_gradients=True,
    protocols={"paper": Preset(PAPER)},
    images=_images,
    counted="steps",
    minimises=minimised,
    drawn=True,
)
