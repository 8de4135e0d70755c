"""orojar metrics: the numbers of a direction set or a network, each with its interval."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orojar_cli.cli.console import progress_bar, result, say, table
from orojar_cli.cli.options import class_option, device_option, download_options, generator_option, json_option, outdir_option, torch_device

if TYPE_CHECKING:
    from orojar_cli.cli.sources import Source
    from orojar_cli.metrics import Measurement, MetricSettings
    from orojar_cli.progress import Progress

# The metrics' names, here so that the help needs no torch; the last three are of networks, or compare.
OF_DIRECTIONS = ("orthogonality", "hessian", "activeness", "predictability", "direction_length", "ground_truth")
OF_NETWORKS = ("path_length", "distribution")
AGREEMENT = "agreement"
NAMES = (*OF_DIRECTIONS, *OF_NETWORKS, AGREEMENT)


@click.command()
@click.argument("source", required=False)
@click.option(
    "--metric", "names", multiple=True, type=click.Choice(NAMES), help="What to measure; may be repeated  [default: all that apply]."
)
@click.option("--against", metavar="OTHER", help="Another run or checkpoint: distances of its images, agreement of its directions.")
@click.option("--directions", help="A direction set to use instead of the SOURCE's.")
@click.option("--network", help="The checkpoint to use instead of the SOURCE's.")
@generator_option
@download_options
@click.option("--num", type=click.IntRange(1), default=10, show_default=True, help="Measure the first so many directions.")
@click.option("--samples", type=click.IntRange(8), default=128, show_default=True, help="Latents to measure Jacobians and factors at.")
@click.option("--images", type=click.IntRange(8), default=2000, show_default=True, help="Images for path lengths and distances.")
@click.option(
    "--detector",
    help="What sees the images for path lengths and distances: critic, pixels, features (an ImageNet network) or your own TorchScript "
    "file, which is code and is run  [default: critic where there is one, else pixels].",
)
@click.option(
    "--protocol", type=click.Choice(["small", "paper"]), default="small", show_default=True, help="Size of the predictability metric."
)
@click.option(
    "--world", type=click.Choice(["shapes"]), help="The images are of this known world  [default: recognised for the bundled one]."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Randomness of the latents.")
@class_option
@click.option("--trunc", "psi", type=float, default=1.0, show_default=True, help="Truncation psi.")
@outdir_option
@device_option
@json_option
def metrics(
    source: str | None,
    names: tuple[str, ...],
    against: str | None,
    directions: str | None,
    network: str | None,
    own: str | None,
    sha256: str | None,
    max_download: float | None,
    num: int,
    samples: int,
    images: int,
    detector: str | None,
    protocol: str,
    world: str | None,
    seed: int,
    class_index: int | None,
    psi: float,
    outdir: Path,
    device: str,
    as_json: bool,
) -> None:
    """Measure the directions and the network of SOURCE: every number with a 95 % bootstrap interval over latents.

    SOURCE is a run folder, a file in one, or a checkpoint; without it the newest run, else the bundled demonstration. Which of two
    direction sets is better is the question of orojar compare.
    """
    from orojar_cli.cli.downloads import shown_arguments
    from orojar_cli.cli.sources import load_source, recorded, run_name
    from orojar_cli.detectors import load_detector
    from orojar_cli.metrics import MetricSettings
    from orojar_cli.runs.run import METRICS, RunWriter

    chosen_device = torch_device(device)
    found = load_source(
        source, directions=directions, network=network, device=chosen_device, own=own, sha256=sha256, max_download=max_download
    )
    other = None if against is None else load_source(against, directions=None, network=None, device=chosen_device)
    check_names(names, other)
    loaded = found.checkpoint
    if class_index is None and loaded.generator.c_dim:
        class_index = 0
        say("conditional network: measuring at class 0; choose another with --class")
    critic = getattr(loaded, "critic", None) if detector in (None, "critic") else None
    eye = load_detector(detector or ("pixels" if critic is None else "critic"), critic, loaded.device)
    settings = MetricSettings(
        samples=samples,
        images=images,
        seed=seed,
        num=num,
        class_index=class_index,
        psi=psi,
        detector=eye,
        protocol=protocol,
        world=world or world_of(found),
    )
    # Made first, so that a folder that cannot be written is noticed before the work.
    run = RunWriter(outdir, "metrics", run_name(loaded), argv=shown_arguments(sys.argv[1:]))
    with run, progress_bar() as progress:
        measured = measure(found, other, names, settings, progress)
    for measurement in measured:
        run.metric(**measurement.to_dict())
    finished = run.finish(
        options={
            "metrics": list(names),
            "against": against,
            "directions": None if found.path is None else str(found.path),
            "num": num,
            "samples": samples,
            "images": images,
            "seed": seed,
            "class": class_index,
            "trunc": psi,
            "detector": eye.name,
            "protocol": protocol,
            "world": settings.world,
        },
        checkpoint=recorded(loaded),
        device=str(loaded.device),
        artefacts={"metrics": METRICS},
    )
    say(f"wrote {finished.path / METRICS}")
    document = {
        "run": str(finished.path),
        "checkpoint": loaded.sha256,
        "directions": None if found.path is None else str(found.path),
        "method": found.directions.method,
        "space": found.directions.space,
        "measurements": [measurement.to_dict() for measurement in measured],
    }
    result(as_json, document, lines(measured))


def check_names(names: tuple[str, ...], other: Source | None) -> None:
    """Raise a usage error for metrics that need --against."""
    for name in names:
        if other is None and name in (AGREEMENT, "distribution"):
            raise click.UsageError(f"--metric {name} compares with another network or direction set: name it with --against")


def world_of(found: Source) -> str | None:
    """ "shapes" where the network was tuned from the bundled one, whose images it therefore still draws."""
    from orojar_cli.metrics.ground_truth import bundled_sha256
    from orojar_cli.runs.run import is_in_run, load_run

    if found.path is None or not is_in_run(found.path):
        return None
    return "shapes" if load_run(found.path).manifest["checkpoint"].get("sha256") == bundled_sha256() is not None else None


def measure(found: Source, other: Source | None, names: tuple[str, ...], settings: MetricSettings, progress: Progress) -> list[Measurement]:
    """Every metric asked for, or all that apply."""
    from orojar_cli.errors import OptionError
    from orojar_cli.metrics import DIRECTION_METRICS, NETWORK_METRICS, agreement

    generator = found.checkpoint.generator
    made: list[Measurement] = []
    for name in OF_DIRECTIONS:
        if name not in names and (names or (name == "predictability" and len(settings.chosen(found.directions)) < 2)):
            continue
        part = DIRECTION_METRICS[name](generator, found.directions, settings, progress)
        if not part and names:
            raise OptionError(f"--metric {name} needs a world whose factors can be measured; for one of shapes add --world shapes")
        made += part
    same = other is None or other.checkpoint.sha256 == found.checkpoint.sha256
    named = replace(settings, subject="network", other="the other network")
    for name in OF_NETWORKS:
        if name in names or not names:
            made += NETWORK_METRICS[name](generator, None if other is None or same else other.checkpoint.generator, named, progress)
    if other is not None and (AGREEMENT in names or (not names and same)):
        made += agreement(found.directions, other.directions, settings)
    return made


def lines(measured: list[Measurement]) -> list[str]:
    """The table for people, the detector beside what it saw."""
    rows = []
    for measurement in measured:
        interval = "" if measurement.interval is None else "{:.4g} … {:.4g}".format(*measurement.interval)
        seen: Any = measurement.settings.get("detector")
        name = measurement.metric + (f" ({seen})" if seen else "")
        rows.append([name, measurement.subject, f"{measurement.value:.4g}", interval, measurement.better or "-"])
    floors = [
        f"{measurement.metric} between two samples of the network itself: {measurement.details['floor']:.4g}"
        for measurement in measured
        if "floor" in measurement.details
    ]
    return [*table(["metric", "of", "value", "95 % interval", "better"], rows), *floors]
