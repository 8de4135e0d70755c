"""The plotted table of docs/performance.md is what the benchmark measured."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from paths import ROOT

sys.path.insert(0, str(ROOT / "examples" / "benchmark"))
import growth


def rows(what: str, unit: str, figures: dict[int, float]) -> list[dict[str, object]]:
    measured = [{"what": f"{what}: {size}", "unit": unit, "value": figure} for size, figure in figures.items()]
    return [*measured, {"what": f"{what}: exponent", "unit": "", "value": 9.0}]


def test_curves_table_and_plot(tmp_path: Path) -> None:
    document = {"rows": rows("square", "s", {2: 0.004, 4: 0.016, 8: 0.064}) + rows("line", "MiB", {8: 512, 16: 1024, 64: 4096})}
    square, line = growth.curves(document)
    assert square.slope == pytest.approx(2) and line.slope == pytest.approx(1) and line.points[-1] == (64, 4096)
    results, page = tmp_path / "growth.json", tmp_path / "page.md"
    results.write_text(json.dumps(document))
    page.write_text("above\n<!-- benchmark: growth -->\nold\n<!-- /benchmark -->\nbelow\n")
    growth.main([str(results), "--page", str(page), "--plot", str(tmp_path / "plot.svg")])
    text = page.read_text()
    assert "| square | 2 to 8 | 4 ms | 64 ms | 2.00 | 2.00 |" in text and "| line | 8 to 64 | 512 MiB | 4 GiB | 1.00 | 1.00 |" in text
    assert text.startswith("above\n") and text.endswith("\nbelow\n") and "old" not in text
    drawing = ET.parse(tmp_path / "plot.svg").getroot()
    assert len(drawing.findall(".//{*}circle")) == 6 and len(drawing.findall(".//{*}g")) == 2


def test_the_page_shows_what_was_measured() -> None:
    drawn = growth.curves(json.loads(growth.RESULTS.read_text()))
    page = (ROOT / "docs" / "performance.md").read_text()
    assert growth.written(page, drawn) == page
    assert (ROOT / "docs" / "pictures" / "growth.svg").read_text() == growth.plot(drawn)
