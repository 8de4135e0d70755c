"""orojar mix: style mixing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from orojar_cli.cli.console import say
from orojar_cli.cli.interpolate import save_and_tell
from orojar_cli.cli.options import (
    LAYER_WORDS,
    Images,
    NumberList,
    device_option,
    edits_option,
    film_options,
    fp16_option,
    json_option,
    picture_options,
    source_options,
    torch_device,
    unit_option,
)


@click.command(short_help="Style mixing: a table of images, and films of it.")
@click.argument("source", required=False)
@click.option("--rows", type=Images("seeds"), show_default="0-3", help="Seeds at the left, or an .npz with w.")
@click.option("--cols", "columns", type=Images("seeds"), show_default="4-9", help="Seeds across the top, or an .npz with w.")
@click.option(
    "--layers",
    type=NumberList("layers", words=LAYER_WORDS),
    default="0-3",
    show_default=True,
    help="Entries of ws that the columns give, e.g. 0-3, or coarse, mid or fine; the rows give the rest.",
)
@click.option(
    "--out",
    type=click.Path(),
    default="mix.png",
    show_default=True,
    help=".png .jpg table; .gif .webp .apng .mp4, folder/ or f_%04d.png: a film, in which the columns travel on.",
)
@click.option("--from", "picture", type=click.Path(path_type=Path), help="Make a PNG, APNG or GIF of this command again.")
@click.option("--size", type=click.IntRange(4, 4096), help="Size of one image in pixels.")
@click.option("--caption/--no-caption", default=True, show_default=True, help="Write which images and layers they are.")
@film_options
@edits_option
@source_options
@unit_option
@picture_options
@device_option
@fp16_option
@json_option
@click.pass_context
def mix(
    context: click.Context,
    source: str | None,
    out: str,
    picture: Path | None,
    directions: str | None,
    network: str | None,
    own: str | None,
    sha256: str | None,
    max_download: float | None,
    dims: tuple[str, ...],
    device: str,
    fp16: bool,
    as_json: bool,
    **look: Any,
) -> None:
    """Mix styles: in each cell of the table the image of its row, with some layers of its column's image.

    \b
    orojar mix ckpt.pkl --rows 0-3 --cols 4-9 --layers 0-3
    orojar mix ckpt.pkl --layers fine --out mix.gif          the columns travel from image to image
    orojar mix ckpt.pkl --rows w.npz --layers coarse         photographs at the left

    SOURCE is a run folder, a file in one, or a checkpoint; without it the newest run, else the bundled demonstration.
    """
    from orojar_cli.cli.sources import given_of, load_material
    from orojar_cli.operations.mixing import mix as operation
    from orojar_cli.operations.moving_picture import is_film
    from orojar_cli.operations.traverse import check_out

    check_out(out)
    named: dict[str, Any] = {"network": network, "own": own, "sha256": sha256, "max_download": max_download}
    named |= {"picture": picture, "command": "mix"}
    found, recipe = load_material(source, dims, directions=directions, device=torch_device(device), fp16=fp16, **named)
    given = look if recipe is None else given_of(context, look)
    table = operation(found, dims=dims, recipe=recipe, film=is_film(out), notice=say, **given)
    save_and_tell(table, out, picture, as_json)
