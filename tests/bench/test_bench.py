"""The benchmark runs, says what it measured, and its arithmetic is right."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from orojar_cli.bench import SUBJECTS
from orojar_cli.bench.growing import exponent
from orojar_cli.bench.measurement import Row, interleaved, program_cost
from orojar_cli.bench.networks import convolution_gflop, stylegan2

CHEAP = ("diagonaliser",)


@pytest.fixture
def run(orojar) -> Callable[..., str]:
    """What a quick `orojar bench` prints on stdout."""

    def stdout(*arguments: str) -> str:
        code, out, err = orojar("bench", "--quick", *arguments)
        assert code == 0, err
        return out

    return stdout


@pytest.mark.parametrize("names", [CHEAP])
def test_a_quick_run_gives_one_document_of_positive_figures(run, names) -> None:
    document = json.loads(run("--json", *(word for name in names for word in ("--only", name))))
    rows = document["rows"]
    assert {row["subject"] for row in rows} == set(names) and document["machine"]["threads"]
    assert all(row["value"] > 0 and (row["ratio"] is None or row["ratio"] > 0) for row in rows)
    assert {row["met"] for row in rows if not row["goal"]} == {None}


def test_the_table_has_a_line_for_every_row(run) -> None:
    lines = run("--only", "diagonaliser").splitlines()
    assert lines[0].split() == ["measured", "ratio", "of", "goal"] and len(lines) == 3
    assert all(line.startswith("diagonaliser: d = 16, N = 50") for line in lines[1:])


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(SUBJECTS) - set(CHEAP)))
def test_the_slower_subjects_run_too(run, name: str) -> None:
    assert json.loads(run("--json", "--only", name))["rows"]


def test_every_subject_can_be_named(orojar) -> None:
    _, help_text, _ = orojar("bench", "--help")
    assert all(name in help_text for name in SUBJECTS)


@pytest.mark.parametrize(
    ("row", "met"),
    [
        (Row("a", "b", 3.0, "s", goal="<= 3"), True),
        (Row("a", "b", 3.1, "s", goal="<= 3"), False),
        (Row("a", "b", 3.0, "s", 0.5, "c", ">= 0.75"), False),
        (Row("a", "b", 3.0, "s", 0.75, "c", ">= 0.75"), True),
        (Row("a", "b", 3.0, "s"), None),
    ],
)
def test_a_goal_is_judged_by_the_ratio_where_there_is_one(row: Row, met) -> None:
    assert row.met is met and row.to_dict()["met"] is met


def test_the_slower_side_takes_longer() -> None:
    def busy(seconds: float) -> None:
        end = time.process_time() + seconds
        while time.process_time() < end:
            pass

    seconds = interleaved({"short": lambda: busy(0.005), "long": lambda: busy(0.02)}, 3)
    assert 0.004 < seconds["short"] < seconds["long"] < 0.1


def test_exponents_are_those_of_powers() -> None:
    assert exponent([2, 4, 8, 16], [3 * size**1.5 for size in (2, 4, 8, 16)]) == pytest.approx(1.5)


def test_the_arithmetic_of_a_small_network() -> None:
    """4x4 pixels: 512 x 512 x 9 x 16 multiplications and ToRGB; 8x8: a doubling convolution counted at the 4x4 below it."""
    conv, rgb = 512 * 512 * 9, 512 * 3
    assert convolution_gflop(stylegan2(8)) == pytest.approx(2e-9 * (16 * (conv + rgb) + 16 * conv + 64 * (conv + rgb)))


def test_a_program_tells_its_own_memory() -> None:
    small, large = program_cost("pass"), program_cost("kept = bytes(range(256)) * 400_000")
    assert large.peak_mib - small.peak_mib == pytest.approx(97.7, abs=8)
