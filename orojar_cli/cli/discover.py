"""orojar discover and orojar sefa: directions of a frozen generator."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from orojar_cli.cli.console import progress_bar, result, say, table
from orojar_cli.cli.downloads import shown_arguments
from orojar_cli.cli.options import layers_option, network_argument, run_options, seeds_option, torch_device
from orojar_cli.cli.process import process_group
from orojar_cli.directions.registry import METHODS

if TYPE_CHECKING:
    from orojar_cli.directions import DirectionSet

GRID_ROWS = 10
_resume = click.option(
    "--resume", type=click.Path(path_type=Path), help="Continue the interrupted run in this folder; repeat its other options."
)


@click.command()
@network_argument
@layers_option
@click.option("--num", type=click.IntRange(1), default=16, show_default=True, help="Number of directions.")
@click.option(
    "--normalize/--no-normalize", default=True, show_default=True, help="Give the weights' rows unit length first (as the authors do)."
)
@click.option("--first-layer", is_flag=True, help="Factorise the first chosen layer alone (the OroJaR authors' baseline).")
@_resume
@seeds_option("0-4")
@click.option("--seed", type=int, default=0, show_default=True, help="Randomness of measuring sigma and activeness.")
@run_options
def sefa(normalize: bool, first_layer: bool, **options: Any) -> None:
    """Closed-form directions of a CHECKPOINT: singular vectors of its style weights (SeFa)."""
    run_method("sefa", "sefa", {"normalize": normalize, "first_layer": first_layer}, space="w", whiten=False, **options)


@click.command()
@network_argument
@click.option("--method", type=click.Choice(list(METHODS)), default="orojar", show_default=True, help="How the directions are found.")
@click.option("--space", type=click.Choice(["z", "w", "p", "w+", "s"]), default="w", show_default=True, help="Latent space to search.")
@click.option("--whiten/--no-whiten", default=None, help="Measure latents in standard deviations of the data [default: on, off for sefa].")
@layers_option
@click.option("--num", type=click.IntRange(1), default=16, show_default=True, help="Number of directions.")
@click.option("--samples", type=click.IntRange(8), default=128, show_default=True, help="Latents to measure Gram matrices at.")
@click.option("--subspace", default="10", show_default=True, help="Size of the active subspace to rotate inside, or auto.")
@click.option("--output", "outputs", multiple=True, help="What is compared: image, image:SIZE, early:SIZE, bSIZE; repeat for several.")
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="An option of the method itself, e.g. steps=1000 for orojar-sgd."
)
@_resume
@seeds_option("0-4")
@click.option("--seed", type=int, default=0, show_default=True, help="Randomness of the method.")
@run_options
def discover(method: str, settings: tuple[str, ...], whiten: bool | None, **options: Any) -> None:
    """Find directions of a CHECKPOINT by any of the field's methods."""
    whiten = METHODS[method].whiten if whiten is None else whiten
    run_method(f"discover-{method}", method, parse_settings(settings), whiten=whiten, **options)


def parse_settings(settings: tuple[str, ...]) -> dict[str, Any]:
    """NAME=VALUE pairs; values are numbers, true, false or words."""
    parsed: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{setting!r} is not NAME=VALUE", param_hint="--set")
        value: Any = {"true": True, "false": False}.get(text.lower(), text)
        for kind in (int, float):
            if isinstance(value, str):
                try:
                    value = kind(text)
                except ValueError:
                    continue
        parsed[name.replace("-", "_")] = value
    return parsed


