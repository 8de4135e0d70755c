"""The run directory of exact OroJaR on the user's own generator: the rotation as directions of z, for there is no file to fold it into."""

from __future__ import annotations

from typing import Any

from orojar_cli.cli.console import say, table
from orojar_cli.cli.pictures import direction_grid
from orojar_cli.cli.sources import recorded, traverse_line
from orojar_cli.cli.tuned_run import Look
from orojar_cli.directions import save_directions
from orojar_cli.finetune.rotation import Rotation, rotation_as_directions
from orojar_cli.generators.own.network import OwnNetwork
from orojar_cli.pictures.walk import Renderer
from orojar_cli.runs.run import DIRECTIONS, RunWriter

_ROWS = 10


def write_rotation_run(
    run: RunWriter, network: OwnNetwork, rotation: Rotation, look: Look, options: dict[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Write the directions and their pictures; returns (the JSON document, the lines for people)."""
    generator = network.generator
    axes = rotation_as_directions(rotation, network.sha256, generator.num_ws, options)
    save_directions(axes, run.path / DIRECTIONS)
    run.metric(**rotation.to_dict())
    for index, active in enumerate(axes.activeness.tolist()):
        run.metric(dimension=index, activeness=active)
    rows = range(min(_ROWS, len(axes)))
    title = f"exact OroJaR: {network.name}"
    renderer = Renderer(generator, look.noise_mode)
    direction_grid(renderer, look.at, axes, rows, run.path / "grid.png", seeds=look.seeds, steps=7, title=title)
    finished = run.finish(
        options=options,
        checkpoint=recorded(network),
        device=str(network.device),
        artefacts={"directions": DIRECTIONS, "grid": "grid.png", "metrics": "metrics.jsonl"},
    )
    say(f"wrote {finished.path}: {DIRECTIONS}, grid.png")
    document = {
        "run": str(finished.path),
        "directions": str(finished.path / DIRECTIONS),
        "grid": str(finished.path / "grid.png"),
        **rotation.to_dict(),
        "activeness": axes.activeness.tolist(),
    }
    lines = [
        f"held-out OroJaR loss (normalised) {rotation.loss_before:.4f} -> {rotation.loss_after:.4f}, {100 * rotation.reduction:.1f} % less",
        f"mean off-diagonal share            {rotation.share_before:.4f} -> {rotation.share_after:.4f}",
        "",
        *table(["dim", "activeness"], [[str(index), f"{axes.activeness[index]:.4g}"] for index in rows]),
        *([f"… and {len(axes) - len(rows)} more"] if len(axes) > len(rows) else []),
        "",
        f"orojar does not change your code or its weights: the new axes are rows of `directions` [{len(axes)}, {len(axes)}] in",
        f"{DIRECTIONS}; draw from new z with generator(z @ directions), the images' distribution stays the same",
        f"look at one: {traverse_line(finished.path, network.name)}",
    ]
    return document, lines
