"""orojar traverse: look at dimensions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from orojar_cli.cli.console import progress_bar, result, say
from orojar_cli.cli.options import (
    LAYER_WORDS,
    NumberList,
    center_option,
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
from orojar_cli.errors import OptionError

if TYPE_CHECKING:
    from orojar_cli.operations.traverse import Traversal


@click.command(short_help="Look at dimensions, as films and grids.")
@click.argument("source", required=False)
@click.option(
    "--dim",
    "dims",
    multiple=True,
    help="Dimension to walk along: a number, a label, a list such as 0-9, or all; 3:+2 or 'x position:-1' is instead applied throughout. "
    "May be repeated.  [default: 0]",
)
@click.option("--by", help="A second dimension: a grid with --dim to the right and this one upwards.")
@keep_options
@click.option(
    "--out",
    type=click.Path(),
    help=".gif .webp .apng .mp4 film, .png .jpg grid; folder/ or f_%04d.png: a film's frames.  "
    "[default: walk.gif; grid.png with --by, edit.png with edits alone]",
)
@click.option("--from", "picture", type=click.Path(path_type=Path), help="Make a PNG, APNG or GIF of this command again.")
@source_options
@click.option("--projected-w", "projected", type=click.Path(path_type=Path), help="Show the images of an .npz with w instead of seeds.")
@click.option("--range", "extent", type=float, default=3.0, show_default=True, help="How far to go, in the unit.")
@unit_option
@center_option
@click.option(
    "--save-w", type=click.Path(path_type=Path), help="Also write the w of every picture: .npz, key w, as --projected-w takes it."
)
@click.option("--steps", type=click.IntRange(1, 200), help="Strengths in a grid [default: 7, or 5 where these are round numbers].")
@click.option("--rows", type=click.IntRange(1, 1000), help="Dimensions on a page of a grid; the rest go to grid-2.png and so on.")
@click.option("--frames", type=click.IntRange(1, 2000), default=48, show_default=True, help="Frames of a film, for each dimension.")
@click.option("--fps", type=float, default=24, show_default=True, help="Frames per second.")
@click.option("--ease/--no-ease", default=True, show_default=True, help="Slow down at the ends of a film.")
@click.option("--size", type=click.IntRange(4, 4096), help="Size of one image in pixels.")
@click.option("--columns", type=click.IntRange(1, 1000), help="Images (seeds) side by side before they wrap.")
@click.option("--caption/--no-caption", default=True, show_default=True, help="Write names, strengths and settings.")
@click.option("--marker/--no-marker", default=True, show_default=True, help="Show the strength in a film.")
@seeds_option("0-3")
@click.option(
    "--layers",
    type=NumberList("layers", words=LAYER_WORDS),
    help="Move only these entries of ws, e.g. 0-3, or coarse, mid or fine, and mix with the rest as they are "
    "[default: the direction set's own].",
)
@picture_options
@device_option
@fp16_option
@json_option
@click.pass_context
def traverse(
    context: click.Context,
    source: str | None,
    dims: tuple[str, ...],
    by: str | None,
    keep: tuple[str, ...],
    keep_picture: Path | None,
    out: str | None,
    picture: Path | None,
    directions: str | None,
    network: str | None,
    own: str | None,
    sha256: str | None,
    max_download: float | None,
    projected: Path | None,
    rows: int | None,
    save_w: Path | None,
    device: str,
    fp16: bool,
    as_json: bool,
    **look: Any,
) -> None:
    """Show what dimensions of SOURCE do: a film that goes there and back, or a grid.

    \b
    orojar traverse --dim 3                          a film along dimension 3
    orojar traverse --dim all --out grid.png         every dimension, over several pages
    orojar traverse --dim 3 --by 7                   two dimensions against each other
    orojar traverse --dim 3:+2 --dim "size:-1"       two edits, before and after
    orojar traverse --dim 5 --dim 3:+2               a film along 5, with 3 at +2
    orojar traverse --dim 3 --keep 5                 a film along 3 that leaves 5 as it is
    orojar traverse --from grid.png                  the same picture again

    SOURCE is a run folder, a file in one, or a checkpoint; without it the newest run, else the bundled demonstration.
    """
    from orojar_cli.cli.sources import load_source
    from orojar_cli.latents.projected import check_projected_out
    from orojar_cli.operations import traverse as operation
    from orojar_cli.pictures.recipe import read_recipe

    if out is not None:
        operation.check_out(out)
    if save_w is not None:
        check_projected_out(save_w)
    recipe = None if picture is None else read_recipe(picture)
    given = {name for name in look if context.get_parameter_source(name) is not ParameterSource.DEFAULT}
    words: dict[str, Any] = {"source": source, "directions": directions, "network": network}
    if recipe is not None and picture is not None:
        if not (source or directions or network):
            named, told = operation.named_in(recipe, picture, own=own is not None)
            words |= named
            say(told)
        look = {name: look[name] for name in given}
    else:
        look = {name: value for name, value in look.items() if name not in ("seeds", "steps") or name in given}
    found = load_source(**words, device=torch_device(device), fp16=fp16, own=own, sha256=sha256, max_download=max_download)
    chosen = dims or (None if recipe is not None else ("0",))
    shown = operation.traverse(
        found,
        dims=chosen,
        by=by,
        keep=keep or None,
        keep_picture=keep_picture,
        projected=projected,
        rows=rows,
        recipe=recipe,
        picture=picture,
        notice=say,
        **look,
    )
    out = out or str(operation.default_out(shown, None if recipe is None else recipe.scene))
    check_out(Path(out), picture, shown.projected)
    if save_w is not None:
        check_out(save_w, shown.projected, Path(out))
        shown.save_w(save_w, out)
    number = shown.pages(out)
    if number > 1:
        say(f"{len(shown.values['dimensions'])} dimensions on {number} pages; choose how many go on each with --rows")
    with progress_bar() as progress:
        written = shown.save(out, progress)
    saved = {} if save_w is None else {"w": str(save_w)}
    lines = [told_of(shown, written), *([] if save_w is None else [f"wrote {save_w}: the w of every picture"])]
    result(as_json, shown.to_dict(written=written) | saved, lines)


def check_out(out: Path, *read: Path | None) -> None:
    """Raise OptionError where the result would take the place of a file it is made from."""
    for path in read:
        if path is not None and out.resolve() == path.resolve():
            raise OptionError(f"{out} is what the picture is made from; choose another --out")


def told_of(shown: Traversal, written: list[Path]) -> str:
    """What was written, in a line."""
    directions, values = shown.source.directions, shown.values
    names = [directions.name(index) for index in (*values["dimensions"], *(dimension for dimension, _ in values["edits"]))]
    said = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    files = f"{written[0]}" + (f" to {written[-1].name}" if len(written) > 1 else "")
    return f"wrote {files}: {said} ({directions.method} in {directions.space})"