def run_method(
    command: str,
    method: str,
    method_options: dict[str, Any],
    *,
    checkpoint: str | None,
    own: str | None,
    layers: Any,
    num: int,
    seeds: tuple[int, ...],
    seed: int,
    class_index: int | None,
    psi: float,
    cutoff: int | None,
    noise_mode: str,
    outdir: Path,
    device: str,
    as_json: bool,
    space: str,
    whiten: bool,
    samples: int = 128,
    subspace: str = "10",
    outputs: tuple[str, ...] = (),
    resume: Path | None = None,
) -> None:
    """Load, run one method, write the run directory, print the table.  Under torchrun the processes share the measuring, the first
    writes and prints."""
    from orojar_cli.cli.pictures import affordable_seeds, direction_grid
    from orojar_cli.cli.sources import load_network, recorded, run_name, traverse_line
    from orojar_cli.directions import Settings, save_directions
    from orojar_cli.distributed import is_shared
    from orojar_cli.latents.points import seed_latents
    from orojar_cli.pictures.walk import Renderer
    from orojar_cli.response.outputs import Output, default_output
    from orojar_cli.runs.resume import resumable
    from orojar_cli.runs.run import DIRECTIONS, RunWriter

    METHODS[method].check_options(method_options)
    loaded = load_network(checkpoint, own, torch_device(device))
    generator = loaded.generator
    if not subspace.isdigit() and subspace != "auto":
        raise click.BadParameter(f"{subspace!r} is neither a number nor auto", param_hint="--subspace")
    settings = Settings(
        space=space,
        whiten=whiten,
        layers=None if layers == "all" else layers,
        num=num,
        samples=samples,
        seed=seed,
        subspace=None if subspace == "auto" else int(subspace),
        outputs=tuple(map(Output.parse, outputs)) or (default_output(generator),),
        class_index=class_index,
        options=method_options,
    )
    METHODS[method].check(generator, settings)
    if loaded.device.type == "cpu" and click.get_current_context().get_parameter_source("seeds") is ParameterSource.DEFAULT:
        affordable = affordable_seeds(generator, min(num, GRID_ROWS))
        if affordable < len(seeds):
            say(f"large images: the grid will show {affordable} of the seeds 0 to {seeds[-1]}; --seeds says otherwise")
        seeds = seeds[:affordable]
    at = seed_latents(generator, seeds, class_index, psi, cutoff)
    with process_group() as rank, progress_bar(shown=rank == 0) as progress:
        if resume is not None and is_shared():
            raise click.UsageError("--resume continues a command of one process")
        argv = shown_arguments(sys.argv[1:])
        run = RunWriter(outdir, command, run_name(loaded), resume, argv=argv) if rank == 0 else None
        identity = {"method": method, "checkpoint": loaded.sha256, "device": str(loaded.device), "settings": settings.to_dict()}
        folder = None if run is None or is_shared() else run.path
        with run or contextlib.nullcontext(), resumable(folder, identity, notice=say) as partial:
            settings = dataclasses.replace(settings, partial=partial)
            found = METHODS[method](generator, settings, progress)
    if run is None:
        return
    save_directions(found, run.path / DIRECTIONS)
    for index in range(len(found)):
        run.metric(**dimension_record(found, index))
    rows = range(min(len(found), GRID_ROWS))
    title = f"{method}: {loaded.name}"
    with progress_bar() as progress:
        renderer = Renderer(generator, noise_mode)
        direction_grid(renderer, at, found, rows, run.path / "grid.png", seeds=seeds, title=title, progress=progress)
    finished = run.finish(
        options=settings.to_dict() | {"method": method, "seeds": seeds, "trunc": psi, "noise_mode": noise_mode},
        checkpoint=recorded(loaded),
        device=str(loaded.device),
        artefacts={"directions": DIRECTIONS, "grid": "grid.png", "metrics": "metrics.jsonl"},
    )
    say(f"wrote {finished.path}: {DIRECTIONS}, grid.png")
    document = {
        "run": str(finished.path),
        "directions": str(finished.path / DIRECTIONS),
        "grid": str(finished.path / "grid.png"),
        "method": method,
        "space": found.space,
        "layers": list(found.layers),
        "options": found.options,
        "dimensions": [dimension_record(found, index) for index in range(len(found))],
    }
    result(as_json, document, [*dimension_table(found), "", f"look at one: {traverse_line(finished.path, own)}"])


def dimension_record(found: DirectionSet, index: int) -> dict[str, Any]:
    """The numbers of one direction, and the note on it where there is one."""
    record = {"dimension": index, "activeness": float(found.activeness[index]), "sigma": float(found.sigma[index])}
    record |= {name: float(score[index]) for name, score in found.scores.items()}
    return record | ({"note": found.note(index)} if found.note(index) else {})


def dimension_table(found: DirectionSet) -> list[str]:
    """Lines of a table of all directions; degenerate and inactive ones are named as such."""
    records = [dimension_record(found, index) for index in range(len(found))]
    columns = [name for name in records[0] if name not in ("dimension", "degenerate", "note")]
    rows = [[str(record["dimension"]), *(f"{record[name]:.4g}" for name in columns), record.get("note", "")] for record in records]
    noted = any(row[-1] for row in rows)
    return table(["dim", *columns, "note"], rows) if noted else table(["dim", *columns], [row[:-1] for row in rows])
