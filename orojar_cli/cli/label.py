"""orojar label: give a dimension a name."""

from __future__ import annotations

import click

from orojar_cli.cli.console import result
from orojar_cli.cli.options import json_option


@click.command()
@click.argument("source")
@click.option("--dim", "dimension", required=True, help="Dimension: a number or its present label.")
@click.argument("text")
@json_option
def label(source: str, dimension: str, text: str, as_json: bool) -> None:
    """Name a dimension of SOURCE (a run or a direction set): orojar label RUN --dim 3 "x position"."""
    from orojar_cli.cli.sources import direction_file
    from orojar_cli.directions import load_directions
    from orojar_cli.directions.labels import write_label
    from orojar_cli.errors import OptionError

    path = direction_file(source)
    if path is None:
        raise OptionError(f"{source} has no direction set to label; name a run or a directions.safetensors")
    index = load_directions(path).index(dimension)
    text = write_label(path, index, text).labels[index]
    result(as_json, {"directions": str(path), "dimension": index, "label": text}, [f"dim {index} of {path} is now {text!r}"])
