"""orojar compare: which directions are better, and by how much, on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from orojar_cli.cli.console import progress_bar, result, say, table
from orojar_cli.cli.downloads import local_file, shown_arguments
from orojar_cli.cli.grouped import GroupedCommand
from orojar_cli.cli.options import budget_option, run_options, seed_option, seeds_option, torch_device
from orojar_cli.demonstration import DEMO
from orojar_cli.operations.metric_names import WORLDS


class NameList(click.ParamType):
    """Names separated by commas."""

    name = "names"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        names = tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))
        return names or self.fail(f"{value!r} names nothing; leave the option out for the default", param, ctx)


_GROUPS = {
    "What is compared": ("methods", "num", "space", "whiten", "steps", "network"),
    "What is measured": ("metrics", "samples", "budget", "quick", "detector", "world", "protocol", "seed"),
    "The images": ("seeds", "class_index", "psi", "cutoff", "noise_mode"),
    "The result": ("out", "outdir", "as_json", "device"),
}


@click.command(cls=GroupedCommand, groups=_GROUPS, short_help="Tell which directions are better, on one page.")
@click.argument("sources", nargs=-1, metavar="[RUN_OR_CKPT]...")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The page, .html; its numbers (.json), tables and charts go beside it [default: in the run].",
)
@click.option("--methods", type=NameList(), help="Methods to run as well, e.g. sefa,random [default: for a single checkpoint, five].")
@click.option("--metrics", type=NameList(), help="What to measure, e.g. orthogonality,ground_truth [default: all].")
@click.option("--num", type=click.IntRange(2, 64), default=10, show_default=True, help="Directions of each set, the first or most active.")
@click.option(
    "--space", type=click.Choice(["z", "w", "p", "w+", "s"]), default="w", show_default=True, help="Latent space the methods search."
)
@click.option("--whiten/--no-whiten", default=True, show_default=True, help="Methods measure w in standard deviations (sefa never does).")
@click.option("--steps", type=click.IntRange(1), help="Optimisation steps of hessian and orojar-sgd [default: 100].")
@click.option("--samples", type=click.IntRange(8), help="Held-out latents to measure at, and latents of the methods [default: 128].")
@budget_option("samples, images and steps; the pictures come on top")
@click.option("--detector", default="pixels", show_default=True, help="For perceptual distances: pixels, critic, features or a file.")
@click.option("--world", type=click.Choice(WORLDS), help="The images are of this known world [default: recognised for our own networks].")
@click.option(
    "--protocol", type=click.Choice(["small", "paper"]), default="small", show_default=True, help="Size of the predictability metric."
)
@click.option("--quick", is_flag=True, help="Fewer latents and steps: a first look in about a minute, with wider intervals.")
@click.option("--network", help="The checkpoint of direction sets that are not in a run.")
@seeds_option("0-3")
@seed_option("methods and metrics")
@run_options
def compare(sources: tuple[str, ...], device: str, as_json: bool, **options: Any) -> None:
    """Compare direction sets: numbers with intervals and tests, grids and films, on one HTML page.

    One checkpoint: OroJaR, SeFa, GANSpace, Hessian Penalty and random directions are found and compared. Several runs, direction sets or
    checkpoints (their z axes): those are compared. One run of finetune: the z axes before and after.
    """
    from orojar_cli.operations.compare import compare as operation

    named = [source if source == DEMO else local_file(source) for source in sources]
    with progress_bar() as progress:
        found = operation(*named, device=torch_device(device), argv=shown_arguments(), progress=progress, notice=say, **options)
    assert found.run is not None and found.report is not None
    say(f"wrote {found.report} and {found.report.with_suffix('.json').name}; the run is {found.run.path}")
    result(as_json, found.to_dict(), [*table(found.header(), found.rows()), "", *found.notes(), f"open {found.report}"])
