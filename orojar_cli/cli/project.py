"""orojar project: the w of a picture of one's own."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orojar_cli.cli.console import progress_bar, result, say, table
from orojar_cli.cli.options import class_option, device_option, json_option, network_argument, outdir_option, torch_device

if TYPE_CHECKING:
    import numpy as np

    from orojar_cli.projection import Projection

W, W_PLUS, FILM = "projected_w.npz", "projected_w_plus.npz", "progress.gif"
_FRAMES_PER_SECOND = 20


@click.command()
@click.argument("picture")
@network_argument
@click.option(
    "--space",
    type=click.Choice(["w", "w+"]),
    default="w+",
    show_default=True,
    help="w: one vector for all layers; w+: then also one per layer, nearer to the picture.",
)
@click.option("--steps", type=click.IntRange(1, 100_000), default=400, show_default=True, help="Steps of each of the two.")
@click.option("--candidates", type=click.IntRange(1, 10_000), default=1000, show_default=True, help="Images drawn to look for a start.")
@click.option(
    "--starts", type=click.IntRange(1, 64), default=8, show_default=True, help="The nearest of them, followed before one is chosen."
)
@click.option("--detector", default="pixels", show_default=True, help="What is compared beside pixels: critic, features or a file.")
@click.option("--save-video", is_flag=True, help=f"Also write {FILM}, the way there.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Randomness of the search.")
@class_option
@outdir_option
@device_option
@json_option
def project(
    picture: str,
    checkpoint: str | None,
    own: str | None,
    space: str,
    steps: int,
    candidates: int,
    starts: int,
    detector: str,
    save_video: bool,
    seed: int,
    class_index: int | None,
    outdir: Path,
    device: str,
    as_json: bool,
) -> None:
    """Find the w whose image by CHECKPOINT is nearest to PICTURE, a photograph or any other image.

    The picture's centre square is taken. projected_w.npz holds one w for all layers, projected_w_plus.npz one per layer; both are shown
    by orojar traverse --projected-w. A network without mapping is projected into z, under the same names.
    """
    from orojar_cli.cli.downloads import shown_arguments
    from orojar_cli.cli.sources import load_network, recorded, run_name
    from orojar_cli.detectors import load_detector
    from orojar_cli.latents.projected import save_projected
    from orojar_cli.media import save_image, to_uint8
    from orojar_cli.projection import PictureDistance, ProjectionSettings, as_target, decibels, read_photograph
    from orojar_cli.projection import project as find
    from orojar_cli.runs.run import METRICS, RunWriter

    if starts > candidates:
        raise click.UsageError(f"--starts {starts} of --candidates {candidates}: more than there are")
    photograph = read_photograph(picture)
    loaded = load_network(checkpoint, own, torch_device(device))
    generator = loaded.generator
    target = as_target(photograph, generator.img_resolution, generator.img_channels).to(loaded.device)
    critic = getattr(loaded, "critic", None) if detector == "critic" else None
    eye = None if detector == "pixels" else load_detector(detector, critic, loaded.device)
    settings = ProjectionSettings(space=space, steps=steps, seed=seed, class_index=class_index, candidates=candidates, starts=starts)
    if generator.c_dim and class_index is None:
        say("conditional network: searching all classes; choose one with --class")
    run = RunWriter(outdir, "project", run_name(loaded), argv=shown_arguments(sys.argv[1:]))
    with run, progress_bar() as progress:
        found = find(generator, PictureDistance(target, eye), settings, progress)
    images = {name: generator.synthesis(ws, noise_mode="const").detach().float() for name, ws in stages(found).items()}
    quality = {name: float(decibels(image, target)) for name, image in images.items()}
    shown = {name: to_uint8(image)[0] for name, image in images.items()}
    artefacts = {"w": W, "target": "target.png", "projected": "projected.png", "comparison": "comparison.png", "metrics": METRICS}
    save_projected(run.path / W, found.w)
    if found.w_plus is not None:
        save_projected(run.path / W_PLUS, found.w_plus)
        artefacts["w_plus"] = W_PLUS
    title = f"{Path(picture).name} by {Path(run_name(loaded)).name}"
    save_image(to_uint8(target)[0], run.path / "target.png")
    save_image(list(shown.values())[-1], run.path / "projected.png")
    save_comparison(to_uint8(target)[0], shown, quality, run.path / "comparison.png", title)
    if save_video:
        save_progress(generator, found, to_uint8(target)[0], run.path / FILM)
        artefacts["video"] = FILM
    for point in found.track:
        run.metric(stage=point.stage, step=point.step, distance=point.distance)
    finished = run.finish(
        options=settings.to_dict() | {"picture": str(Path(picture).resolve()), "detector": "pixels" if eye is None else eye.name},
        checkpoint=recorded(loaded),
        device=str(loaded.device),
        artefacts=artefacts,
    )
    say(f"wrote {finished.path}: {', '.join(artefacts.values())}")
    best = finished.path / (W if found.w_plus is None else W_PLUS)
    line = f"orojar traverse {traverse_source(checkpoint, own, outdir)} --projected-w {shlex.quote(str(best))} --dim 0 --out walk.gif"
    document = {
        "run": str(finished.path),
        **{name: str(finished.path / file) for name, file in artefacts.items()},
        "psnr": quality,
        "traverse": line,
    }
    rows = [[name, f"{value:.1f}"] for name, value in quality.items()]
    result(as_json, document, [*table(["image of", "PSNR in dB"], rows), "", *meaning(found, finished.path), f"look at it: {line}"])


def stages(found: Projection) -> dict[str, Any]:
    """ws of what is worth comparing, from far to near."""
    points = {"mean": found.mean, "nearest sample": found.start, "w": found.w}
    return points if found.w_plus is None else points | {"w+": found.w_plus}


def meaning(found: Projection, folder: Path) -> list[str]:
    """Which file is which."""
    lines = [f"{folder / W}: one w for all layers, as the network's own images have"]
    if found.w_plus is not None:
        lines.append(f"{folder / W_PLUS}: a w per layer, nearest to the picture")
    return lines


def traverse_source(checkpoint: str | None, own: str | None, outdir: Path) -> str:
    """The newest run where it belongs to the same network, since it has directions; else the network itself."""
    from orojar_cli.runs.run import latest_run

    if own is not None:
        return f"--generator {own}"
    newest = latest_run(outdir)
    if newest is not None and newest.checkpoint.resolve() == Path(str(checkpoint)).resolve():
        return shlex.quote(str(newest.path))
    return shlex.quote(str(checkpoint))


def save_comparison(target: np.ndarray, shown: dict[str, np.ndarray], quality: dict[str, float], path: Path, title: str) -> None:
    """Write the picture and what the network makes of it, from far to near, over the differences."""
    import numpy as np

    from orojar_cli.media import display_size, labelled_grid, resize, save_image

    pictures = np.stack([target, *shown.values()])
    differences = np.abs(pictures.astype(np.int16) - target).astype(np.uint8)
    side = min(256, display_size(len(target), 160))
    cells = np.stack([resize(row, side) for row in (pictures, differences)])
    columns = ["picture", *(f"{name}, {quality[name]:.1f} dB" for name in shown)]
    grid = labelled_grid(cells, row_labels=["image", "difference"], column_labels=columns, title=title)
    save_image(grid, path)


def save_progress(generator: Any, found: Projection, target: np.ndarray, path: Path) -> None:
    """Write the way there beside the picture, and stay at its end for a second."""
    import numpy as np
    import torch

    from orojar_cli.media import FrameComposer, display_size, resize, save_animation
    from orojar_cli.pictures.walk import Renderer

    ws = torch.cat([*(point.ws.expand_as(found.best) for point in found.track), found.best.expand(_FRAMES_PER_SECOND, -1, -1)])
    side = min(display_size(len(target), 128), 512)
    composer = None
    frames = []
    for image in Renderer(generator).images(ws):
        pair = resize(np.stack([target, image]), side)
        composer = composer or FrameComposer(2, pair.shape[1:3], marker=False)
        frames.append(composer.compose(pair))
    save_animation(frames, path, fps=_FRAMES_PER_SECOND)
