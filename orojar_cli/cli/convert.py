"""orojar convert: a checkpoint in another container."""

from __future__ import annotations

from pathlib import Path

import click

from orojar_cli.cli.console import result, say
from orojar_cli.cli.downloads import local_file
from orojar_cli.cli.options import download_options, json_option


@click.command(short_help="Write a checkpoint in another container.")
@click.argument("source")
@click.argument("target", type=click.Path(path_type=Path))
@click.option(
    "--assume",
    "assumed",
    multiple=True,
    metavar="NAME=VALUE",
    help="An option that SOURCE does not say; inspect lists them.",
)
@click.option(
    "--format",
    type=click.Choice(["input", "nvlabs", "rosinality", "genforce", "safetensors"]),
    help="The container: nvlabs a .pkl for StyleGAN2-ADA and StyleGAN3, rosinality a .pt, genforce a .pth [default: by TARGET's name].",
)
@download_options
@json_option
def convert(
    source: str,
    target: Path,
    assumed: tuple[str, ...],
    format: str | None,
    sha256: str | None,
    max_download: float | None,
    as_json: bool,
) -> None:
    """Write the networks of SOURCE, a file or an https address, to TARGET: .safetensors, .pkl, or with --format .pt and .pth.

    What some files do not say of their network (the activation of a DCGAN) --assume chooses; a .safetensors keeps it.
    """
    from orojar_cli.checkpoint.checkpoint import load_checkpoint
    from orojar_cli.checkpoint.writer import save_checkpoint
    from orojar_cli.operations.network import say_substitutes

    if any("=" not in choice for choice in assumed):
        raise click.UsageError("--assume takes NAME=VALUE, such as activation=lrelu")
    choices = dict(choice.split("=", 1) for choice in assumed)
    loaded = load_checkpoint(local_file(source, sha256, max_download), assume=choices)
    say_substitutes(loaded, say)
    if loaded.critic is None and loaded.contents.entries.get("D") is not None:
        say(f"D is not read, and left out of another container: {loaded.info.contents['D']}")
    save_checkpoint(loaded, target, format=format)
    result(as_json, {"out": str(target), "sha256": load_checkpoint(target).sha256}, [f"wrote {target}"])
