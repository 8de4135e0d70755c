"""Training the mapping of a network: from the settings to the tuned generator and what training did to its images."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orojar_cli.checkpoint.checkpoint import Checkpoint
from orojar_cli.directions import DirectionSet, Settings
from orojar_cli.distributed import alone, is_first, is_shared
from orojar_cli.errors import DriftError, OptionError
from orojar_cli.latents.spaces import Latents
from orojar_cli.operations.mapping_settings import MappingSettings
from orojar_cli.operations.training_log import TrainingLog
from orojar_cli.progress import Notice, Progress, lasting, once
from orojar_cli.response.budget import seconds_each, timed_batch
from orojar_cli.response.outputs import Output, default_output
from orojar_cli.runs.resume import TRAINING, resumable
from orojar_cli.tuning.adversary import Adversary
from orojar_cli.tuning.bend import can_widen
from orojar_cli.tuning.classes import AllClasses
from orojar_cli.tuning.dataset import TrainingPictures
from orojar_cli.tuning.drift import Snapshot, image_shift, images_to_measure, measure
from orojar_cli.tuning.mapping import (
    MappingOptions,
    axes_of_mapping,
    check_trainable,
    install_mapping,
    prepare,
    prepared,
    tune_mapping,
)
from orojar_cli.tuning.pace import Pace, fitted, measured_pace, scaled
from orojar_cli.tuning.refinement import RefinementOptions, outputs_of_layers, refinement
from orojar_cli.tuning.rotation import default_rotation, fold_rotation
from orojar_cli.tuning.state import TrainingState
from orojar_cli.tuning.watch import Watch


@dataclass(frozen=True)
class Trained:
    """The z axes of the tuned network for its hash, what was measured before and after, and the records of training."""

    axes: Callable[[str], DirectionSet]
    numbers: dict[str, Any]
    history: list[dict[str, Any]]


def train(
    loaded: Checkpoint,
    settings: Settings,
    outputs: tuple[Output, ...],
    choices: MappingSettings,
    folder: Path | None,
    strip: tuple[Latents, int],
    progress: Progress | None,
    notice: Notice,
    budget: float | None = None,
    keeps_layers: bool = False,
) -> Trained:
    """Train the mapping and put it into the loaded generator; raises DriftError where images moved too far.

    `settings` say what is measured, `outputs` what the refinement is on besides the layers to regularise.  Into the `folder` of a run the
    first process of a group writes the state to continue from and the log, with strips of pictures at the point and seed of `strip`.
    A file that `keeps_layers` has no place for a mapping of another size.  With a `budget` of seconds everything is done as much more or
    less as fits it; a refinement, whose steps somebody asks for, is not.
    """
    started = time.monotonic()
    generator = loaded.generator
    check_trainable(generator)
    if generator.c_dim and settings.class_index is None:
        settings = AllClasses.of(settings)
    start, options = _training(choices, generator, keeps_layers)
    refining = RefinementOptions(steps=choices.refinement, outputs=outputs + outputs_of_layers(generator, choices.layers_to_reg or ()))
    if not refining.steps and (choices.layers_to_reg or choices.data):
        raise OptionError("--layers-to-reg and --data act in the refinement: give --refine-steps")
    if choices.tensorboard and folder is None and is_first():
        raise OptionError("TensorBoard events are written into a run: give an outdir")
    pictures = TrainingPictures(choices.data, generator.image_shape) if choices.data is not None else None
    adversary = Adversary(generator, loaded.critic, pictures) if pictures is not None else None
    identity = {
        "checkpoint": loaded.contents.sha256,
        "seed": settings.seed,
        "class": settings.class_index,
        "start": start,
        # How far images may move is decided anew by whoever goes on.
        "options": {name: value for name, value in vars(options).items() if name != "settle_beyond"},
        "refinement": vars(refining) | {"outputs": [str(output) for output in refining.outputs]},
        "watch": [choices.watch_every, choices.patience],
        "data": None if pictures is None else pictures.digest,
    }
    if budget is not None:
        identity["budget"] = budget
    writes = folder is not None and is_first()
    tell = once(notice)
    # What is prepared depends on how many processes there are; a group prepares it anew.
    place = None if is_shared() else folder
    with resumable(place, identity, notice=tell) as partial, resumable(folder, identity, file=TRAINING, keep=True, notice=tell) as kept:
        settings = replace(settings, partial=partial)
        state = TrainingState(kept, every=choices.save_every)
        log = None if folder is None or not writes else TrainingLog(folder, generator, *strip, state.history, choices.tensorboard, notice)
        begins = state.stage == state.step == 0
        # Timed where it is asked for, once: by what begins, and where a clock has not chosen yet.
        pace = functools.cache(functools.partial(_pace, generator, settings, options))
        if budget is not None:
            fits = functools.partial(_fitting_share, generator, settings, options, pace, budget, started)
            # What was drawn and what was trained go on with the share that a clock chose.
            share = kept.number("share", lambda: partial.number("share", fits))
            options = scaled(generator, options, share / 1000)
        if begins:
            always = images_to_measure(generator, settings) * pace().image
            _announce(generator, prepared(generator, options), pace(), always, refining.steps, budget, tell)
        chosen = settings.class_index is not None
        before = measure(generator, loaded.critic, settings, "before", progress=progress, images=chosen)
        if start == "rotation":
            # The images' distribution stays as it is, so the rotated network is as good an anchor as the original.
            coarse = default_output(generator)
            fold_rotation(generator, default_rotation(generator, replace(settings, outputs=(coarse,)), progress).matrix)
        anchor, surrogate, unexplained = prepare(generator, settings, options, progress)
        if not chosen:
            before = replace(before, images=anchor.images)
        if writes:
            notice(f"training in {folder}")
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
    numbers = _numbers(before, after, unexplained, choices.max_shift)
    record = settings.to_dict() | numbers
    return Trained(lambda sha256: axes_of_mapping(after.activeness, sha256, generator.num_ws, record), numbers, history)


def _pace(generator: Any, settings: Settings, options: MappingOptions) -> Pace:
    at = AllClasses.of(settings).latents(generator, timed_batch(generator))
    # Each process for itself: how often something is timed depends on its clock.
    with alone():
        return measured_pace(generator, settings, options, seconds_each(generator, (default_output(generator),), at))


def _fitting_share(
    generator: Any, settings: Settings, options: MappingOptions, pace: Callable[[], Pace], budget: float, started: float
) -> int:
    """The share of the options' work, in thousandths, that fits what is left of a budget of seconds since `started`."""
    timed = pace()
    left = budget - (time.monotonic() - started) - images_to_measure(generator, settings) * timed.image
    return round(1000 * fitted(generator, options, timed, left))


