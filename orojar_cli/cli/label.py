"""orojar label: give a dimension a name, or have names proposed for all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from orojar_cli.cli.console import progress_bar, result, say, table
from orojar_cli.cli.options import class_option, device_option, json_option, seed_option, source_options, torch_device
from orojar_cli.cli.own_generator import CodeName
from orojar_cli.cli.sources import load_source

if TYPE_CHECKING:
    from orojar_cli.detectors import Attributes


class Measured(CodeName):
    """image, faces, or package.module:name."""

    name = "image|faces|package.module:name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return value if value in ("image", "faces") else super().convert(value, param, ctx)


@click.command(short_help="Name a dimension, or have names measured.")
@click.argument("source")
@click.argument("text", required=False)
@click.option("--dim", "dimension", help="Dimension: a number or its present label.")
@click.option("--auto", is_flag=True, help="Measure what each dimension does to the images, and keep names for those where it is clear.")
@click.option(
    "--attributes",
    type=Measured(),
    multiple=True,
    help="What is measured: image (light, colour, sharpness, symmetry), faces (place and size of the face), or your own code, "
    "which takes images and gives named numbers. May be repeated  [default: image].",
)
@click.option("--num", type=click.IntRange(1), default=20, show_default=True, help="Measure the first so many dimensions.")
@click.option("--samples", type=click.IntRange(16), help="Images to measure [default: 128, of large networks fewer, at least 32].")
@click.option("--dry-run", is_flag=True, help="Only tell what was measured, and write nothing.")
@source_options
@seed_option("the images")
@class_option
@click.option("--trunc", "psi", type=float, default=1.0, show_default=True, help="Truncation psi.")
@device_option
@json_option
@click.pass_context
def label(context: click.Context, source: str, text: str | None, dimension: str | None, auto: bool, as_json: bool, **options: Any) -> None:
    """Name a dimension of SOURCE (a run or a direction set), or have names measured for all.

    \b
    orojar label RUN --dim 3 "x position"                       the name that you give
    orojar label RUN --auto                                     names by what changes in the images
    orojar label RUN --auto --attributes mymodule:scores        what your own classifier says of them
    orojar label --auto ckpt.pkl directions.safetensors         a direction set that is in no run

    Measured names are shown with a ~ and their correlation where a dimension has no name of yours, and never replace one. Where two
    attributes move together the others stand beside the name. What is measured and when it is clear: docs/label.md.
    """
    if auto:
        _auto(source, text, dimension, as_json, options)
        return
    given = [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name in options and context.get_parameter_source(parameter.name) is not ParameterSource.DEFAULT
    ]
    if given:
        raise click.UsageError(f"{given[0]} belongs to --auto, which measures names")
    if dimension is None or text is None:
        raise click.UsageError('say which dimension is named how: orojar label RUN --dim 3 "x position"; or --auto measures names for all')
    from orojar_cli.operations.label import label as name

    path, index, found = name(source, dimension, text, notice=say)
    text = found.labels[index]
    result(as_json, {"directions": str(path), "dimension": index, "label": text}, [f"dim {index} of {path} is now {text!r}"])


def _auto(source: str, second: str | None, dimension: str | None, as_json: bool, options: dict[str, Any]) -> None:
    """`second` is the direction set that a checkpoint SOURCE is named with."""
    from orojar_cli.operations.label import propose_labels

    if dimension is not None:
        raise click.UsageError("--auto measures all dimensions; leave out --dim")
    if second is not None and options["directions"] is not None:
        raise click.UsageError(f"{second} and --directions {options['directions']} name two direction sets; leave one out")
    named = {name: options.pop(name) for name in ("directions", "network", "own", "sha256", "max_download")}
    named["directions"] = named["directions"] or second
    attributes = [_attributes(name) for name in options.pop("attributes") or ("image",)]
    dry = options.pop("dry_run")
    found = load_source(source, device=torch_device(options.pop("device")), **named)
    with progress_bar() as progress:
        proposed = propose_labels(found, attributes=attributes, write=not dry, progress=progress, notice=say, **options)
    say("nothing was written (--dry-run)" if proposed.path is None else f"wrote {proposed.path}")
    result(as_json, proposed.to_dict(), table(*proposed.table()))


def _attributes(name: str) -> str | Attributes:
    if ":" not in name:
        return name
    from orojar_cli.cli.own_generator import imported
    from orojar_cli.detectors.own_attributes import OwnAttributes

    return OwnAttributes(imported(name), name)
