"""orojar import: directions that another tool found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from orojar_cli.cli.console import progress_bar, result, say
from orojar_cli.cli.discover import dimension_table
from orojar_cli.cli.downloads import local_file, shown_arguments
from orojar_cli.cli.options import download_options, generator_option, layers_option, run_options, seed_option, seeds_option, torch_device
from orojar_cli.cli.sources import load_network, traverse_line


@click.command("import", short_help="Use the directions of another tool.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--network", help="The checkpoint that the directions are for: a file, an https address, or demo.")
@generator_option
@download_options
@click.option("--space", type=click.Choice(["z", "w", "w+", "s"]), help="The space they are in [default: the one that they fit].")
@layers_option
@click.option("--name", default="", help="A label, for a file of one direction.")
@click.option("--num", type=click.IntRange(1), help="Take the first so many.")
@click.option(
    "--orthonormal/--as-they-are",
    default=None,
    help="Gram-Schmidt before use [default: for the matrices of the OroJaR and Hessian Penalty authors].",
)
@seeds_option("0-4")
@seed_option("measuring sigma and activeness")
@run_options
@click.pass_context
def import_(
    context: click.Context,
    file: Path,
    network: str | None,
    own: str | None,
    sha256: str | None,
    max_download: float | None,
    seeds: tuple[int, ...],
    device: str,
    as_json: bool,
    **options: Any,
) -> None:
    """Make a run of the directions in FILE, which another tool wrote: .npy, .npz, .pt, .pkl or .safetensors.

    A bare array [K, D] or [D] (SeFa, InterFaceGAN, Voynov, OroJaR, Hessian Penalty), rosinality's factorisation, GANSpace's components,
    and in w+ [K, layers, D]. How strong one step is and how much it changes is measured on the network. Nothing in FILE is executed.
    """
    from orojar_cli.operations.importing import import_directions

    if context.get_parameter_source("seeds") is not ParameterSource.DEFAULT:
        options["seeds"] = seeds
    if network is None and own is None:
        raise click.UsageError("name the checkpoint that the directions are for: --network ckpt.pkl")
    if own is not None and (network is not None or sha256 is not None):
        raise click.UsageError("--generator is a network of its own: leave out --network and --sha256")
    path = None if network is None else local_file(network, sha256, max_download)
    loaded = load_network(path, own, torch_device(device))
    with progress_bar() as progress:
        found = import_directions(file, loaded, argv=shown_arguments(), progress=progress, notice=say, **options)
    assert found.run is not None
    say(f"wrote {found.run.path}: directions.safetensors, grid.png")
    lines = [f"{len(found.directions)} directions in {found.directions.space}", *dimension_table(found)]
    result(as_json, found.to_dict(), [*lines, "", f"look at one: {traverse_line(found.run.path, own)}"])
