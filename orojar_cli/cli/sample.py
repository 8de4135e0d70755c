"""orojar sample: a quick look at what a network draws."""

from __future__ import annotations

from pathlib import Path

import click

from orojar_cli.cli.console import result, say
from orojar_cli.cli.options import device_option, json_option, network_argument, picture_options, seeds_option, torch_device
from orojar_cli.cli.sources import load_network


@click.command(short_help="Draw the images of numbered seeds.")
@network_argument
@seeds_option("0-15")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="samples.png",
    show_default=True,
    help="Picture of all samples, or a folder/ for one each.",
)
@click.option("--columns", type=click.IntRange(1), help="Pictures per row.")
@click.option("--size", type=click.IntRange(4, 4096), help="Size of one picture in pixels.")
@picture_options
@device_option
@json_option
def sample(
    checkpoint: str | None,
    own: str | None,
    seeds: tuple[int, ...],
    out: Path,
    columns: int | None,
    size: int | None,
    class_index: int | None,
    psi: float,
    cutoff: int | None,
    noise_mode: str,
    device: str,
    as_json: bool,
) -> None:
    """Draw the images of numbered seeds of a CHECKPOINT."""
    from orojar_cli.operations.sample import sample as draw

    loaded = load_network(checkpoint, own, torch_device(device))
    drawn = draw(loaded, seeds, class_index=class_index, psi=psi, cutoff=cutoff, noise_mode=noise_mode, notice=say)
    written = [str(path) for path in drawn.save(out, columns, size)]
    more = f" and {len(written) - 1} more" if len(written) > 1 else ""
    result(as_json, {"out": written} | drawn.to_dict(), [f"wrote {written[0]}{more}"])
