"""orojar export: directions for other tools."""

from __future__ import annotations

from pathlib import Path

import click

from orojar_cli.cli.console import result, say
from orojar_cli.cli.options import json_option


@click.command(short_help="Write directions for other tools.")
@click.argument("source")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--layout",
    type=click.Choice(["array", "arrays", "ganspace", "factorisation"]),
    help="What is inside [default: array, in .npz arrays]: ganspace for .npz, factorisation (rosinality's factor.pt) for .pt.",
)
@json_option
def export(source: str, file: Path, layout: str | None, as_json: bool) -> None:
    """Write the directions of SOURCE (a run or a direction set) to FILE: .npy, .npz or .pt, one unit row for each direction."""
    from orojar_cli.operations.exporting import export_directions

    found = export_directions(source, file, layout, notice=say)
    told = {"out": str(file), "directions": len(found), "space": found.space, "layers": list(found.layers)}
    result(as_json, told, [f"wrote {file}: {len(found)} directions in {found.space}"])
