"""orojar label: give a dimension a name."""

from __future__ import annotations

import click

from orojar_cli.cli.console import result, say
from orojar_cli.cli.options import json_option


@click.command(short_help="Give a dimension a name.")
@click.argument("source")
@click.option("--dim", "dimension", required=True, help="Dimension: a number or its present label.")
@click.argument("text")
@json_option
def label(source: str, dimension: str, text: str, as_json: bool) -> None:
    """Name a dimension of SOURCE (a run or a direction set): orojar label RUN --dim 3 "x position"."""
    from orojar_cli.operations.label import label as name

    path, index, found = name(source, dimension, text, notice=say)
    text = found.labels[index]
    result(as_json, {"directions": str(path), "dimension": index, "label": text}, [f"dim {index} of {path} is now {text!r}"])
