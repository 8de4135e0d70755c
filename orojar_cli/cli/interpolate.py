"""orojar interpolate: films between images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orojar_cli.cli.console import progress_bar, result, say
from orojar_cli.cli.options import (
    LAYER_WORDS,
    ClassChoice,
    NumberList,
    Truncation,
    device_option,
    edits_option,
    film_options,
    fp16_option,
    json_option,
    noise_option,
    seeds_option,
    source_options,
    torch_device,
    unit_option,
)
from orojar_cli.cli.traverse import check_out as check_not_read

if TYPE_CHECKING:
    from orojar_cli.operations.interpolate import Interpolation
    from orojar_cli.operations.mixing import StyleMixing


@click.command(short_help="Films between images, seamless loops.")
@click.argument("source", required=False)
@seeds_option("0-3")
@click.option(
    "--projected-w",
    "projected",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Pass the images of an .npz with w instead of seeds. May be repeated.",
)
@click.option(
    "--out",
    type=click.Path(),
    default="loop.gif",
    show_default=True,
    help=".gif .webp .apng .mp4 film, .png .jpg a still of the way; folder/ or f_%04d.png: a film's frames.",
)
@click.option("--from", "picture", type=click.Path(path_type=Path), help="Make a PNG, APNG or GIF of this command again.")
@film_options
@click.option(
    "--loops", type=click.IntRange(1, 1000), default=1, show_default=True, help="Loops side by side, among which the images are divided."
)
@click.option("--columns", type=click.IntRange(1, 1000), help="Loops side by side before they wrap.")
@click.option("--steps", type=click.IntRange(1, 200), default=4, show_default=True, help="Pictures of a still from one image to the next.")
@click.option("--size", type=click.IntRange(4, 4096), help="Size of one image in pixels.")
@click.option("--caption/--no-caption", default=False, show_default=True, help="Write in a film what is shown, and the truncation.")
@edits_option
@source_options
@unit_option
@click.option(
    "--layers",
    type=NumberList("layers", words=LAYER_WORDS),
    help="Move only these entries of ws with --dim, e.g. 0-3, or coarse, mid or fine [default: the direction set's own].",
)
@click.option(
    "--class",
    "classes",
    multiple=True,
    type=ClassChoice(),
    help="Class of a conditional network, or a mixture: 1:0.5,2:0.5. Repeated: one for each seed, or those that one seed goes through.",
)
@click.option(
    "--trunc",
    "psi",
    type=Truncation(),
    default=1.0,
    show_default=True,
    help="Truncation psi; 0:1 sweeps it there and back over the loop, also of images that stay where they are. BigGAN: as in sample.",
)
@click.option("--trunc-cutoff", "cutoff", type=int, help="Truncate only the first N entries of ws.")
@noise_option
@device_option
@fp16_option
@json_option
@click.pass_context
def interpolate(
    context: click.Context,
    source: str | None,
    seeds: tuple[int, ...],
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
    """Go from image to image, and back to the first: a seamless loop through seeds, photographs or classes.

    \b
    orojar interpolate ckpt.pkl --seeds 3,17,42 --out film.gif
    orojar interpolate ckpt.pkl --projected-w a.npz --projected-w b.npz --hold 1    photographs, a second at each
    orojar interpolate ckpt.pkl --seeds 0-11 --loops 4              four loops of three seeds side by side
    orojar interpolate ckpt.pkl --seeds 0-3 --loops 4 --trunc 0:1   four images, from the mean and back
    orojar interpolate RUN --seeds 3,17 --dim smile:+2 --out f_%04d.png

    SOURCE is a run folder, a file in one, or a checkpoint; without it the newest run, else the bundled demonstration.
    """
    from orojar_cli.cli.sources import given_of, load_material
    from orojar_cli.operations.interpolate import interpolate as operation
    from orojar_cli.operations.traverse import check_out

    check_out(out)
    named: dict[str, Any] = {"network": network, "own": own, "sha256": sha256, "max_download": max_download}
    named |= {"picture": picture, "command": "interpolate"}
    found, recipe = load_material(source, dims, directions=directions, device=torch_device(device), fp16=fp16, **named)
    given = given_of(context, look | {"seeds": seeds})
    if recipe is None:
        given = look | ({"seeds": seeds} if "seeds" in given else {})
    film = operation(found, dims=dims, recipe=recipe, notice=say, **given)
    save_and_tell(film, out, picture, as_json)


def save_and_tell(shown: Interpolation | StyleMixing, out: str, picture: Path | None, as_json: bool) -> None:
    """Write what is ready to be drawn, not over what it is made from, and say what was written."""
    check_not_read(Path(out), picture, *shown.photographs)
    with progress_bar() as progress:
        written = shown.save(out, progress)
    line = f"wrote {written[0]}" + (f" to {written[-1].name}" if len(written) > 1 else "")
    result(as_json, shown.to_dict(written), [line])
