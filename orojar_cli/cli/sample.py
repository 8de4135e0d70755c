"""orojar sample: a quick look at what a network draws."""

from __future__ import annotations

from typing import Any

import click

from orojar_cli.cli.console import progress_bar, result, say
from orojar_cli.cli.options import device_option, fp16_option, json_option, network_argument, picture_options, seeds_option, torch_device
from orojar_cli.cli.sources import load_network

_SILENT = 64  # so few are drawn without a bar


@click.command(short_help="Draw the images of numbered seeds.")
@network_argument
@seeds_option("0-15")
@click.option(
    "--out",
    type=click.Path(),
    default="samples.png",
    show_default=True,
    help="Picture of all samples; a folder/ or a name such as s_%04d.png for one each.",
)
@click.option("--columns", type=click.IntRange(1), help="Pictures per row.")
@click.option("--size", type=click.IntRange(4, 4096), help="Size of one picture in pixels.")
@click.option("--caption/--no-caption", default=True, show_default=True, help="Write the seeds under the pictures of a sheet of several.")
@picture_options
@device_option
@fp16_option
@json_option
def sample(
    checkpoint: str | None,
    own: str | None,
    seeds: tuple[int, ...],
    out: str,
    columns: int | None,
    size: int | None,
    caption: bool,
    class_index: Any,
    psi: float,
    cutoff: int | None,
    noise_mode: str,
    device: str,
    fp16: bool,
    as_json: bool,
) -> None:
    """Draw the images of numbered seeds of a CHECKPOINT."""
    from orojar_cli.operations.sample import save_samples

    loaded = load_network(checkpoint, own, torch_device(device), fp16)
    with progress_bar() as progress:
        written = save_samples(
            loaded,
            seeds,
            out,
            columns=columns,
            size=size,
            caption=caption,
            class_index=class_index,
            psi=psi,
            cutoff=cutoff,
            noise_mode=noise_mode,
            progress=progress if len(seeds) > _SILENT else None,
            notice=say,
        )
    names = [str(path) for path in written]
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    result(as_json, {"out": names, "seeds": list(seeds)}, [f"wrote {names[0]}{more}"])
