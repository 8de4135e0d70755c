"""orojar project: the w of a picture of one's own."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from orojar_cli.cli.console import progress_bar, result, say, table
from orojar_cli.cli.downloads import shown_arguments
from orojar_cli.cli.options import class_option, device_option, json_option, network_argument, outdir_option, seed_option, torch_device
from orojar_cli.cli.sources import load_network

W, W_PLUS = "projected_w.npz", "projected_w_plus.npz"


@click.command(short_help="Find the w of a picture of your own.")
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
@click.option(
    "--projected-w", "projected", type=click.Path(path_type=Path), help="Go on from the w of an .npz instead of looking for a start."
)
@click.option("--detector", default="pixels", show_default=True, help="What is compared beside pixels: critic, features or a file.")
@click.option("--save-video", is_flag=True, help="Also write progress.gif, the way there.")
@seed_option("the search")
@class_option
@outdir_option
@device_option
@json_option
def project(
    picture: str, checkpoint: str | None, own: str | None, save_video: bool, outdir: Path, device: str, as_json: bool, **options: Any
) -> None:
    """Find the w whose image by CHECKPOINT is nearest to PICTURE, a photograph or any other image.

    The picture's centre square is taken. projected_w.npz holds one w for all layers, projected_w_plus.npz one per layer; both are shown
    by orojar traverse --projected-w. A network without mapping is projected into z, under the same names.
    """
    from orojar_cli.operations.project import project as operation

    chosen = torch_device(device)
    network = checkpoint if own is None else load_network(None, own, chosen)
    told: dict[str, Any] = {"argv": shown_arguments(), "notice": say, "device": chosen}
    with progress_bar() as progress:
        found = operation(picture, network, video=save_video, outdir=outdir, progress=progress, **told, **options)
    assert found.run is not None
    say(f"wrote {found.run.path}: {', '.join(found.run.manifest['artefacts'].values())}")
    folder, layered = found.run.path, found.w_plus is not None
    best = folder / (W_PLUS if layered else W)
    line = f"orojar traverse {traverse_source(checkpoint, own, outdir)} --projected-w {shlex.quote(str(best))} --dim 0 --out walk.gif"
    meaning = [f"{folder / W}: one w for all layers, as the network's own images have"]
    meaning += [f"{folder / W_PLUS}: a w per layer, nearest to the picture"] if layered else []
    rows = [[name, f"{value:.1f}"] for name, value in found.psnr.items()]
    lines = [*table(["image of", "PSNR in dB"], rows), "", *meaning, f"look at it: {line}"]
    result(as_json, found.to_dict() | {"traverse": line}, lines)


def traverse_source(checkpoint: str | None, own: str | None, outdir: Path) -> str:
    """The newest run where it belongs to the same network, since it has directions; else the network itself."""
    from orojar_cli.runs.run import latest_run

    if own is not None:
        return f"--generator {own}"
    newest = latest_run(outdir)
    if newest is not None and newest.checkpoint.resolve() == Path(str(checkpoint)).resolve():
        return shlex.quote(str(newest.path))
    return shlex.quote(str(checkpoint))
