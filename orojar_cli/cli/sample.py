"""orojar sample: a quick look at what a network draws."""

from __future__ import annotations

from pathlib import Path

import click

from orojar_cli.cli.console import result
from orojar_cli.cli.options import device_option, json_option, network_argument, picture_options, seeds_option, torch_device


@click.command()
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
    from PIL import Image

    from orojar_cli.cli.sources import load_network
    from orojar_cli.errors import OutputFileError
    from orojar_cli.latents.points import seed_latents
    from orojar_cli.media import resize, save_image, tile
    from orojar_cli.pictures.walk import Renderer

    loaded = load_network(checkpoint, own, torch_device(device))
    at = seed_latents(loaded.generator, seeds, class_index, psi, cutoff)
    images = Renderer(loaded.generator, noise_mode).images(loaded.generator.mapping(at.z, at.label, psi, cutoff))
    written = []
    if out.suffix:
        shown = resize(images, size) if size else images
        save_image(Image.fromarray(tile(shown, columns or max(1, round(len(shown) ** 0.5)))), out)
        written.append(str(out))
    else:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputFileError(f"cannot make the folder {out}: {error.strerror or error}") from error
        for seed, image in zip(seeds, resize(images, size) if size else images, strict=True):
            save_image(Image.fromarray(image), out / f"seed{seed:04d}.png")
            written.append(str(out / f"seed{seed:04d}.png"))
    result(
        as_json,
        {"out": written, "seeds": list(seeds)},
        [f"wrote {written[0]}" + (f" and {len(written) - 1} more" if len(written) > 1 else "")],
    )
