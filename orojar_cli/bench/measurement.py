"""What a benchmark consists of: rows of figures, and clocks that run the sides of a comparison in turn."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch


@dataclass(frozen=True)
class Effort:
    """How much to measure: `quick` takes small networks and few repeats, `full` also what takes minutes."""

    quick: bool = False
    full: bool = False

    @property
    def repeats(self) -> int:
        return 3 if self.quick else 7

    def pick(self, quick: int, normal: int) -> int:
        """A size."""
        return quick if self.quick else normal


@dataclass(frozen=True)
class Row:
    """One figure: `value` in `unit`, and what it is `ratio` times of, with the goal where there is one (`<= 2`, `>= 0.75`)."""

    subject: str
    what: str
    value: float
    unit: str
    ratio: float | None = None
    of: str = ""
    goal: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the goal is met: by the ratio where there is one, else by the value."""
        if not self.goal:
            return None
        sign, limit = self.goal.split()
        figure = self.value if self.ratio is None else self.ratio
        return figure <= float(limit) if sign == "<=" else figure >= float(limit)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"met": self.met}


def interleaved(sides: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each side after one run to warm up, the sides taking turns so that a busy moment meets them all.

    Processor time on one thread, which other programs do not lengthen; the wall clock's where there are more.
    """
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for repeat in range(repeats + 1):
        for name, side in sides.items():
            began = clock()
            side()
            if repeat:
                seconds[name].append(clock() - began)
    return {name: statistics.median(values) for name, values in seconds.items()}


class ProcessCost(NamedTuple):
    """A whole process: processor seconds, and the most memory it held at once, in MiB."""

    seconds: float
    peak_mib: float


def process_cost(*arguments: str) -> ProcessCost:
    """What `python ARGUMENTS` costs in an empty folder.  Raises CalledProcessError where it fails."""
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "wb") as nowhere:
        process = subprocess.Popen([sys.executable, *arguments], cwd=folder, stdout=nowhere, stderr=nowhere)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return ProcessCost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def median_cost(repeats: int, *arguments: str) -> ProcessCost:
    """The medians of several runs of the same process."""
    costs = [process_cost(*arguments) for _ in range(repeats)]
    return ProcessCost(*(statistics.median(values) for values in zip(*costs, strict=True)))
