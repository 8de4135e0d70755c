"""The tables of docs/keep.md are those of what was measured, and say it right."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def keep(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "examples" / "benchmark"))
    return __import__("keep")


def test_the_page_holds_what_was_measured(keep) -> None:
    page = (ROOT / "docs" / "keep.md").read_text(encoding="utf-8")
    record = json.loads((ROOT / "examples" / "benchmark" / "results" / "keep.json").read_text(encoding="utf-8"))
    assert keep.written(page, record) == page
    # The default is the first of the rows.
    assert keep.ROWS[0] == keep.Row("image", keep.kept.RIDGE) and set(record["rows"]) == {row.name for row in (*keep.ROWS, keep.Painted())}


def test_kept_factors_are_marked_by_their_errors(keep) -> None:
    moved = [[[0.1 * axis + 0.01 * choice] * 5 for choice in range(7)] for axis in keep.AXES]
    difference = [[0.0, -0.3, 0.3, 0.1, 0.0] for _ in keep.AXES]
    figures = {"moved": moved, "difference": difference, "error": [[0.1] * 5 for _ in keep.AXES]}
    lines = keep.detail(figures).splitlines()
    assert len(lines) == 2 + 5 * 6 and lines[2] == "| ground | nothing | 0.00 | 0.00 | 0.00 | 0.00 | 0.00 |"
    assert lines[3] == "| ground | hue | 0.02 | 0.02 | 0.02 | **0.02** | 0.02 |"
    assert lines[4] == "| ground | y | 0.03 | 0.03 ↑ | 0.03 | 0.03 | 0.03 |"
    assert lines[5] == "| ground | x | 0.04 | 0.04 | 0.04 | 0.04 | 0.04 |"
    row = {"settings": {"output": "image", "ridge": 0.1}, "runs": [{"1": figures, "2": figures}]}
    told = keep.summary({"a": row}).splitlines()[2]
    # Five axes of which one pair each is its own: hue less and y more for four of them.
    assert told.startswith("| image | 0.1 | 1 | 0.200 → 0.220 | 4 of 20 | 4 of 20 | 0.20 → 0.23 |")
