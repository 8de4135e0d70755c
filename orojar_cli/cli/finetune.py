"""orojar finetune: give the network's z axes one meaning each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orojar_cli.cli.console import progress_bar, result, say, table
from orojar_cli.cli.downloads import shown_arguments
from orojar_cli.cli.finetune_options import mapping_options
from orojar_cli.cli.options import budget_option, network_argument, run_options, seed_option, seeds_option, torch_device
from orojar_cli.cli.process import process_group

if TYPE_CHECKING:
    from orojar_cli.operations.finetune import Tuning

_ROWS = 10


@click.command(short_help="Make every z axis mean one thing.")
@network_argument
@click.option(
    "--mode",
    type=click.Choice(["rotation", "mapping"]),
    default="rotation",
    show_default=True,
    help="rotation: exact, images keep their distribution. mapping: train a mapping whose axes bend, z axes become far more disentangled.",
)
@click.option("--samples", type=click.IntRange(8), help="Rotation: latents to measure at [default: what fits a minute or two, 32 to 2048].")
@budget_option("the samples of a rotation, or a training's images and steps; the pictures come on top")
@click.option("--output", "outputs", multiple=True, help="What is compared: image, image:SIZE, early:SIZE, bSIZE; repeat for several.")
@mapping_options
@click.option("--resume", type=click.Path(path_type=Path), help="Continue the interrupted run in this folder.")
@click.option("--also-g", is_flag=True, help="Stop where the training copy G in the file cannot be changed too.")
@click.option("--ema-only", is_flag=True, help="Change G_ema alone, not the copy G that training tools go on with.")
@click.option(
    "--format",
    type=click.Choice(["input", "nvlabs", "rosinality", "genforce", "safetensors"]),
    help="The container to write: nvlabs a .pkl for StyleGAN2-ADA and StyleGAN3, rosinality a .pt, genforce a .pth [default: the input's].",
)
@click.option("--safetensors", is_flag=True, help="Also write the tuned network as tuned.safetensors.")
@seeds_option("0-1")
@seed_option("the samples")
@run_options
def finetune(checkpoint: str | None, own: str | None, device: str, as_json: bool, **options: Any) -> None:
    """Make the z axes change the image orthogonally (OroJaR); write it in the container it came in.

    Mode rotation does not change the distribution of images at all, only which z draws which image.  Under torchrun several processes
    share the work: the same command, the same batch.
    """
    from orojar_cli.cli.sources import load_network
    from orojar_cli.operations.finetune import finetune as tune

    loaded = load_network(checkpoint, own, torch_device(device))
    with process_group() as rank, progress_bar(shown=rank == 0) as progress:
        tuning = tune(loaded, **options, argv=shown_arguments(), progress=progress, notice=say)
    if tuning is not None:
        result(as_json, tuning.to_dict(), lines(tuning))


def lines(tuning: Tuning) -> list[str]:
    """What people read: the losses, the most active dimensions, and what to do next."""
    from orojar_cli.cli.sources import traverse_line
    from orojar_cli.runs.run import DIRECTIONS

    assert tuning.run is not None
    axes, rows = tuning.directions, [[str(index), f"{active:.4g}"] for index, active in enumerate(tuning.directions.activeness.tolist())]
    own = tuning.checkpoint is tuning.original
    further = [
        f"orojar does not change your code or its weights: the new axes are rows of `directions` [{len(axes)}, {len(axes)}] in",
        f"{DIRECTIONS}; draw from new z with generator(z @ directions), the images' distribution stays the same",
    ]
    return [
        *_losses(tuning.numbers),
        "",
        *table(["dim", "activeness"], rows[:_ROWS]),
        *([f"… and {len(axes) - _ROWS} more"] if len(axes) > _ROWS else []),
        "",
        *(further if own else []),
        f"look at one: {traverse_line(tuning.run.path, tuning.original.name if own else None)}",
    ]


def _losses(numbers: dict[str, Any]) -> list[str]:
    trained = "before" in numbers
    before, after = (
        numbers[side] if trained else {name: numbers[f"{name}_{side}"] for name in ("loss", "share")} for side in ("before", "after")
    )
    told = [
        f"held-out OroJaR loss (normalised) {before['loss']:.4f} -> {after['loss']:.4f}, "
        f"{100 * (1 - after['loss'] / before['loss']):.1f} % less",
        f"mean off-diagonal share            {before['share']:.4f} -> {after['share']:.4f}",
    ]
    if trained:
        told.append(f"images moved by an energy distance of {numbers['image_shift']:.4f} (floor {numbers['image_shift_floor']:.4f})")
        if before["critic"] is not None:
            told.append(f"mean critic score                  {before['critic']:.4f} -> {after['critic']:.4f}")
    return told
