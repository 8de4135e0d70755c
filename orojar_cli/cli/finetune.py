"""orojar finetune: give the network's z axes one meaning each."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orojar_cli.cli.console import progress_bar, result, say
from orojar_cli.cli.downloads import shown_arguments
from orojar_cli.cli.finetune_options import MappingChoices, mapping_options
from orojar_cli.cli.options import network_argument, run_options, seeds_option, torch_device
from orojar_cli.cli.process import process_group

if TYPE_CHECKING:
    from orojar_cli.checkpoint.checkpoint import Checkpoint
    from orojar_cli.cli.tuned_run import Tuning
    from orojar_cli.directions import Settings
    from orojar_cli.finetune.rotation import Rotation
    from orojar_cli.generators.protocol import Generator


@click.command()
@network_argument
@click.option(
    "--mode",
    type=click.Choice(["rotation", "mapping"]),
    default="rotation",
    show_default=True,
    help="rotation: exact, images keep their distribution. mapping: train all mapping layers, z axes become far more disentangled.",
)
@click.option("--samples", type=click.IntRange(8), help="Rotation: latents to measure at [default: what fits a minute or two].")
@click.option("--output", "outputs", multiple=True, help="What is compared: image, image:SIZE, early:SIZE, bSIZE; repeat for several.")
@mapping_options
@click.option("--also-g", is_flag=True, help="Change the training copy G in the file too, not only G_ema.")
@click.option("--safetensors", is_flag=True, help="Also write the tuned network as tuned.safetensors.")
@seeds_option("0-1")
@click.option("--seed", type=int, default=0, show_default=True, help="Randomness of the samples.")
@run_options
def finetune(
    checkpoint: str | None,
    own: str | None,
    mode: str,
    samples: int | None,
    outputs: tuple[str, ...],
    choices: MappingChoices,
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

    Mode rotation does not change the distribution of images at all, only which z draws which image.  Under torchrun several processes
    share the work: the same command, the same batch.
    """
    from orojar_cli.cli.own_rotation import write_rotation_run
    from orojar_cli.cli.sources import load_network, run_name
    from orojar_cli.cli.tuned_run import Look, write_tuned_run
    from orojar_cli.directions import Settings
    from orojar_cli.finetune.rotation import default_outputs, default_samples
    from orojar_cli.generators.own.network import OwnNetwork
    from orojar_cli.latents.points import seed_latents
    from orojar_cli.response.outputs import Output
    from orojar_cli.runs.run import RunWriter

    if choices.resume is not None and mode != "mapping":
        raise click.UsageError("--resume continues --mode mapping; a rotation is found in one go")
    if own is not None and (mode != "rotation" or also_g or safetensors):
        raise click.UsageError("your own generator's weights are not written: with --generator only --mode rotation, as directions of z")
    argv = shown_arguments(sys.argv[1:])
    loaded = load_network(checkpoint, own, torch_device(device))
    generator = loaded.generator
    chosen = tuple(map(Output.parse, outputs)) or default_outputs(generator)
    count = samples or default_samples(generator, chosen)
    settings = Settings(space="z", samples=count, seed=seed, outputs=chosen, class_index=class_index)
    # The mapping of a conditional network is trained for all classes; the pictures show one.
    shown = 0 if mode == "mapping" and generator.c_dim and class_index is None else class_index
    look = Look(seed_latents(generator, seeds, shown, psi, cutoff), seeds, noise_mode)
    options = settings.to_dict() | {"mode": mode, "seeds": seeds, "trunc": psi, "noise_mode": noise_mode, "also_g": also_g}
    if isinstance(loaded, OwnNetwork):
        rotation = measured_rotation(generator, settings)
        document, lines = write_rotation_run(RunWriter(outdir, "finetune", run_name(loaded), argv=argv), loaded, rotation, look, options)
        result(as_json, document, lines)
        return
    with process_group() as rank:
        if mode == "rotation":
            tuning = rotate(loaded, settings, talking=rank == 0)
            run = RunWriter(outdir, "finetune", run_name(loaded), argv=argv) if rank == 0 else None
        else:
            from orojar_cli.cli.mapping_run import train

            options |= choices.to_dict()
            name = run_name(loaded)
            run = RunWriter(outdir, "finetune", name, choices.resume, label="finetune-mapping", argv=argv) if rank == 0 else None
            with run or contextlib.nullcontext():
                tuning = train(loaded, settings, tuple(map(Output.parse, outputs)), choices, run, look)
    if run is None:
        return
    document, lines = write_tuned_run(run, loaded, tuning, look, options, also_g=also_g, safetensors=safetensors)
    result(as_json, document, lines)


def measured_rotation(generator: Generator, settings: Settings, talking: bool = True) -> Rotation:
    """Find the rotation, telling how far it is."""
    from orojar_cli.finetune.rotation import find_rotation

    if talking:
        say(f"measuring {settings.samples} latents, {generator.z_dim} dimensions, on {', '.join(map(str, settings.outputs))}")
    with progress_bar(shown=talking) as progress:
        return find_rotation(generator, settings, progress)


def rotate(loaded: Checkpoint, settings: Settings, talking: bool = True) -> Tuning:
    """Find the rotation and fold it into the loaded generator."""
    from orojar_cli.cli.tuned_run import Tuning, loss_line
    from orojar_cli.finetune.rotation import axes_as_directions, fold_rotation, latents_after, rotation_as_directions

    generator = loaded.generator
    rotation = measured_rotation(generator, settings, talking)
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
