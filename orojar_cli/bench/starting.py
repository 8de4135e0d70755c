"""Start-up: whole processes from nothing."""

from __future__ import annotations

from collections.abc import Iterator

from orojar_cli.bench.measurement import Effort, Row, median_cost
from orojar_cli.demonstration import demonstration_path

_COMMANDS = {"--help": ("<= 0.3", []), "inspect": ("<= 0.6", []), "traverse": ("<= 4", ["--dim", "0", "--out", "walk.gif"])}


def starting(effort: Effort) -> Iterator[Row]:
    """Processor time of --help, inspect and traverse on the bundled demonstration, against importing torch."""
    repeats = 1 if effort.quick else 3
    floor = median_cost(repeats, "-c", "import torch").seconds
    yield Row("start", "import torch", floor, "s")
    for command, (goal, options) in _COMMANDS.items():
        arguments = [str(demonstration_path()), *options] if command == "inspect" else options
        seconds = median_cost(repeats, "-m", "orojar_cli", command, *arguments).seconds
        yield Row("start", f"orojar {command}", seconds, "s", goal=goal)
        yield Row("start", f"orojar {command}", seconds, "s", seconds / floor, "importing torch")
