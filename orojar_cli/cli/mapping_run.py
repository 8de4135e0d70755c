"""Training the mapping for the command line: from the options to the tuned network in the loaded checkpoint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orojar_cli.cli.console import progress_bar, say
from orojar_cli.cli.finetune_options import MappingChoices
from orojar_cli.cli.training_log import TrainingLog
from orojar_cli.cli.tuned_run import Look, Tuning, loss_line
from orojar_cli.errors import DriftError, OptionError
from orojar_cli.finetune.adversary import Adversary
from orojar_cli.finetune.classes import AllClasses
from orojar_cli.finetune.dataset import TrainingPictures
from orojar_cli.finetune.drift import image_shift, measure
from orojar_cli.finetune.mapping import MappingOptions, axes_of_mapping, install_mapping, prepare, tune_mapping
from orojar_cli.finetune.refinement import RefinementOptions, outputs_of_layers, refinement
from orojar_cli.finetune.rotation import default_samples, find_rotation, fold_rotation
from orojar_cli.finetune.state import TrainingState
from orojar_cli.finetune.watch import Watch
from orojar_cli.response.outputs import default_output
from orojar_cli.runs.resume import TRAINING, resumable

if TYPE_CHECKING:
    from orojar_cli.checkpoint.checkpoint import Checkpoint
    from orojar_cli.directions import Settings
    from orojar_cli.response.outputs import Output
    from orojar_cli.runs.run import RunWriter


def train(
    loaded: Checkpoint, settings: Settings, outputs: tuple[Output, ...], choices: MappingChoices, run: RunWriter | None, look: Look
) -> Tuning:
    """Train the mapping, put it into the loaded generator, and measure what it did; raises DriftError where images moved too far.

    `settings` say what is measured, `outputs` what the refinement is on besides --layers-to-reg.  `run` is None in the processes of a
    group that do not write.
    """
    generator = loaded.generator
    if generator.c_dim and settings.class_index is None:
        settings = AllClasses.of(settings)
    options = MappingOptions(
        steps=choices.steps, images=choices.images, orojar_weight=choices.weight, penalty=choices.penalty, ramp=choices.ramp
    )
    if choices.penalty == "hessian":
        options = replace(options, contrast_weight=0.0)
    start = choices.start
    if start == "auto":
        # Through fewer dimensions the linear frame would flatten the distribution of w.
        start = "frame" if generator.z_dim >= generator.w_dim else "rotation"
    if start != "frame":
        # Without the frame to come back to, the full rate loses more than it gains at first.
        options = replace(options, regression_steps=0, learning_rate=0.2 * options.learning_rate)
    refining = RefinementOptions(steps=choices.refinement, outputs=outputs + outputs_of_layers(generator, choices.layers_to_reg or ()))
    if not refining.steps and (choices.layers_to_reg or choices.data):
        raise OptionError("--layers-to-reg and --data act in the refinement: give --refine-steps")
    pictures = TrainingPictures(choices.data, generator.img_resolution, generator.img_channels) if choices.data is not None else None
    adversary = Adversary(generator, loaded.critic, pictures) if pictures is not None else None
    identity = {
        "checkpoint": loaded.sha256,
        "seed": settings.seed,
        "class": settings.class_index,
        "start": start,
        "options": vars(options),
        "refinement": vars(refining) | {"outputs": [str(output) for output in refining.outputs]},
        "watch": [choices.watch_every, choices.patience],
        "data": None if pictures is None else pictures.digest,
    }
    # In the other processes of a group the folder is only a word: the first one's file is what all read.
    folder = Path() if run is None else run.path
    with resumable(folder, identity, file=TRAINING, keep=True, notice=None if run is None else say) as kept:
        state = TrainingState(kept, every=choices.save_every)
        log = TrainingLog(run.path, generator, look.at[:1], look.seeds[0], state.history, choices.tensorboard) if run is not None else None
        with progress_bar(shown=run is not None) as progress:
            before = measure(generator, loaded.critic, settings, "before", progress=progress)
            if start == "rotation":
                # The images' distribution stays as it is, so the rotated network is as good an anchor as the original.
                coarse = default_output(generator)
                rotating = replace(settings, samples=default_samples(generator, (coarse,)), outputs=(coarse,))
                fold_rotation(generator, find_rotation(generator, rotating, progress).matrix)
            anchor, surrogate, unexplained = prepare(generator, settings, options, progress)
            if run is not None:
                say(f"training in {run.path}")
            watch = Watch(
                generator,
                anchor,
                surrogate,
                settings,
                every=choices.watch_every,
                patience=choices.patience,
                critic=loaded.critic,
                observers=() if log is None else (log,),
            )
            further = (refinement(generator, anchor, surrogate, options, refining, adversary),) if refining.steps else ()
            mapping, history = tune_mapping(generator, anchor, surrogate, settings, options, progress, state, further, watch)
            install_mapping(generator, mapping, settings)
            after = measure(generator, loaded.critic, settings, "after", progress=progress)
    if log is not None:
        log.close()
    shift, floor = image_shift(before, after)
    numbers: dict[str, Any] = {
        "before": before.to_dict(),
        "after": after.to_dict(),
        "image_shift": shift,
        "image_shift_floor": floor,
        "surrogate_unexplained": unexplained,
    }
    if not shift <= choices.max_shift:
        raise DriftError(
            f"the tuned network's images moved by an energy distance of {shift:.4f} (limit {choices.max_shift}, floor {floor:.4f}); "
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
