"""orojar compare: which directions are better, and by how much, on one page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orojar_cli.cli.console import progress_bar, result, say
from orojar_cli.cli.downloads import local_file
from orojar_cli.cli.options import run_options, seeds_option, torch_device

if TYPE_CHECKING:
    from orojar_cli.checkpoint.checkpoint import Checkpoint
    from orojar_cli.directions import DirectionSet, Settings
    from orojar_cli.progress import Progress
    from orojar_cli.report.contender import Contender

# The latents measured at, the images of distances between networks, and the optimisation's steps.
_FULL, _QUICK = {"samples": 128, "images": 2000, "steps": 100}, {"samples": 32, "images": 500, "steps": 20}
_SLOW_METRICS = ("predictability",)


@dataclass(frozen=True)
class Given:
    """One SOURCE: a network, its directions and where they are kept, or None; `before` is the network it was tuned from."""

    checkpoint: Checkpoint
    directions: DirectionSet | None = None
    path: Path | None = None
    before: Path | None = None


class NameList(click.ParamType):
    """Names separated by commas."""

    name = "names"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip())) if isinstance(value, str) else value


@click.command()
@click.argument("sources", nargs=-1, metavar="[RUN_OR_CKPT]...")
@click.option("--out", type=click.Path(path_type=Path), help="The page, .html; the numbers go beside it as .json [default: in the run].")
@click.option("--methods", type=NameList(), help="Methods to run as well, e.g. sefa,random [default: for a single checkpoint, five].")
@click.option("--metrics", type=NameList(), help="What to measure, e.g. orthogonality,ground_truth [default: all].")
@click.option("--num", type=click.IntRange(2, 64), default=10, show_default=True, help="Directions of each set, the first or most active.")
@click.option(
    "--space", type=click.Choice(["z", "w", "p", "w+", "s"]), default="w", show_default=True, help="Latent space the methods search."
)
@click.option("--whiten/--no-whiten", default=True, show_default=True, help="Methods measure w in standard deviations (sefa never does).")
@click.option("--steps", type=click.IntRange(1), help=f"Optimisation steps of hessian and orojar-sgd [default: {_FULL['steps']}].")
@click.option("--samples", type=click.IntRange(8), help="Held-out latents to measure at, and latents of the methods [default: 128].")
@click.option("--detector", default="pixels", show_default=True, help="For perceptual distances: pixels, critic, features or a file.")
@click.option(
    "--world", type=click.Choice(["shapes"]), help="The images are of this known world [default: recognised for the bundled one]."
)
@click.option(
    "--protocol", type=click.Choice(["small", "paper"]), default="small", show_default=True, help="Size of the predictability metric."
)
@click.option("--quick", is_flag=True, help="Fewer latents and steps: a first look in about a minute, with wider intervals.")
@click.option("--network", help="The checkpoint of direction sets that are not in a run.")
@seeds_option("0-3")
@click.option("--seed", type=int, default=0, show_default=True, help="Randomness of methods and metrics.")
@run_options
def compare(
    sources: tuple[str, ...],
    out: Path | None,
    methods: tuple[str, ...] | None,
    metrics: tuple[str, ...] | None,
    num: int,
    space: str,
    whiten: bool,
    steps: int | None,
    samples: int | None,
    detector: str,
    world: str | None,
    protocol: str,
    quick: bool,
    network: str | None,
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
    """Compare direction sets: numbers with intervals and tests, grids and films, on one HTML page.

    One checkpoint: OroJaR, SeFa, GANSpace, Hessian Penalty and random directions are found and compared. Several runs, direction sets or
    checkpoints (their z axes): those are compared. One run of finetune: the z axes before and after.
    """
    from orojar_cli.cli.compared_run import summary, write_run
    from orojar_cli.detectors import load_detector
    from orojar_cli.directions import Settings
    from orojar_cli.measures import MetricSettings
    from orojar_cli.report.collect import Stopwatch
    from orojar_cli.report.collect import compare as compared
    from orojar_cli.report.contender import distinct
    from orojar_cli.report.drawings import Look, drawn
    from orojar_cli.report.page import check_out
    from orojar_cli.response.outputs import default_output

    wanted = chosen_metrics(metrics, quick)
    if out is not None:
        check_out(out)
    watch = Stopwatch()
    given = load_all(sources, network, torch_device(device))
    first = given[0].checkpoint
    if class_index is None and first.generator.c_dim:
        class_index = 0
        say("conditional network: comparing at class 0; choose another with --class")
    watch.lap("loading")
    counts = dict(_QUICK if quick else _FULL)
    counts |= {name: value for name, value in (("samples", samples), ("steps", steps)) if value is not None}
    search = Settings(
        space=space,
        whiten=whiten,
        num=num,
        samples=counts["samples"],
        seed=seed,
        subspace=min(10, num, first.generator.w_dim),
        outputs=(default_output(first.generator),),
        class_index=class_index,
        options={"steps": counts["steps"]},
    )
    measuring = MetricSettings(
        samples=counts["samples"],
        images=counts["images"],
        activeness_samples=counts["samples"] if quick else 300,
        seed=seed,
        class_index=class_index,
        psi=psi,
        detector=load_detector(detector, first.critic if detector == "critic" else None, first.device),
        protocol=protocol,
        world=world,
    )
    with progress_bar() as progress:
        found = [subject.top(num) for subject in contenders(given, methods, search, progress)]
        watch.lap("methods")
        subjects = distinct(found)
        comparison = compared(subjects, measuring, wanted, watch, progress)
        look = Look(seeds, class_index, psi, cutoff, noise_mode)
        pictures = drawn(subjects, comparison.calibrations, look, progress)
        watch.lap("pictures")
    options = search.to_dict() | {"methods": methods, "metrics": wanted, "images": counts["images"], "trunc": psi, "noise_mode": noise_mode}
    options |= {"seeds": seeds, "detector": measuring.detector.name, "protocol": protocol, "quick": quick}
    document = write_run(comparison, pictures, options, out, outdir)
    result(as_json, document, summary(comparison, document["report"]))


def chosen_metrics(metrics: tuple[str, ...] | None, quick: bool) -> list[str]:
    """The metrics to measure; raises a usage error for one that there is not."""
    from orojar_cli.measures import DIRECTION_METRICS, NETWORK_METRICS
    from orojar_cli.report.collect import AGREEMENT

    known = [*DIRECTION_METRICS, *NETWORK_METRICS, AGREEMENT]
    for name in metrics or ():
        if name not in known:
            raise click.BadParameter(f"{name!r} is none of {', '.join(known)}", param_hint="--metrics")
    return list(metrics) if metrics else [name for name in known if not (quick and name in _SLOW_METRICS)]


def load_all(sources: tuple[str, ...], network: str | None, device: str) -> list[Given]:
    """The networks and directions of all SOURCES; a network that several share is kept once."""
    from orojar_cli.checkpoint.checkpoint import load_checkpoint
    from orojar_cli.cli.sources import load_source
    from orojar_cli.operations.resolve import direction_file
    from orojar_cli.runs.run import is_in_run, load_run

    networks: dict[str, Any] = {}
    given = []
    for named in sources or (None,):
        source = named if named is None else local_file(named, None, None)
        path = direction_file(source, notice=say)
        if path is None:
            assert source is not None
            loaded = load_checkpoint(source, device)
            given.append(Given(networks.setdefault(loaded.sha256, loaded)))
            continue
        in_run = is_in_run(path)
        found = load_source(str(path), directions=None, network=None if in_run else network, device=device)
        checkpoint = networks.setdefault(found.checkpoint.sha256, found.checkpoint)
        before = Path(load_run(path).manifest["checkpoint"]["path"]) if in_run else None
        tuned = before is not None and Path(checkpoint.path).resolve() != before.resolve() and before.is_file()
        given.append(Given(checkpoint, found.directions, path, before if tuned else None))
    return given


def contenders(given: list[Given], methods: tuple[str, ...] | None, search: Settings, progress: Progress) -> list[Contender]:
    """What the SOURCES mean: their direction sets, the z axes of checkpoints beside others, and what the methods find.

    A checkpoint alone is for the methods; a tuned network alone is compared with the one it was tuned from.
    """
    from orojar_cli.checkpoint.checkpoint import load_checkpoint
    from orojar_cli.directions import METHODS
    from orojar_cli.errors import OptionError
    from orojar_cli.report.contender import Contender, found_by, z_axes

    for name in methods or ():
        if name not in METHODS:
            raise click.BadParameter(f"{name!r} is none of {', '.join(METHODS)}", param_hint="--methods")
    alone = given[0] if len(given) == 1 else None
    subjects = [
        z_axes(source.checkpoint, search, progress)
        if source.directions is None
        else Contender(source.directions.method, source.checkpoint, source.directions, str(source.path))
        for source in given
        if source.directions is not None or alone is None
    ]
    if alone is not None and alone.before is not None:
        say(f"comparing with the network it was tuned from, {alone.before}")
        subjects.append(z_axes(load_checkpoint(alone.before, alone.checkpoint.device), search, progress))
    by_default = tuple(name for name, method in METHODS.items() if method.compared) if alone is not None and alone.before is None else ()
    for name in methods if methods is not None else by_default:
        try:
            subjects.append(found_by(name, given[0].checkpoint, search, progress))
        except OptionError as error:
            # Of the methods nobody asked for, those that this network or space does not have are left out.
            if methods is not None:
                raise
            say(f"without {name}: {error}")
    return subjects
