"""orojar bench: figures of this machine, as ratios."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orojar_cli.cli.console import progress_bar, say, table
from orojar_cli.cli.options import device_option, json_option, torch_device
from orojar_cli.errors import NumericalError

if TYPE_CHECKING:
    from orojar_cli.bench import Row

_SUBJECTS = ("synthesis", "jacobian", "diagonaliser", "sefa", "loading", "start", "film", "training", "growth")


@click.command(short_help="Measure orojar on this machine, as ratios.")
@click.option(
    "--only", "names", multiple=True, type=click.Choice(_SUBJECTS), help="This subject; repeat for several [default: all but growth]."
)
@click.option("--quick", is_flag=True, help="Small networks, few repeats: whether it runs, not how fast.")
@click.option("--full", is_flag=True, help="Also what takes minutes: d = 512, growth up to 1024x1024.")
@click.option("--growth", is_flag=True, help="How time and memory grow, with exponents.")
@click.option("--check", is_flag=True, help="Instead: whether a device computes what the processor does, twice the same, and how fast.")
@click.argument("checkpoints", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@device_option
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Threads of one operation.")
@json_option
def bench(
    names: tuple[str, ...],
    quick: bool,
    full: bool,
    growth: bool,
    check: bool,
    checkpoints: tuple[Path, ...],
    device: str,
    threads: int,
    as_json: bool,
) -> None:
    """Measure orojar on this machine: what things take, and what that is times what is compared with.

    Both sides of a ratio run in turn in one process.  On one thread processor time is measured, which other programs hardly disturb.

    With --check, before the first work on a new GPU: images (of the CHECKPOINTS too, and of the tests' networks in a clone of the
    repository), Jacobians, all methods in all spaces and both ways to fine-tune against the processor's numbers, everything twice, and the
    speed and peak memory; anything off ends with exit code 1.
    """
    import torch

    from orojar_cli.bench import Effort, check_device, measure, reference_files

    if not check and (checkpoints or device not in ("auto", "cpu")):
        raise click.UsageError("the processor is measured; a device and CHECKPOINTS are for --check")
    if check and (names or growth):
        raise click.UsageError("--check measures what it measures: leave out --only and --growth")
    chosen_device = torch_device(device if check else "cpu")
    torch.set_num_threads(threads)
    chosen = list(names) or (["growth"] if growth else [name for name in _SUBJECTS if name != "growth"])
    rows = []
    if check:
        say(f"checking {chosen_device} against the processor")
        files = [*checkpoints, *([] if quick else reference_files())]
        with progress_bar() as progress:
            rows += list(check_device(chosen_device, Effort(quick, full), files, progress))
    for name in [] if check else chosen:
        say(f"measuring: {name}")
        rows += list(measure([name], Effort(quick, full)))
    machine = {
        "processor": platform.machine(),
        "threads": threads,
        "torch": torch.__version__,
        "isa": torch.backends.cpu.get_cpu_capability(),
    } | ({"device": _name(chosen_device)} if check else {})
    if as_json:
        click.echo(json.dumps({"machine": machine, "rows": [row.to_dict() for row in rows]}, indent=2))
        if check:
            _judge(rows)
        return
    say(", ".join(f"{name} {value}" for name, value in machine.items()))
    lines = [
        [
            f"{row.subject}: {row.what}",
            f"{row.value:.3g} {row.unit}".strip(),
            "" if row.ratio is None else f"{row.ratio:.2f}x",
            row.of,
            row.goal,
            {None: "", True: "met", False: "missed"}[row.met],
        ]
        for row in rows
    ]
    for line in table(["", "measured", "ratio", "of", "goal", ""], lines):
        click.echo(line)
    if check:
        _judge(rows)


def _judge(rows: list[Row]) -> None:
    """Raise NumericalError where the device missed a goal."""
    judged = [row.met for row in rows if row.met is not None]
    if not all(judged):
        raise NumericalError(f"{judged.count(False)} of {len(judged)} checks missed: this device does not compute what the processor does")


def _name(device: str) -> str:
    """What a device is called."""
    import torch

    return f"{device} ({torch.cuda.get_device_name(device)})" if device.startswith("cuda") else device
