"""What a benchmark consists of: rows of figures, and clocks that run the sides of a comparison in turn."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
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


def interleaved(sides: Mapping[str, Callable[[], object]], repeats: int, warm_up: bool = True) -> dict[str, float]:
    """Median seconds of each side after one run to `warm_up`, the sides taking turns so that a busy moment meets them all.

    Processor time on one thread, which other programs do not lengthen; the wall clock's where there are more.
    """
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for repeat in range(-warm_up, repeats):
        for name, side in sides.items():
            began = clock()
            side()
            if repeat >= 0:
                seconds[name].append(clock() - began)
    return {name: statistics.median(values) for name, values in seconds.items()}


class ProcessCost(NamedTuple):
    """A whole process: processor seconds, and the most memory it held at once, in MiB."""

    seconds: float
    peak_mib: float


# What the system tells the parent would include the parent's own size, which the child had for a moment.
_PEAK = """
try:
    print(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0])
except OSError:
    import resource
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def program_cost(program: str, *arguments: str) -> ProcessCost:
    """What the Python text `program` costs as a process.  Raises CalledProcessError where it fails."""
    seconds, output = _run("-c", program + _PEAK, *arguments)
    return ProcessCost(seconds, int(output.split()[-1]) / 1024)


def command_seconds(*arguments: str) -> float:
    """Processor seconds of `python ARGUMENTS` in an empty folder.  Raises CalledProcessError where it fails."""
    return _run(*arguments)[0]


def _run(*arguments: str) -> tuple[float, bytes]:
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as output:
        process = subprocess.Popen([sys.executable, *arguments], cwd=folder, stdout=output, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        printed = output.read()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return usage.ru_utime + usage.ru_stime, printed


def medians(costs: Iterable[tuple[float, ...]]) -> list[float]:
    """The median of each column."""
    return [statistics.median(values) for values in zip(*costs, strict=True)]
