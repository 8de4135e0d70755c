"""Direction sets and the methods that find them, all with one signature: method(generator, settings, progress)."""

from __future__ import annotations

from orojar_cli.directions.direction_set import DirectionSet, load_directions, save_directions
from orojar_cli.directions.ganspace import ganspace
from orojar_cli.directions.optimised import DEFAULTS, hessian, orojar_sgd
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

# What `Settings.options` may hold; methods that are not here have no options of their own.
METHOD_OPTIONS: dict[str, tuple[str, ...]] = {
    "orojar": ("criterion",),
    "orojar-sgd": tuple(DEFAULTS),
    "hessian": tuple(DEFAULTS),
    "sefa": ("normalize", "first_layer", "activeness"),
    "ganspace": ("activation", "num_samples"),
}

__all__ = ["METHODS", "METHOD_OPTIONS", "DirectionSet", "Method", "Settings", "load_directions", "save_directions"]
