from __future__ import annotations

import itertools
import math
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orojar_cli.report.charts import bars, heat_map, line, ticks, whiskers

NASTY = '"><script>&'
WIDTH = 340


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def test_whiskers_stand_where_their_numbers_are() -> None:
    chart = parsed(whiskers(NASTY, ["a", NASTY, "c"], [0.2, 0.4, math.nan], [(0.1, 0.3), None, None], best="a"))
    assert chart.get("aria-label") == NASTY
    dots = chart.findall("circle")
    assert [dot.get("class") for dot in dots] == ["dot best", "dot"]
    assert [dot.findtext("title") for dot in dots] == ["a: 0.200 [0.100, 0.300]", f"{NASTY}: 0.400"]
    first, second = (float(dot.get("cx", "")) for dot in dots)
    (whisker,) = (path.get("d", "") for path in chart.findall("path") if path.get("class") == "whisker")
    start, end = float(whisker[1:].split()[0]), float(whisker.split("H")[1])
    assert (start + end) / 2 == pytest.approx(first, abs=0.2)
    assert second - first == pytest.approx(end - start, abs=0.2)


def test_bars_share_an_axis() -> None:
    chart = parsed(bars("t", ["0", "1"], [1.0, 0.25], [(0.9, 1.1), None], top_value=4))
    heights = [float(bar.get("height", "")) for bar in chart.findall("rect")]
    assert heights == [pytest.approx(30, abs=0.1), pytest.approx(7.5, abs=0.1)]
    assert len([path for path in chart.findall("path") if path.get("class") == "error"]) == 1


def test_a_heat_map_tells_and_shades_its_numbers() -> None:
    chart = parsed(heat_map("t", ["r0", "r1"], ["x", NASTY], [[0.0, 0.5], [math.nan, 2.0]], full=1.0, written=True))
    cells = chart.findall("rect")
    assert [cell.get("fill-opacity") for cell in cells] == ["0.00", "0.50", "1.00"]
    assert cells[1].findtext("title") == f"r0, {NASTY}: 0.500"
    assert [text.text for text in chart.findall("text") if "cell-text" in text.get("class", "")] == ["0.00", "0.50", "2.00"]


def test_many_dimensions_stay_inside_the_chart() -> None:
    names = [str(index) for index in range(64)]
    for svg in (heat_map("t", names, names, [[0.5] * 64] * 64, full=1), bars("t", names, [1.0] * 64, [None] * 64)):
        chart = parsed(svg)
        width = float(chart.get("viewBox", "").split()[2])
        assert width <= WIDTH + 1
        assert all(float(cell.get("x", "")) + float(cell.get("width", "")) <= width for cell in chart.findall("rect"))
        assert len(chart.findall("text")) < 100


def test_a_curve_runs_from_its_first_to_its_last_number() -> None:
    chart = parsed(line("loss", [0.0, 1.0, 3.0], [0.5, 0.2, 0.1]))
    (curve,) = (path for path in chart.findall("path") if path.get("class") == "curve")
    points = [tuple(map(float, point.split())) for point in curve.get("d", "")[1:].split("L")]
    assert points[1][0] - points[0][0] == pytest.approx((points[2][0] - points[0][0]) / 3, abs=0.1)
    assert points[0][1] < points[1][1] < points[2][1]
    assert curve.findtext("title") == "from 0.500 to 0.100"


@given(st.floats(-1e12, 1e12), st.floats(0, 1e12))
def test_ticks_enclose_their_numbers_in_few_round_steps(low: float, reach: float) -> None:
    marks = ticks(low, low + reach)
    slack = 1e-6 * max(abs(low), abs(low + reach), 1e-300)
    assert marks[0] <= low + slack and marks[-1] >= low + reach - slack
    assert 2 <= len(marks) <= 9
    assert all(after > before for before, after in itertools.pairwise(marks))
