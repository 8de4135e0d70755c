"""orojar traverse: look at dimensions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from orojar_cli.cli.console import progress_bar, result, say
from orojar_cli.cli.options import (
    NumberList,
    device_option,
    download_options,
    generator_option,
    json_option,
    picture_options,
    seeds_option,
    torch_device,
)
from orojar_cli.cli.remake import located, recipe_of, recipe_source
from orojar_cli.cli.scene_options import check_out, check_suffix, chosen_dimensions, default_out, make_scene

if TYPE_CHECKING:
    from orojar_cli.cli.sources import Source
    from orojar_cli.pictures.scene import Scene, Subject


@click.command()
@click.argument("source", required=False)
@click.option(
    "--dim",
    "dims",
    multiple=True,
    help="Dimension to walk along: a number, a label, a list such as 0-9, or all; 3:+2 or 'x position:-1' is instead applied throughout. "
    "May be repeated.  [default: 0]",
)
@click.option("--by", help="A second dimension: a grid with --dim to the right and this one upwards.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help=".gif .webp .apng .mp4 film, .png .jpg grid.  [default: walk.gif; grid.png with --by, edit.png with edits alone]",
)
@click.option("--from", "picture", type=click.Path(path_type=Path), help="Make a PNG, APNG or GIF of this command again.")
@click.option("--directions", help="A direction set to use instead of the SOURCE's.")
@click.option("--network", help="The checkpoint to use instead of the SOURCE's.")
@generator_option
@download_options
@click.option("--projected-w", "projected", type=click.Path(path_type=Path), help="Show the images of an .npz with w instead of seeds.")
@click.option("--range", "extent", type=float, default=3.0, show_default=True, help="How far to go, in sigmas.")
@click.option("--steps", type=click.IntRange(1, 200), default=7, show_default=True, help="Strengths in a grid.")
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
    type=NumberList("layers"),
    help="Move only these entries of ws, e.g. 0-3 for coarse and 8-17 for fine features, and mix with the rest as they are "
    "[default: the direction set's own].",
)
@picture_options
@device_option
@json_option
@click.pass_context
def traverse(
    context: click.Context,
    source: str | None,
    dims: tuple[str, ...],
    by: str | None,
    out: Path | None,
    picture: Path | None,
    directions: str | None,
    network: str | None,
    own: str | None,
    sha256: str | None,
    max_download: float | None,
    projected: Path | None,
    rows: int | None,
    device: str,
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
    orojar traverse --from grid.png                  the same picture again

    SOURCE is a run folder, a file in one, or a checkpoint; without it the newest run, else the bundled demonstration.
    """
    from orojar_cli.cli.sources import load_source
    from orojar_cli.latents.projected import load_projected
    from orojar_cli.pictures.recipe import read_recipe
    from orojar_cli.pictures.scene import Subject

    check_suffix(out)
    recipe = None if picture is None else read_recipe(picture)
    given = {name for name in look if context.get_parameter_source(name) is not ParameterSource.DEFAULT}
    same_images = recipe is not None and projected is None and "seeds" not in given
    named: dict[str, Any] = {"own": own, "sha256": sha256, "max_download": max_download}
    if recipe is None or picture is None or source or directions or network:
        found = load_source(source, directions=directions, network=network, device=torch_device(device), **named)
    else:
        found = recipe_source(recipe, picture, torch_device(device), own)
    if same_images and picture is not None and recipe is not None and recipe.projected is not None:
        projected = located(recipe.projected, picture)
    generator = found.checkpoint.generator
    ws = None if projected is None else load_projected(projected, generator)
    subject = Subject(generator, found.directions, found.checkpoint.name, ws)
    values = look
    if recipe is not None:
        recipe.check(subject, images=same_images)
        values = recipe.scene.to_dict() | {name: look[name] for name in given}
    if dims or recipe is None:
        values["dimensions"], values["edits"] = chosen_dimensions(found.directions, dims or ("0",))
    if by is not None:
        values["by"] = found.directions.index(by)
    if values["class_index"] is None and generator.c_dim and ws is None:
        values["class_index"] = 0
        say("conditional network: showing class 0; choose another with --class")
    out = out or default_out(values, recipe.scene if recipe is not None else None)
    check_out(out, picture, projected)
    scene = make_scene(out, values)
    written = write(subject, scene, out, rows, lambda page: recipe_of(found, subject, page, projected).to_dict())
    report(as_json, found, scene, written)


def write(subject: Subject, scene: Scene, out: Path, rows: int | None, metadata: Callable[[Scene], dict[str, Any]]) -> list[Path]:
    """The film or the pages of a scene; returns their paths."""
    from orojar_cli.pictures.film import save_film
    from orojar_cli.pictures.scene import Still, Walk
    from orojar_cli.pictures.still import pages, save_stills

    with progress_bar() as progress:
        if isinstance(scene, Walk):
            save_film(subject, scene, out, metadata=metadata(scene), progress=progress)
            return [out]
        assert isinstance(scene, Still)
        number = len(pages(subject, scene, rows))
        if number > 1:
            say(f"{len(scene.dimensions)} dimensions on {number} pages; choose how many go on each with --rows")
        return save_stills(subject, scene, out, rows=rows, metadata=metadata, progress=progress)


def report(as_json: bool, found: Source, scene: Scene, written: list[Path]) -> None:
    """Say what was written."""
    directions, shown = found.directions, [dimension for dimension, _ in scene.edits]
    names = [directions.name(index) for index in (*scene.dimensions, *shown)]
    document = {
        "out": str(written[0]),
        "pages": [str(path) for path in written],
        "dimensions": list(scene.dimensions),
        "names": [directions.name(index) for index in scene.dimensions],
        "edits": [list(edit) for edit in scene.edits],
        "method": directions.method,
        "space": directions.space,
        "checkpoint": found.checkpoint.path,
        "directions": str(found.path) if found.path else None,
    }
    said = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    files = f"{written[0]}" + (f" to {written[-1].name}" if len(written) > 1 else "")
    result(as_json, document, [f"wrote {files}: {said} ({directions.method} in {directions.space})"])
