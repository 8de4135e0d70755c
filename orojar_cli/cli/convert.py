"""orojar convert: a checkpoint in another container."""

from __future__ import annotations

from pathlib import Path

import click

from orojar_cli.cli.console import result
from orojar_cli.cli.options import json_option


@click.command()
@click.argument("source")
@click.argument("target", type=click.Path(path_type=Path))
@json_option
def convert(source: str, target: Path, as_json: bool) -> None:
    """Write the networks of SOURCE to TARGET, a .safetensors or .pkl file."""
    from orojar_cli.checkpoint.checkpoint import load_checkpoint
    from orojar_cli.checkpoint.writer import save_checkpoint

    loaded = load_checkpoint(source)
    save_checkpoint(loaded, target)
    result(as_json, {"out": str(target), "sha256": load_checkpoint(target).sha256}, [f"wrote {target}"])
