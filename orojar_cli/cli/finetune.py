"""orojar finetune: give the network's z axes one meaning each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orojar_cli.cli.console import progress_bar, result, say
from orojar_cli.cli.options import checkpoint_argument, run_options, seeds_option, torch_device

if TYPE_CHECKING:
    from orojar_cli.checkpoint.checkpoint import Checkpoint
    from orojar_cli.cli.tuned_run import Tuning
    from orojar_cli.directions import Settings
    from orojar_cli.runs import RunWriter

STATE = "training.safetensors"


@click.command()
@checkpoint_argument
@click.option(
    "--mode",
    type=click.Choice(["rotation", "mapping"]),
    default="rotation",
    show_default=True,
    help="rotation: exact, images keep their distribution. mapping: train all mapping layers, z axes become far more disentangled.",
)
@click.option("--samples", type=click.IntRange(8), help="Rotation: latents to measure at [default: what fits a minute or two].")
@click.option("--output", "outputs", multiple=True, help="What is compared: image, image:SIZE, early:SIZE, bSIZE; repeat for several.")
@click.option("--steps", type=click.IntRange(1), default=1500, show_default=True, help="Mapping: training steps after the warm start.")
@click.option("--images", type=click.IntRange(2000), default=24_000, show_default=True, help="Mapping: images drawn to learn from.")
@click.option(
    "--max-shift",
    type=float,
    default=0.01,
    show_default=True,
    help="Mapping: refuse a network whose images moved further (energy distance).",
)
@click.option("--resume", type=click.Path(path_type=Path), help="Mapping: continue the interrupted run in this folder.")
@click.option("--also-g", is_flag=True, help="Change the training copy G in the file too, not only G_ema.")
@click.option("--safetensors", is_flag=True, help="Also write the tuned network as tuned.safetensors.")
@seeds_option("0-1")
@click.option("--seed", type=int, default=0, show_default=True, help="Randomness of the samples.")
@run_options
def finetune(
    checkpoint: str,
    mode: str,
    samples: int | None,
    outputs: tuple[str, ...],
    steps: int,
    images: int,
    max_shift: float,
    resume: Path | None,
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
    """Make the z axes change the image orthogonally (OroJaR); write a .pkl other StyleGAN tools still open.

    Mode rotation does not change the distribution of images at all, only which z draws which image.
    """
    from orojar_cli.checkpoint.checkpoint import load_checkpoint
    from orojar_cli.cli.tuned_run import Look, write_tuned_run
    from orojar_cli.directions import Settings
    from orojar_cli.finetune.rotation import default_outputs, default_samples
    from orojar_cli.outputs import Output
    from orojar_cli.runs import RunWriter
    from orojar_cli.traversal import seed_latents

    if resume is not None and mode != "mapping":
        raise click.UsageError("--resume continues --mode mapping; a rotation is found in one go")
    loaded = load_checkpoint(checkpoint, torch_device(device))
    generator = loaded.generator
    chosen = tuple(map(Output.parse, outputs)) or default_outputs(generator)
    count = samples or default_samples(generator, chosen)
    settings = Settings(space="z", samples=count, seed=seed, outputs=chosen, class_index=class_index)
    look = Look(seed_latents(generator, seeds, class_index, psi, cutoff), seeds, noise_mode)
    options = settings.to_dict() | {"mode": mode, "seeds": seeds, "trunc": psi, "noise_mode": noise_mode, "also_g": also_g}
    if mode == "rotation":
        tuning = rotate(loaded, settings)
        run = RunWriter(outdir, "finetune", checkpoint)
    else:
        options |= {"steps": steps, "images": images, "max_shift": max_shift}
        run = RunWriter(outdir, "finetune-mapping", checkpoint, resume)
        tuning = train(loaded, settings, run, steps=steps, images=images, max_shift=max_shift)
    document, lines = write_tuned_run(run, loaded, tuning, look, options, also_g=also_g, safetensors=safetensors)
    result(as_json, document, lines)


def loss_line(before: float, after: float) -> str:
    """The line about the loss."""
    return f"held-out OroJaR loss (normalised) {before:.4f} -> {after:.4f}, {100 * (1 - after / before):.1f} % less"


def rotate(loaded: Checkpoint, settings: Settings) -> Tuning:
    """Find the rotation and fold it into the loaded generator."""
    from orojar_cli.cli.tuned_run import Tuning
    from orojar_cli.finetune.rotation import axes_as_directions, find_rotation, fold_rotation, latents_after, rotation_as_directions

    generator = loaded.generator
    say(f"measuring {settings.samples} latents, {generator.z_dim} dimensions, on {', '.join(map(str, settings.outputs))}")
    with progress_bar() as progress:
        rotation = find_rotation(generator, settings, progress)
    fold_rotation(generator, rotation.matrix)
    record = settings.to_dict()
    return Tuning(
        name="exact OroJaR",
        axes=lambda sha256: axes_as_directions(rotation, sha256, generator.num_ws, record),
        rotation=lambda sha256: rotation_as_directions(rotation, sha256, generator.num_ws, record),
        numbers=rotation.to_dict(),
        lines=[
            loss_line(rotation.loss_before, rotation.loss_after),
            f"mean off-diagonal share            {rotation.share_before:.4f} -> {rotation.share_after:.4f}",
        ],
        tuned_at=lambda at: latents_after(rotation, at),
    )


def train(loaded: Checkpoint, settings: Settings, run: RunWriter, *, steps: int, images: int, max_shift: float) -> Tuning:
    """Train the mapping, put it into the loaded generator, and measure what it did; raises DriftError past `max_shift`."""
    from orojar_cli.cli.tuned_run import Tuning
    from orojar_cli.errors import DriftError
    from orojar_cli.finetune.guard import image_shift, measure
    from orojar_cli.finetune.mapping import MappingOptions, axes_of_mapping, install_mapping, prepare, tune_mapping
    from orojar_cli.finetune.state import TrainingState

    generator = loaded.generator
    options = MappingOptions(steps=steps, images=images)
    identity = {"checkpoint": loaded.sha256, "seed": settings.seed, "options": vars(options)}
    state = TrainingState(run.path / STATE, identity=identity)
    with progress_bar() as progress:
        before = measure(generator, loaded.critic, settings, "before", progress=progress)
        anchor, surrogate, unexplained = prepare(generator, settings, options, progress)
        say(f"training in {run.path}; after an interruption add --resume {run.path}")
        mapping, history = tune_mapping(generator, anchor, surrogate, settings, options, progress, state)
        install_mapping(generator, mapping, settings)
        after = measure(generator, loaded.critic, settings, "after", progress=progress)
    shift, floor = image_shift(before, after)
    numbers: dict[str, Any] = {
        "before": before.to_dict(),
        "after": after.to_dict(),
        "image_shift": shift,
        "image_shift_floor": floor,
        "surrogate_unexplained": unexplained,
    }
    if not shift <= max_shift:
        raise DriftError(
            f"the tuned network's images moved by an energy distance of {shift:.4f} (limit {max_shift}, floor {floor:.4f}); "
            "no network was written; train longer (--steps) or raise --max-shift"
        )
    return Tuning(
        name="OroJaR mapping",
        axes=lambda sha256: axes_of_mapping(after.activeness, sha256, generator.num_ws, settings.to_dict() | numbers),
        numbers=numbers,
        lines=[
            loss_line(before.loss, after.loss),
            f"mean off-diagonal share            {before.share:.4f} -> {after.share:.4f}",
            f"images moved by an energy distance of {shift:.4f} (floor {floor:.4f})",
            *([f"mean critic score                  {before.critic:.4f} -> {after.critic:.4f}"] if before.critic is not None else []),
        ],
        tuned_at=lambda at: at,
        history=history,
    )
