"""orojar metrics: the numbers of a direction set or a network, each with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from orojar_cli.cli.console import progress_bar, result, say, table
from orojar_cli.cli.options import (
    budget_option,
    class_option,
    device_option,
    json_option,
    outdir_option,
    seed_option,
    source_options,
    torch_device,
)
from orojar_cli.operations.metric_names import NAMES, WORLDS

if TYPE_CHECKING:
    from orojar_cli.operations.metrics import Metrics


@click.command(short_help="Measure directions and networks.")
@click.argument("source", required=False)
@click.option(
    "--metric", "names", multiple=True, type=click.Choice(NAMES), help="What to measure; may be repeated  [default: all that apply]."
)
@click.option("--against", metavar="OTHER", help="Another run or checkpoint: distances of its images, agreement of its directions.")
@source_options
@click.option("--num", type=click.IntRange(1), default=10, show_default=True, help="Measure the first so many directions.")
@click.option("--samples", type=click.IntRange(8), help="Latents for Jacobians and factors  [default: 128; of large networks fewer].")
@click.option("--images", type=click.IntRange(8), help="Images for path lengths and distances  [default: 2000; of large networks fewer].")
@budget_option("samples and images")
@click.option(
    "--detector",
    help="What sees the images for path lengths and distances: critic, pixels, features (an ImageNet network) or your own TorchScript "
    "file, which is code and is run  [default: critic where there is one and images are small, else pixels].",
)
@click.option(
    "--protocol", type=click.Choice(["small", "paper"]), default="small", show_default=True, help="Size of the predictability metric."
)
@click.option("--world", type=click.Choice(WORLDS), help="The images are of this known world  [default: recognised for our own networks].")
@seed_option("the latents")
@class_option
@click.option("--trunc", "psi", type=float, default=1.0, show_default=True, help="Truncation psi.")
@outdir_option
@device_option
@json_option
def metrics(
    source: str | None,
    against: str | None,
    directions: str | None,
    network: str | None,
    own: str | None,
    sha256: str | None,
    max_download: float | None,
    device: str,
    as_json: bool,
    **options: Any,
) -> None:
    """Measure the directions and the network of SOURCE: every number with its 95 % interval.

    SOURCE is a run folder, a file in one, or a checkpoint; without it the newest run, else the bundled demonstration. Which of two
    direction sets is better is the question of orojar compare.
    """
    from orojar_cli.cli.downloads import shown_arguments
    from orojar_cli.cli.sources import load_source
    from orojar_cli.operations.metrics import metrics as measure
    from orojar_cli.runs.run import METRICS

    chosen = torch_device(device)
    found = load_source(source, directions=directions, network=network, device=chosen, own=own, sha256=sha256, max_download=max_download)
    other = None if against is None else load_source(against, directions=None, network=None, device=chosen)
    told: dict[str, Any] = {"argv": shown_arguments(), "notice": say}
    with progress_bar() as progress:
        measured = measure(
            found.checkpoint,
            found.directions,
            against=other,
            path=found.path,
            against_name=against,
            progress=progress,
            **told,
            **options,
        )
    assert measured.run is not None
    say(f"wrote {measured.run.path / METRICS}")
    result(as_json, measured.to_dict(), lines(measured))


def lines(measured: Metrics) -> list[str]:
    """The table for people, the detector beside what it saw."""
    from orojar_cli.operations.metrics import HEADER

    floors = [
        f"{measurement.metric} between two samples of the network itself: {measurement.details['floor']:.4g}"
        for measurement in measured.measurements
        if "floor" in measurement.details
    ]
    return [*table(HEADER, measured.rows()), *floors]
