"""The networks that `orojar finetune` makes, whose z axes are compared with directions."""

from __future__ import annotations

from typing import Any

from orojar_cli.directions import Settings
from orojar_cli.tuning.mapping import MappingOptions, install_mapping, prepare, tune_mapping
from orojar_cli.tuning.rotation import default_outputs, default_samples, find_rotation, fold_rotation

METHODS = ("rotation", "mapping")


def tune(generator: Any, mode: str, seed: int, samples: int | None, options: dict[str, Any]) -> None:
    """Tune a generator in place as the command does by default; `samples` of the rotation and `options` of the mapping say otherwise."""
    outputs = default_outputs(generator)
    settings = Settings(space="z", samples=samples or default_samples(generator, outputs), seed=seed, outputs=outputs)
    if mode == "rotation":
        fold_rotation(generator, find_rotation(generator, settings).matrix)
        return
    training = MappingOptions(**options)
    anchor, surrogate, _ = prepare(generator, settings, training)
    mapping, _ = tune_mapping(generator, anchor, surrogate, settings, training)
    install_mapping(generator, mapping, settings)
