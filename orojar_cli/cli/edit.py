"""orojar edit: single images before and after."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from orojar_cli.cli.console import progress_bar, result, say
from orojar_cli.cli.options import (
    LAYER_WORDS,
    NumberList,
    device_option,
    fp16_option,
    json_option,
    keep_options,
    picture_options,
    seeds_option,
    source_options,
    torch_device,
    unit_option,
)


@click.command(short_help="Write images before and after edits, one file each.")
@click.argument("source", required=False)
@click.option("--dim", "dims", multiple=True, help="An edit of all images: 3:+2 or 'smile:-1'. May be repeated.")
@keep_options
@click.option(
    "--strengths",
    type=click.Path(path_type=Path),
    help='Edits of each image: .csv with a column seed and one for each dimension, or .json such as {"7": {"smile": 2}}.',
)
@click.option("--out", default="edits/", show_default=True, help="A folder/, or a name with a place for the seed such as face_%04d.jpg.")
@seeds_option("0-9")
@click.option("--projected-w", "projected", type=click.Path(path_type=Path), help="Edit the images of an .npz with w instead of seeds.")
@click.option("--save-w", type=click.Path(path_type=Path), help="Also write the edited w: .npz, key w, a row an image.")
@source_options
@unit_option
@click.option("--size", type=click.IntRange(4, 4096), help="Size of one image in pixels [default: the network's own].")
@click.option(
    "--layers",
    type=NumberList("layers", words=LAYER_WORDS),
    help="Move only these entries of ws, e.g. 0-3, or coarse, mid or fine [default: the direction set's own].",
)
@picture_options
@device_option
@fp16_option
@json_option
@click.pass_context
def edit(
    context: click.Context,
    source: str | None,
    dims: tuple[str, ...],
    strengths: Path | None,
    out: str,
    seeds: tuple[int, ...],
    directions: str | None,
    network: str | None,
    own: str | None,
    sha256: str | None,
    max_download: float | None,
    device: str,
    fp16: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Write the images of seeds as they are and as they are after edits, at full size, each into a file of its own.

    \b
    orojar edit --seeds 0-99 --dim "smile:+2" --dim 3:-1 --out folder/
    orojar edit --strengths table.csv --out folder/        other strengths for each seed
    orojar edit --dim hue:+2 --keep size                   the colour alone
    orojar edit --projected-w w.npz --dim 3:+2 --save-w edited.npz

    The folder gets seed0007.png and seed0007-edited.png. SOURCE is a run folder, a file in one, or a checkpoint; without it the newest
    run, else the bundled demonstration.
    """
    from orojar_cli.cli.sources import load_source
    from orojar_cli.operations.editing import save_edits

    if not dims and strengths is None:
        raise click.UsageError("nothing to change: give dimensions with their strengths, such as --dim 3:+2, or --strengths FILE")
    said = context.get_parameter_source("seeds") is not ParameterSource.DEFAULT
    named: dict[str, Any] = {"directions": directions, "network": network, "own": own, "sha256": sha256, "max_download": max_download}
    found = load_source(source, device=torch_device(device), fp16=fp16, **named)
    with progress_bar() as progress:
        edits = save_edits(
            found, None, dims, out, strengths=strengths, seeds=seeds if said else None, progress=progress, notice=say, **options
        )
    count, last = len(edits.images), edits.images[-1]
    first = edits.images[0]
    told = f"wrote {first.original} and {first.edited.name}" + (f", to {last.edited}: {count} images before and after" if count > 1 else "")
    result(as_json, edits.to_dict(), [told, *([] if edits.w is None else [f"wrote {edits.w}: the edited w"])])
