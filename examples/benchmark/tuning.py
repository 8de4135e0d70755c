"""The networks that `orojar finetune` makes, whose z axes are compared with directions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from orojar_cli.directions import Settings
from orojar_cli.response.outputs import moved_output
from orojar_cli.tuning.bend import can_widen
from orojar_cli.tuning.mapping import MappingOptions, install_mapping, prepare, tune_mapping
from orojar_cli.tuning.rotation import default_rotation, find_rotation, fold_rotation

METHODS = ("rotation", "mapping")


def tune(generator: Any, mode: str, seed: int, samples: int | None, options: dict[str, Any]) -> None:
    """Tune a generator in place as the command does by default; `samples` of the rotation and `options` of the mapping say otherwise."""
    settings = Settings(space="z", seed=seed, outputs=(moved_output(generator),))
    if mode == "rotation":
        found = default_rotation(generator, settings) if samples is None else find_rotation(generator, replace(settings, samples=samples))
        fold_rotation(generator, found.matrix)
        return
    training = MappingOptions(**options)
    if can_widen(generator):
        training = training.bending
    anchor, surrogate, _ = prepare(generator, settings, training)
    mapping, _ = tune_mapping(generator, anchor, surrogate, settings, training)
    install_mapping(generator, mapping, settings)
