"""The options of `orojar finetune --mode mapping`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from orojar_cli.cli.options import NumberList
from orojar_cli.operations.mapping_settings import PENALTIES, REFINE_WITH_DATA, STARTS, MappingSettings

_DEFAULT = MappingSettings()


def _option(name: str, kind: Any, text: str) -> Callable[..., Any]:
    """An option whose default is that of the setting of its name."""
    default = getattr(_DEFAULT, name.removeprefix("--").replace("-", "_"))
    return click.option(name, type=kind, default=default, show_default=True, help=text)


_OPTIONS = (
    _option(
        "--start",
        click.Choice(STARTS),
        "Mapping: a wider mapping, whose axes are the OroJaR frame of w exactly and then bend; the file's layers, fitted to that frame; "
        "rotation of z; as it is. auto: wide where the file has a place for it, else frame, but rotation where z is smaller than w.",
    ),
    _option("--steps", click.IntRange(1), "Mapping: training steps after the warm start."),
    _option("--images", click.IntRange(2000), "Mapping: images drawn to learn from [default: 4,000 to 40,000, by the network's size]."),
    click.option(
        "--refine-steps",
        type=click.IntRange(0),
        help=f"Mapping: further steps on the generator itself, on what --output and --layers-to-reg say [default: 0; {REFINE_WITH_DATA} "
        "with --data].",
    ),
    click.option("--layers-to-reg", type=NumberList("layers"), help="Refinement: also activations of the blocks of these entries of ws."),
    _option("--penalty", click.Choice(PENALTIES), "Mapping: what axes are held to."),
    _option("--weight", click.FloatRange(0), "Mapping: weight of the penalty."),
    _option("--ramp", click.IntRange(0), "Mapping: steps in which the weight warms up."),
    click.option("--data", type=click.Path(path_type=Path), help="Refinement: training pictures (folder or zip) for the critic."),
    _option("--watch-every", click.IntRange(1), "Mapping: steps between measurements."),
    _option("--patience", click.IntRange(0), "Mapping: stop after so many without gain; 0 never."),
    _option("--save-every", click.IntRange(1), "Mapping: steps an interruption may cost."),
    click.option("--tensorboard", is_flag=True, help="Mapping: also write TensorBoard events into the run."),
    _option("--max-shift", float, "Mapping: refuse a network whose images moved further (energy distance at 8 pixels)."),
)


def mapping_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """All of them; the command gets them as `mapping`, MappingSettings."""
    names = [entry.name for entry in fields(MappingSettings)]

    @functools.wraps(function)
    def wrapper(**options: Any) -> Any:
        return function(mapping=MappingSettings(**{name: options.pop(name) for name in names}), **options)

    for option in reversed(_OPTIONS):
        wrapper = option(wrapper)
    return wrapper
