"""orojar convert: a checkpoint in another container."""

from __future__ import annotations

from pathlib import Path

import click

from orojar_cli.cli.console import result
from orojar_cli.cli.downloads import local_file
from orojar_cli.cli.options import download_options, json_option


@click.command()
@click.argument("source")
@click.argument("target", type=click.Path(path_type=Path))
@download_options
@json_option
def convert(source: str, target: Path, sha256: str | None, max_download: float | None, as_json: bool) -> None:
    """Write the networks of SOURCE, a file or an https address, to TARGET, a .safetensors or .pkl file."""
    from orojar_cli.checkpoint.checkpoint import load_checkpoint
    from orojar_cli.checkpoint.writer import save_checkpoint

    loaded = load_checkpoint(local_file(source, sha256, max_download))
    save_checkpoint(loaded, target)
    result(as_json, {"out": str(target), "sha256": load_checkpoint(target).sha256}, [f"wrote {target}"])
