"""Directions of other tools, as a run."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orojar_cli.directions.imported import read_directions
from orojar_cli.generators.checks import check_noise_mode
from orojar_cli.latents.points import seed_latents
from orojar_cli.numbers import check_seed
from orojar_cli.operations.discover import GRID_ROWS, Discovery, default_grid, write_discovery
from orojar_cli.operations.network import check_noise, network_of, quiet, say_white, shown_class
from orojar_cli.pictures.axes import STEPS, Look
from orojar_cli.progress import Notice, Progress
from orojar_cli.runs.clock import timed
from orojar_cli.runs.run import RunWriter


@timed
def import_directions(
    file: str | os.PathLike[str],
    network: Any,
    *,
    space: str | None = None,
    layers: Sequence[int] | str | None = None,
    name: str = "",
    num: int | None = None,
    orthonormal: bool | None = None,
    seed: int = 0,
    seeds: Sequence[int] | None = None,
    class_index: int | None = None,
    psi: float = 1.0,
    cutoff: int | None = None,
    noise_mode: str = "const",
    device: str = "auto",
    outdir: str | os.PathLike[str] | None = None,
    argv: Sequence[str] = (),
    progress: Progress | None = None,
    notice: Notice = quiet,
) -> Discovery:
    """The directions that another tool wrote into `file`, for `network` (a loaded checkpoint, the name of one, or an object of your own).

    What is read and how is said by `directions.imported.read_directions`, which `space`, `layers`, `num`, `orthonormal` and `seed` are
    for; `name` labels a single direction.  `seeds`, `class_index`, `psi`, `cutoff` and `noise_mode` choose the images of the grid.
    With `outdir` a numbered run is written, as `discover` writes one.
    Raises what `read_directions` raises, and OptionError for a class or layer that there is not.
    """
    check_seed(seed)
    check_noise_mode(noise_mode)
    loaded = network_of(network, device, notice)
    check_noise(loaded, noise_mode, notice)
    generator = loaded.generator
    say_white(generator, notice)
    class_index = shown_class(generator, class_index, "measuring at", notice)
    found = read_directions(
        file,
        generator,
        space=space,
        layers=layers,
        label=name,
        num=num,
        orthonormal=orthonormal,
        seed=seed,
        class_index=class_index,
        progress=progress,
    )
    shown, steps = (tuple(seeds), STEPS) if seeds is not None else default_grid(generator, min(len(found), GRID_ROWS), notice)
    result = Discovery(loaded, found, Look(seed_latents(generator, shown, class_index, psi, cutoff), shown, noise_mode, steps))
    if outdir is None:
        return result
    options = found.options | {"file": str(Path(file).resolve()), "name": name, "seeds": shown, "trunc": psi, "noise_mode": noise_mode}
    with RunWriter(str(outdir), "import", loaded.run_name, argv=argv) as run:
        return dataclasses.replace(result, run=write_discovery(run, result, options, progress))
