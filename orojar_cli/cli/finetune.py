"""orojar finetune: give the network's z axes one meaning each."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from orojar_cli.cli.console import progress_bar, result, say, table
from orojar_cli.cli.options import (
    checkpoint_argument,
    class_option,
    device_option,
    json_option,
    noise_option,
    outdir_option,
    seeds_option,
    torch_device,
    truncation_options,
)

TUNED, ROTATION = "tuned.pkl", "rotation.safetensors"


@click.command()
@checkpoint_argument
@click.option(
    "--samples", type=click.IntRange(8), help="Latents to measure at [default: what fits about a minute; 1024 on the demonstration]."
)
@click.option("--output", "outputs", multiple=True, help="What is compared: image, image:SIZE, early:SIZE, bSIZE; repeat for several.")
@click.option("--also-g", is_flag=True, help="Change the training copy G in the file too, not only G_ema.")
@click.option("--safetensors", is_flag=True, help="Also write the tuned network as tuned.safetensors.")
@seeds_option("0-1")
@click.option("--seed", type=int, default=0, show_default=True, help="Randomness of the samples.")
@class_option
@truncation_options
@noise_option
@outdir_option
@device_option
@json_option
def finetune(
    checkpoint: str,
    samples: int | None,
    outputs: tuple[str, ...],
    also_g: bool,
    safetensors: bool,
    seeds: tuple[int, ...],
    seed: int,
    class_index: int | None,
    psi: float,
    cutoff: int | None,
    noise_mode: str,
    outdir: Path,
    device: str,
    as_json: bool,
) -> None:
    """Rotate z so that its axes change the image orthogonally (exact OroJaR); write a .pkl other StyleGAN tools still open.

    The distribution of images does not change at all; which z draws which image does.
    """
    from orojar_cli.checkpoint.checkpoint import load_checkpoint
    from orojar_cli.checkpoint.writer import save_checkpoint
    from orojar_cli.cli.pictures import before_after_grid, direction_grid
    from orojar_cli.directions import Settings, save_directions
    from orojar_cli.finetune.rotation import (
        axes_as_directions,
        default_outputs,
        default_samples,
        find_rotation,
        fold_rotation,
        latents_after,
        rotation_as_directions,
    )
    from orojar_cli.outputs import Output
    from orojar_cli.runs import DIRECTIONS, RunWriter
    from orojar_cli.traversal import Renderer, seed_latents

    loaded = load_checkpoint(checkpoint, torch_device(device))
    generator = loaded.generator
    chosen = tuple(map(Output.parse, outputs)) or default_outputs(generator)
    count = samples or default_samples(generator, chosen)
    settings = Settings(space="z", samples=count, seed=seed, outputs=chosen, class_index=class_index)
    at = seed_latents(generator, seeds, class_index, psi, cutoff)
    say(f"measuring {count} latents, {generator.z_dim} dimensions, on {', '.join(map(str, chosen))}")
    with progress_bar() as progress:
        rotation = find_rotation(generator, settings, progress)
    run = RunWriter(outdir, "finetune", checkpoint)
    fold_rotation(generator, rotation.matrix)
    changed = save_checkpoint(loaded, run.path / TUNED, also_g=also_g)
    if safetensors:
        save_checkpoint(loaded, run.path / "tuned.safetensors")
    # What is shown is what was written: the pictures are drawn by the file read back.
    tuned = load_checkpoint(run.path / TUNED, loaded.device)
    original = load_checkpoint(checkpoint, loaded.device)
    record = settings.to_dict()
    axes = axes_as_directions(rotation, tuned.sha256, generator.num_ws, record)
    save_directions(axes, run.path / DIRECTIONS)
    save_directions(rotation_as_directions(rotation, original.sha256, generator.num_ws, record), run.path / ROTATION)
    run.metric(**rotation.to_dict())
    for index, active in enumerate(rotation.activeness.tolist()):
        run.metric(dimension=index, activeness=active)
    rows = range(min(10, len(axes)))
    renderer = Renderer(tuned.generator, noise_mode)
    title = f"after exact OroJaR: {loaded.contents.file.name}"
    direction_grid(renderer, at, axes, rows, run.path / "grid.png", seeds=seeds, steps=7, title=title)
    first = at[:1]
    before_after_grid(Renderer(original.generator, noise_mode), renderer, first, latents_after(rotation, first), axes, rows, run.path / "before-after.png", seed=seeds[0])
    artefacts = {
        "checkpoint": TUNED,
        "directions": DIRECTIONS,
        "rotation": ROTATION,
        "grid": "grid.png",
        "before_after": "before-after.png",
    }
    finished = run.finish(
        argv=sys.argv[1:],
        command="finetune",
        options=record | {"seeds": seeds, "trunc": psi, "noise_mode": noise_mode, "also_g": also_g},
        checkpoint={"path": str(Path(checkpoint).resolve()), "sha256": original.sha256},
        device=str(loaded.device),
        artefacts=artefacts | {"metrics": "metrics.jsonl"} | ({"safetensors": "tuned.safetensors"} if safetensors else {}),
    )
    say(f"wrote {finished.path}: {', '.join(artefacts.values())} (changed: {', '.join(changed)})")
    document: dict[str, Any] = {
        "run": str(finished.path),
        **{name: str(finished.path / file) for name, file in artefacts.items()},
        "changed_tensors": changed,
        **rotation.to_dict(),
        "activeness": rotation.activeness.tolist(),
    }
    lines = [
        f"held-out OroJaR loss (normalised) {rotation.loss_before:.4f} -> {rotation.loss_after:.4f}, {100 * rotation.reduction:.1f} % less",
        f"mean off-diagonal share            {rotation.share_before:.4f} -> {rotation.share_after:.4f}",
        "",
        *table(["dim", "activeness"], [[str(index), f"{rotation.activeness[index]:.4g}"] for index in rows]),
        *([f"… and {len(axes) - len(rows)} more"] if len(axes) > len(rows) else []),
        "",
        f"look at one: orojar traverse {finished.path} --dim 0 --out walk.gif",
    ]
    result(as_json, document, lines)
