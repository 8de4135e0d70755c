"""orojar find: the direction that leads from some pictures to others."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from orojar_cli.cli.console import progress_bar, result, say, table
from orojar_cli.cli.downloads import shown_arguments
from orojar_cli.cli.options import NumberList, run_options, seed_option, seeds_option, source_options, torch_device
from orojar_cli.cli.sources import load_source, traverse_line


class Side(NumberList):
    """Seeds as `NumberList`, or what else they are in: a file or a folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and not re.fullmatch(r"[\d\s,-]+", value):
            return Path(value)
        return super().convert(value, param, ctx)


@click.command(short_help="Find the direction that leads from some pictures to others.")
@click.argument("source", required=False)
@click.option(
    "--examples", type=Side("seeds|path"), help="What is wanted: seeds such as 3,17,40-60, a file of w, a folder of these or of pictures."
)
@click.option("--others", type=Side("seeds|path"), help="What is not, in the same ways [default: random seeds].")
@click.option("--from", "chosen", type=click.Path(path_type=Path), help="Take both from a run whose images were marked in orojar explore.")
@click.option("--num", type=click.IntRange(1), default=5, show_default=True, help="Dimensions that are combined, at most.")
@click.option("--label", default="", help="The name of the direction.")
@click.option("--steps", type=click.IntRange(1, 100_000), default=400, show_default=True, help="Steps of projecting each picture.")
@click.option("--resume", type=click.Path(path_type=Path), help="Continue the interrupted run in this folder; repeat its other options.")
@source_options
@seeds_option("0-4")
@seed_option("the folds, random others and projections")
@run_options
@click.pass_context
def find(
    context: click.Context,
    source: str | None,
    chosen: Path | None,
    directions: str | None,
    network: str | None,
    own: str | None,
    sha256: str | None,
    max_download: float | None,
    seeds: tuple[int, ...],
    device: str,
    as_json: bool,
    **options: Any,
) -> None:
    """Find the combination of a few dimensions of SOURCE that leads from some pictures to others, and how sure that is.

    \b
    orojar find RUN --examples 3,17,40-60 --label "long hair"     seeds, against random ones
    orojar find RUN --examples liked/ --others rest/              folders of projected w, or of pictures (slow)
    orojar find --from RUN                                        what was marked in orojar explore RUN

    SOURCE is a run folder, a file in one, or a checkpoint; without it the run of --from, the newest run, or else the bundled
    demonstration. At least four pictures a side, better twenty. The result is a run of one direction for traverse, edit and explore.
    """
    from orojar_cli.operations.find import find as operation

    if context.get_parameter_source("seeds") is not ParameterSource.DEFAULT:
        options["seeds"] = seeds
    if options["examples"] is None and chosen is None:
        raise click.UsageError("name what is wanted: --examples 3,17,40-60, --examples FOLDER, or --from RUN")
    if source is None and chosen is not None and chosen.is_dir() and own is None and directions is None:
        source = str(chosen)
    named: dict[str, Any] = {"directions": directions, "network": network, "own": own, "sha256": sha256, "max_download": max_download}
    loaded = load_source(source, device=torch_device(device), **named)
    with progress_bar() as progress:
        found = operation(loaded, chosen=chosen, argv=shown_arguments(), progress=progress, notice=say, **options)
    assert found.run is not None
    say(f"wrote {found.run.path}: {', '.join(found.run.manifest['artefacts'].values())}")
    line, edits = traverse_line(found.run.path, own), " ".join(f"--dim {edit}" for edit in found.edits())
    lines = [*table(*found.table()), "", found.score(), f"look at it: {line}"]
    if source is not None and not any((directions, network, own)):
        lines.append(f"the same by hand: orojar edit {shlex.quote(source)} {edits} --out edits/")
    result(as_json, found.to_dict() | {"traverse": line}, lines)
