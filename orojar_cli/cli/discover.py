"""orojar discover and orojar sefa: directions of a frozen generator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from orojar_cli.cli.console import progress_bar, result, say, table
from orojar_cli.cli.downloads import shown_arguments
from orojar_cli.cli.options import budget_option, layers_option, network_argument, run_options, seed_option, seeds_option, torch_device
from orojar_cli.cli.process import process_group
from orojar_cli.cli.sources import load_network, traverse_line
from orojar_cli.directions.registry import METHODS

if TYPE_CHECKING:
    from orojar_cli.operations.discover import Discovery

_resume = click.option(
    "--resume", type=click.Path(path_type=Path), help="Continue the interrupted run in this folder; repeat its other options."
)


@click.command(short_help="Find directions in the weights (SeFa), in seconds.")
@network_argument
@layers_option
@click.option("--num", type=click.IntRange(1), default=16, show_default=True, help="Number of directions.")
@click.option(
    "--normalize/--no-normalize", default=True, show_default=True, help="Give the weights' rows unit length first (as the authors do)."
)
@click.option(
    "--variant",
    type=click.Choice(["authors", "rosinality"]),
    default="authors",
    show_default=True,
    help="rosinality: stylegan2-pytorch's factorisation, rows as they are, the first ToRGB's among them, the last one's not.",
)
@click.option("--first-layer", is_flag=True, help="Factorise the first chosen layer alone (the OroJaR authors' baseline).")
@_resume
@seeds_option("0-4")
@seed_option("measuring sigma and activeness")
@run_options
@click.pass_context
def sefa(context: click.Context, normalize: bool, variant: str, first_layer: bool, **options: Any) -> None:
    """Closed-form directions of a CHECKPOINT: singular vectors of its style weights (SeFa)."""
    authors = variant == "authors"
    if not authors and normalize and context.get_parameter_source("normalize") is not ParameterSource.DEFAULT:
        raise click.UsageError("--variant rosinality takes rows as they are: leave out --normalize")
    own = {"variant": variant, "normalize": normalize and authors, "first_layer": first_layer}
    run_method(context, method="sefa", command="sefa", options=own, **options)


@click.command(short_help="Find directions by any of the field's methods.")
@network_argument
@click.option("--method", type=click.Choice(list(METHODS)), default="orojar", show_default=True, help="How the directions are found.")
@click.option("--space", type=click.Choice(["z", "w", "p", "w+", "s"]), default="w", show_default=True, help="Latent space to search.")
@click.option("--whiten/--no-whiten", default=None, help="Measure latents in standard deviations of the data [default: on, off for sefa].")
@layers_option
@click.option("--num", type=click.IntRange(1), help="Number of directions [default: 16; with --protocol all that the space has].")
@click.option("--samples", type=click.IntRange(8), default=128, show_default=True, help="Latents to measure Gram matrices at.")
@budget_option("the samples, or the steps of orojar-sgd and hessian, that fit it")
@click.option("--subspace", default="10", show_default=True, help="Size of the active subspace to rotate inside, or auto.")
@click.option("--output", "outputs", multiple=True, help="What is compared: image, image:SIZE, early:SIZE, bSIZE; repeat for several.")
@click.option(
    "--protocol",
    type=click.Choice(["paper"]),
    help="How the authors of orojar-sgd and hessian searched in BigGAN (batch 32 or 96, k 2, epsilon 0.1, Adam 0.01, 50,000 steps, "
    "the whole image); --set says otherwise.",
)
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="An option of the method itself, e.g. steps=1000 for orojar-sgd."
)
@_resume
@seeds_option("0-4")
@seed_option("the method")
@run_options
@click.pass_context
def discover(context: click.Context, settings: tuple[str, ...], **options: Any) -> None:
    """Find directions of a CHECKPOINT by any of the field's methods."""
    run_method(context, options=parse_settings(settings), **options)


def parse_settings(settings: tuple[str, ...]) -> dict[str, Any]:
    """NAME=VALUE pairs; values are numbers, true, false or words."""
    parsed: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{setting!r} is not NAME=VALUE", param_hint="--set")
        value: Any = {"true": True, "false": False}.get(text.lower(), text)
        for kind in (int, float):
            if isinstance(value, str):
                try:
                    value = kind(text)
                except ValueError:
                    continue
        parsed[name.replace("-", "_")] = value
    return parsed


def run_method(
    context: click.Context, *, checkpoint: str | None, own: str | None, seeds: tuple[int, ...], device: str, as_json: bool, **options: Any
) -> None:
    """Find directions, write the run, print the table.  Under torchrun the processes share the measuring, the first writes and prints."""
    from orojar_cli.operations.discover import discover as find

    if context.get_parameter_source("seeds") is not ParameterSource.DEFAULT:
        options["seeds"] = seeds
    METHODS[options["method"]].check_options(options["options"])
    if options.get("budget") is not None and context.get_parameter_source("samples") is not ParameterSource.DEFAULT:
        raise click.UsageError("--budget chooses the samples: leave out one of the two")
    loaded = load_network(checkpoint, own, torch_device(device))
    with process_group() as rank, progress_bar(shown=rank == 0) as progress:
        found = find(loaded, argv=shown_arguments(), progress=progress, notice=say if rank == 0 else lambda line: None, **options)
    if found.run is None:
        return
    say(f"wrote {found.run.path}: directions.safetensors, grid.png")
    result(as_json, found.to_dict(), [*dimension_table(found), "", f"look at one: {traverse_line(found.run.path, own)}"])


def dimension_table(found: Discovery) -> list[str]:
    """Lines of a table of all directions; degenerate and inactive ones are named as such."""
    records = found.records()
    columns = [name for name in records[0] if name not in ("dimension", "degenerate", "note")]
    rows = [[str(record["dimension"]), *(f"{record[name]:.4g}" for name in columns), record.get("note", "")] for record in records]
    noted = any(row[-1] for row in rows)
    return table(["dim", *columns, "note"], rows) if noted else table(["dim", *columns], [row[:-1] for row in rows])
