"""Benchmarks: every figure a ratio of two sides that are measured in turn, in one process and one run."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from orojar_cli.bench.checking import check_device, reference_files
from orojar_cli.bench.diagonalising import diagonalising
from orojar_cli.bench.differentiating import differentiating
from orojar_cli.bench.factorising import factorising
from orojar_cli.bench.filming import filming
from orojar_cli.bench.growing import growing
from orojar_cli.bench.loading import loading
from orojar_cli.bench.measurement import Effort, Row
from orojar_cli.bench.starting import starting
from orojar_cli.bench.synthesis import synthesis
from orojar_cli.bench.training import training

__all__ = ["SUBJECTS", "Effort", "Row", "check_device", "measure", "reference_files"]

SUBJECTS: dict[str, Callable[[Effort], Iterator[Row]]] = {
    "synthesis": synthesis,
    "jacobian": differentiating,
    "diagonaliser": diagonalising,
    "sefa": factorising,
    "loading": loading,
    "start": starting,
    "film": filming,
    "training": training,
    "growth": growing,
}


def measure(names: list[str], effort: Effort) -> Iterator[Row]:
    """The rows of the subjects named, each as soon as it is measured."""
    for name in names:
        yield from SUBJECTS[name](effort)
