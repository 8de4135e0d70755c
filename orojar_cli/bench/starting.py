"""Start-up: whole processes from nothing."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from orojar_cli.bench.measurement import Effort, Row, command_seconds
from orojar_cli.demonstration import demonstration

_COMMANDS = {"--help": ("<= 0.3", []), "inspect": ("<= 0.6", []), "traverse": ("<= 4", ["--dim", "0", "--out", "walk.gif"])}


def starting(effort: Effort) -> Iterator[Row]:
    """Processor time of --help, inspect and traverse on the bundled demonstration, against importing torch."""
    repeats = 1 if effort.quick else 3

    def seconds_of(*arguments: str) -> float:
        return statistics.median(command_seconds(*arguments) for _ in range(repeats))

    floor = seconds_of("-c", "import torch")
    yield Row("start", "import torch", floor, "s")
    for command, (goal, options) in _COMMANDS.items():
        arguments = [str(demonstration()[0]), *options] if command == "inspect" else options
        seconds = seconds_of("-m", "orojar_cli", command, *arguments)
        yield Row("start", f"orojar {command}", seconds, "s", goal=goal)
        yield Row("start", f"orojar {command}", seconds, "s", seconds / floor, "importing torch")
