"""orojar bench: figures of this machine, as ratios."""

from __future__ import annotations

import json
import platform

import click

from orojar_cli.cli.console import say, table
from orojar_cli.cli.options import json_option
from orojar_cli.cli.process import keep_freed_memory

_SUBJECTS = ("synthesis", "jacobian", "diagonaliser", "sefa", "loading", "start", "film", "training", "growth")


@click.command(short_help="Measure orojar on this machine, as ratios.")
@click.option(
    "--only", "names", multiple=True, type=click.Choice(_SUBJECTS), help="This subject; repeat for several [default: all but growth]."
)
@click.option("--quick", is_flag=True, help="Small networks, few repeats: whether it runs, not how fast.")
@click.option("--full", is_flag=True, help="Also what takes minutes: d = 512, growth up to 1024x1024.")
@click.option("--growth", is_flag=True, help="How time and memory grow, with exponents.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Threads of one operation.")
@json_option
def bench(names: tuple[str, ...], quick: bool, full: bool, growth: bool, threads: int, as_json: bool) -> None:
    """Measure orojar on this machine: what things take, and what that is times what is compared with.

    Both sides of a ratio run in turn in one process.  On one thread processor time is measured, which other programs hardly disturb.
    """
    import torch

    from orojar_cli.bench import Effort, measure

    keep_freed_memory()
    torch.set_num_threads(threads)
    chosen = list(names) or (["growth"] if growth else [name for name in _SUBJECTS if name != "growth"])
    rows = []
    for name in chosen:
        say(f"measuring: {name}")
        rows += list(measure([name], Effort(quick, full)))
    machine = {
        "processor": platform.machine(),
        "threads": threads,
        "torch": torch.__version__,
        "isa": torch.backends.cpu.get_cpu_capability(),
    }
    if as_json:
        click.echo(json.dumps({"machine": machine, "rows": [row.to_dict() for row in rows]}, indent=2))
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
