"""Direction sets and the methods that find them, all with one signature: method(generator, settings, progress)."""

from __future__ import annotations

from orojar_cli.directions.direction_set import DirectionSet, load_directions, save_directions
from orojar_cli.directions.ganspace import ganspace
from orojar_cli.directions.optimised import hessian, orojar_sgd
from orojar_cli.directions.orojar import jacobian_pca, orojar
from orojar_cli.directions.random_directions import random_directions
from orojar_cli.directions.sefa import sefa
from orojar_cli.directions.settings import Method, Settings

METHODS: dict[str, Method] = {
    "orojar": orojar,
    "orojar-sgd": orojar_sgd,
    "hessian": hessian,
    "sefa": sefa,
    "ganspace": ganspace,
    "jacobian-pca": jacobian_pca,
    "random": random_directions,
}

__all__ = ["METHODS", "DirectionSet", "Method", "Settings", "load_directions", "save_directions"]
