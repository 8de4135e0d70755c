"""The run directory of a fine-tuned network: the file, its axes as directions, pictures drawn by the file read back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from orojar_cli.checkpoint.checkpoint import Checkpoint, load_checkpoint
from orojar_cli.checkpoint.writer import save_checkpoint
from orojar_cli.cli.console import say, table
from orojar_cli.cli.pictures import before_after_grid, direction_grid
from orojar_cli.cli.sources import recorded
from orojar_cli.directions import DirectionSet, save_directions
from orojar_cli.generators.families import has_pickle_form
from orojar_cli.latents.spaces import Latents
from orojar_cli.pictures.walk import Renderer
from orojar_cli.report.run_summary import SUMMARY, write_run_summary
from orojar_cli.runs.run import DIRECTIONS, RunWriter

TUNED, SAFETENSORS, ROTATION = "tuned.pkl", "tuned.safetensors", "rotation.safetensors"
_ROWS = 10


@dataclass(frozen=True)
class Tuning:
    """What a mode of fine-tuning found: the axes for the tuned file's hash, its numbers, and what to say about them.

    `rotation` makes the same axes as directions of the original file, where there are such; `tuned_at` are the tuned network's latents of
    the original's pictures.
    """

    name: str
    axes: Callable[[str], DirectionSet]
    numbers: dict[str, Any]
    lines: list[str]
    tuned_at: Callable[[Latents], Latents]
    rotation: Callable[[str], DirectionSet] | None = None
    history: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Look:
    """How the run's pictures are drawn."""

    at: Latents
    seeds: tuple[int, ...]
    noise_mode: str


def loss_line(before: float, after: float) -> str:
    """The line about the loss."""
    return f"held-out OroJaR loss (normalised) {before:.4f} -> {after:.4f}, {100 * (1 - after / before):.1f} % less"


def write_tuned_run(
    run: RunWriter, loaded: Checkpoint, tuning: Tuning, look: Look, options: dict[str, Any], *, also_g: bool, safetensors: bool
) -> tuple[dict[str, Any], list[str]]:
    """Write everything and return (the JSON document, the lines for people)."""
    network = TUNED if has_pickle_form(loaded.generator.config) else SAFETENSORS
    changed = save_checkpoint(loaded, run.path / network, also_g=also_g)
    artefacts = {
        "checkpoint": network,
        "directions": DIRECTIONS,
        "grid": "grid.png",
        "before_after": "before-after.png",
        "metrics": "metrics.jsonl",
        "summary": SUMMARY,
    }
    if safetensors:
        save_checkpoint(loaded, run.path / SAFETENSORS)
        artefacts["safetensors"] = SAFETENSORS
    # What is shown is what was written: the pictures are drawn by the file read back.
    tuned, original = load_checkpoint(run.path / network, loaded.device), load_checkpoint(loaded.path, loaded.device)
    axes = tuning.axes(tuned.sha256)
    save_directions(axes, run.path / DIRECTIONS)
    if tuning.rotation is not None:
        save_directions(tuning.rotation(original.sha256), run.path / ROTATION)
        artefacts["rotation"] = ROTATION
    run.metric(**tuning.numbers)
    for record in tuning.history:
        run.metric(**record)
    for index, active in enumerate(axes.activeness.tolist()):
        run.metric(dimension=index, activeness=active)
    rows = range(min(_ROWS, len(axes)))
    before, after = (Renderer(checkpoint.generator, look.noise_mode) for checkpoint in (original, tuned))
    title = f"after {tuning.name}: {loaded.name}"
    direction_grid(after, look.at, axes, rows, run.path / "grid.png", seeds=look.seeds, steps=7, title=title)
    first = look.at[:1]
    pair = run.path / "before-after.png"
    before_after_grid(before, after, first, tuning.tuned_at(first), axes, rows, pair, seed=look.seeds[0])
    finished = run.finish(
        options=options,
        checkpoint=recorded(original),
        device=str(loaded.device),
        artefacts=artefacts,
    )
    write_run_summary(finished, axes, tuning.numbers, tuning.history)
    say(f"wrote {finished.path}: {', '.join(artefacts.values())} (changed: {', '.join(changed)})")
    document = {
        "run": str(finished.path),
        **{name: str(finished.path / file) for name, file in artefacts.items()},
        "changed_tensors": changed,
        **tuning.numbers,
        "activeness": axes.activeness.tolist(),
    }
    lines = [
        *tuning.lines,
        "",
        *table(["dim", "activeness"], [[str(index), f"{axes.activeness[index]:.4g}"] for index in rows]),
        *([f"… and {len(axes) - len(rows)} more"] if len(axes) > len(rows) else []),
        "",
        f"look at one: orojar traverse {finished.path} --dim 0 --out walk.gif",
    ]
    return document, lines
