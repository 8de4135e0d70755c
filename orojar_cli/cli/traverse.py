"""orojar traverse: look at dimensions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orojar_cli.cli.console import result, say
from orojar_cli.cli.options import NumberList, device_option, json_option, picture_options, seeds_option, torch_device

if TYPE_CHECKING:
    from orojar_cli.cli.sources import Source
    from orojar_cli.spaces import Latents

FILMS = (".gif", ".webp", ".apng", ".mp4")
STILLS = (".png", ".jpg", ".jpeg")


@click.command()
@click.argument("source", required=False)
@click.option("--dim", "dimension", default="0", show_default=True, help="Dimension: a number, a label, a list such as 0-9, or all.")
@click.option(
    "--out", type=click.Path(path_type=Path), default="walk.gif", show_default=True, help=".gif .webp .apng .mp4 film, .png .jpg grid."
)
@click.option("--directions", help="A direction set to use instead of the SOURCE's.")
@click.option("--network", help="The checkpoint to use instead of the SOURCE's.")
@click.option("--range", "extent", type=float, default=3.0, show_default=True, help="How far to go, in sigmas.")
@click.option("--steps", type=click.IntRange(1, 200), default=7, show_default=True, help="Pictures per row of a grid.")
@click.option("--frames", type=click.IntRange(1, 2000), default=48, show_default=True, help="Frames of a film.")
@click.option("--fps", type=float, default=24, show_default=True, help="Frames per second.")
@click.option("--ease/--no-ease", default=True, show_default=True, help="Slow down at the ends.")
@click.option("--size", type=click.IntRange(4, 4096), help="Size of one picture in pixels.")
@click.option("--caption/--no-caption", default=True, show_default=True, help="Name of the dimension and strength marker in films.")
@seeds_option("0-3")
@click.option("--layers", type=NumberList("layers"), help="Entries of ws to act on [default: the direction set's own].")
@picture_options
@device_option
@json_option
def traverse(
    source: str | None,
    dimension: str,
    out: Path,
    directions: str | None,
    network: str | None,
    extent: float,
    steps: int,
    frames: int,
    fps: float,
    ease: bool,
    size: int | None,
    caption: bool,
    seeds: tuple[int, ...],
    layers: tuple[int, ...] | None,
    class_index: int | None,
    psi: float,
    cutoff: int | None,
    noise_mode: str,
    device: str,
    as_json: bool,
) -> None:
    """Show what a dimension of SOURCE does: a film that goes there and back, or a grid.

    SOURCE is a run folder, a file in one, or a checkpoint; without it the newest run, else the bundled demonstration.
    """
    from orojar_cli.cli.sources import load_source
    from orojar_cli.errors import OptionError
    from orojar_cli.traversal import Renderer, seed_latents

    suffix = out.suffix.lower()
    if suffix not in FILMS + STILLS:
        raise OptionError(f"cannot write {out.name}: its name must end in one of {', '.join(FILMS + STILLS)}")
    found = load_source(source, directions=directions, network=network, device=torch_device(device))
    generator = found.checkpoint.generator
    if class_index is None and generator.c_dim:
        class_index = 0
        say("conditional network: showing class 0; choose another with --class")
    dimensions = chosen_dimensions(found, dimension)
    at = seed_latents(generator, seeds, class_index, psi, cutoff)
    renderer = Renderer(generator, noise_mode)
    look: dict[str, Any] = {"extent": extent, "layers": layers, "size": size}
    if suffix in STILLS:
        settings = {"dimension": dimension, "range": extent, "steps": steps, "seeds": seeds, "trunc": psi, "noise_mode": noise_mode}
        settings |= {"checkpoint": found.checkpoint.sha256, "method": found.directions.method, "layers": layers, "class": class_index}
        write_grid(renderer, at, found, dimensions, out, steps=steps, seeds=seeds, settings=settings, **look)
    else:
        write_film(renderer, at, found, dimensions, out, frames=frames, fps=fps, ease=ease, caption=caption, **look)
    names = [found.directions.name(index) for index in dimensions]
    document = {
        "out": str(out),
        "dimensions": list(dimensions),
        "names": names,
        "method": found.directions.method,
        "space": found.directions.space,
        "checkpoint": found.checkpoint.path,
        "directions": str(found.path) if found.path else None,
    }
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    result(as_json, document, [f"wrote {out}: {shown} ({found.directions.method} in {found.directions.space})"])


def chosen_dimensions(found: Source, text: str) -> list[int]:
    """Rows of the direction set for "3", "0-9,12", "all" or a label."""
    if text.strip() == "all":
        return list(range(len(found.directions)))
    if re.fullmatch(r"[\d,\s-]+", text) and not text.strip().startswith("-"):
        numbers = NumberList("dim").convert(text, None, None)
        return [found.directions.index(number) for number in numbers]
    return [found.directions.index(text)]


def write_grid(
    renderer: Any,
    at: Latents,
    found: Source,
    dimensions: list[int],
    out: Path,
    *,
    steps: int,
    seeds: tuple[int, ...],
    settings: dict[str, Any],
    extent: float,
    layers: tuple[int, ...] | None,
    size: int | None,
) -> None:
    """One row per dimension (for a single dimension one row per seed), strengths from left to right."""
    import numpy as np

    from orojar_cli.cli.pictures import cell_size, row_labels
    from orojar_cli.media import labelled_grid, resize, save_image
    from orojar_cli.traversal import dimension_rows, strengths

    values = strengths(extent, steps)
    side = cell_size(renderer.generator.img_resolution, size)
    rows = [resize(row, side) for row in dimension_rows(renderer, at, found.directions, dimensions, values, layers)]
    cells = np.stack(rows)
    columns = [f"{value:+.3g}" for value in values]
    labels, group = row_labels(found.directions, dimensions), steps
    if len(dimensions) == 1:
        cells = cells.reshape(len(seeds), steps, *cells.shape[2:])
        labels = [f"seed {seed}" for seed in seeds]
        title = found.directions.name(dimensions[0])
    else:
        columns = [f"seed {seed}" if step == steps // 2 else text for seed in seeds for step, text in enumerate(columns)]
        title = f"{len(dimensions)} dimensions"
    footer = f"{found.directions.method} in {found.directions.space}, strength in sigmas, {found.checkpoint.contents.file.name}"
    picture = labelled_grid(cells, row_labels=labels, column_labels=columns, title=title, footer=footer, group=group)
    save_image(picture, out, settings)


def write_film(
    renderer: Any,
    at: Latents,
    found: Source,
    dimensions: list[int],
    out: Path,
    *,
    frames: int,
    fps: float,
    ease: bool,
    caption: bool,
    extent: float,
    layers: tuple[int, ...] | None,
    size: int | None,
) -> None:
    """There and back along each dimension in turn, the seeds side by side."""
    from orojar_cli.media import FrameComposer, display_size, resize, save_animation
    from orojar_cli.traversal import there_and_back, walk

    resolution = renderer.generator.img_resolution
    side = size or min(display_size(resolution, 128), max(256, resolution))
    values = there_and_back(extent, frames, ease)

    def pictures() -> Any:
        for index in dimensions:
            composer = None
            for value, images in zip(values, walk(renderer, at, found.directions, index, values, layers), strict=True):
                shown = resize(images, side)
                if composer is None:
                    text = found.directions.name(index) if caption else ""
                    composer = FrameComposer(len(shown), shown.shape[1:3], caption=text, marker=caption, extent=extent)
                yield composer.compose(shown, value / extent if extent else 0.0)

    save_animation(pictures(), out, fps=fps)
