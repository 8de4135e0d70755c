"""The options of `orojar finetune --mode mapping`, and the values they give."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import click

from orojar_cli.cli.options import NumberList

STARTS = ("auto", "frame", "rotation", "original")
_REFINE_WITH_DATA = 300


@dataclass(frozen=True)
class MappingChoices:
    """What the options say; `refine_steps` None where it was left open."""

    start: str
    steps: int
    refine_steps: int | None
    images: int
    layers_to_reg: tuple[int, ...] | None
    penalty: str
    weight: float
    ramp: int
    data: Path | None
    watch_every: int
    patience: int
    save_every: int
    tensorboard: bool
    max_shift: float
    resume: Path | None

    @property
    def refinement(self) -> int:
        """Steps on the generator itself: as asked, else none, but some where the critic is to take part."""
        return self.refine_steps if self.refine_steps is not None else _REFINE_WITH_DATA if self.data is not None else 0

    def to_dict(self) -> dict[str, Any]:
        """JSON-serialisable form, for run.json."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self) if entry.name not in ("resume", "refine_steps")}
        return values | {"refine_steps": self.refinement, "data": None if self.data is None else str(self.data)}


_OPTIONS = (
    click.option(
        "--start",
        type=click.Choice(STARTS),
        default="auto",
        show_default=True,
        help="Mapping: fit to the OroJaR frame of w, exact rotation of z, as it is; auto: frame, but rotation where z is smaller than w.",
    ),
    click.option("--steps", type=click.IntRange(1), default=2000, show_default=True, help="Mapping: training steps after the warm start."),
    click.option("--images", type=click.IntRange(2000), default=40_000, show_default=True, help="Mapping: images drawn to learn from."),
    click.option(
        "--refine-steps",
        type=click.IntRange(0),
        help=f"Mapping: further steps on the generator itself, on what --output and --layers-to-reg say [default: 0; {_REFINE_WITH_DATA} "
        "with --data].",
    ),
    click.option("--layers-to-reg", type=NumberList("layers"), help="Refinement: also activations of the blocks of these entries of ws."),
    click.option(
        "--penalty", type=click.Choice(["orojar", "hessian"]), default="orojar", show_default=True, help="Mapping: what axes are held to."
    ),
    click.option("--weight", type=click.FloatRange(0), default=1.0, show_default=True, help="Mapping: weight of the penalty."),
    click.option("--ramp", type=click.IntRange(0), default=0, show_default=True, help="Mapping: steps in which the weight warms up."),
    click.option("--data", type=click.Path(path_type=Path), help="Refinement: training pictures (folder or zip) for the critic."),
    click.option("--watch-every", type=click.IntRange(1), default=250, show_default=True, help="Mapping: steps between measurements."),
    click.option(
        "--patience", type=click.IntRange(0), default=6, show_default=True, help="Mapping: stop after so many without gain; 0 never."
    ),
    click.option("--save-every", type=click.IntRange(1), default=100, show_default=True, help="Mapping: steps an interruption may cost."),
    click.option("--tensorboard", is_flag=True, help="Mapping: also write TensorBoard events into the run."),
    click.option(
        "--max-shift",
        type=float,
        default=0.01,
        show_default=True,
        help="Mapping: refuse a network whose images moved further (energy distance).",
    ),
    click.option("--resume", type=click.Path(path_type=Path), help="Mapping: continue the interrupted run in this folder."),
)


def mapping_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """All of them; the command gets them as `choices`."""
    names = [entry.name for entry in fields(MappingChoices)]

    @functools.wraps(function)
    def wrapper(**options: Any) -> Any:
        return function(choices=MappingChoices(**{name: options.pop(name) for name in names}), **options)

    for option in reversed(_OPTIONS):
        wrapper = option(wrapper)
    return wrapper