def _announce(
    generator: Any, options: MappingOptions, pace: Pace, always: float, refining: int, budget: float | None, tell: Notice
) -> None:
    """Say what is drawn first, how many steps follow, and how long it all lasts."""
    output: Output = default_output(generator)
    seconds = always + pace.seconds(options)
    steps = (options.regression_steps or 0) + options.surrogate_steps + options.steps + (options.settling_steps or 0)
    line = f"drawing {options.images} images on {output} to learn from, then {steps} steps of training: {lasting(seconds, budget)}"
    tell(line + (f"; {refining} steps of refinement come on top" if refining else ""))


def _training(choices: MappingSettings, generator: Any, keeps_layers: bool) -> tuple[str, MappingOptions]:
    """(the start, how hard to train); raises OptionError for axes that cannot bend here."""
    options = MappingOptions(
        steps=choices.steps,
        images=choices.images,
        orojar_weight=choices.weight,
        penalty=choices.penalty,
        ramp=choices.ramp,
        settle_beyond=choices.max_shift / 2,
    )
    if choices.penalty == "hessian":
        options = replace(options, contrast_weight=0.0)
    start = choices.start
    if start == "auto":
        bends = can_widen(generator) and not keeps_layers and choices.penalty == "orojar"
        # Through fewer dimensions the linear frame would flatten the distribution of w.
        start = "wide" if bends else "frame" if generator.z_dim >= generator.w_dim else "rotation"
    if start == "wide":
        _check_wide(choices, generator, keeps_layers)
        options = options.bending
    elif start != "frame":
        # Without the frame to come back to, the full rate loses more than it gains at first.
        options = replace(options, regression_steps=0, learning_rate=0.2 * options.learning_rate)
    return start, options


def _check_wide(choices: MappingSettings, generator: Any, keeps_layers: bool) -> None:
    if not can_widen(generator):
        raise OptionError("--start wide needs a mapping without classes, of leaky rectifiers, with z no smaller than w; use --start frame")
    if keeps_layers:
        raise OptionError("--start wide: this format has no place for a wider mapping; add --format safetensors, or use --start frame")
    if choices.penalty != "orojar":
        raise OptionError("--start wide bends the axes by the OroJaR loss; leave out --penalty, or use --start frame")


def _numbers(before: Snapshot, after: Snapshot, unexplained: float, max_shift: float) -> dict[str, Any]:
    """What was measured; raises DriftError where the images moved further than `max_shift`."""
    shift, floor = image_shift(before, after)
    if not shift <= max_shift:
        raise DriftError(
            f"the tuned network's images moved by an energy distance of {shift:.4f} (limit {max_shift}, floor {floor:.4f}); "
            "no network was written; train longer (--steps), draw more (--images) or raise --max-shift"
        )
    return {
        "before": before.to_dict(),
        "after": after.to_dict(),
        "image_shift": shift,
        "image_shift_floor": floor,
        "surrogate_unexplained": unexplained,
    }
