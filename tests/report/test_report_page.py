from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from toy_report import HOSTILE_LABEL, HOSTILE_PATH, NAMES, toy_comparison, toy_pictures

from orojar_cli.errors import OptionError, OutputFileError
from orojar_cli.report.numbers import interval, number
from orojar_cli.report.page import check_out, write_report
from orojar_cli.report.verdict import differences
from orojar_cli.report.view import Making

# Elements that have no end tag.
VOID = {"meta", "link", "img", "input", "br"}


class Page(HTMLParser):
    """Everything in a page: elements with their attributes, visible text, and elements that were not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.data = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.data += data
        elif self.open and self.open[-1] != "style":
            self.text.append(data)

    def having(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def written(folder: Path, comparison) -> tuple[Page, str, dict]:
    out = folder / "report.html"
    making = Making(f"orojar compare {HOSTILE_PATH}", [("Versions", "orojar 1 & more")])
    write_report(out, comparison, toy_pictures(comparison), making, {"command": HOSTILE_LABEL, **comparison.to_dict()})
    text = out.read_text()
    return Page(text), text, json.loads((folder / "report.json").read_text())


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory):
    return written(tmp_path_factory.mktemp("report"), toy_comparison())


def test_the_page_is_whole_and_asks_for_nothing(report) -> None:
    page, text, _ = report
    assert page.open == []
    for tag, attributes in page.elements:
        for name in ("src", "href", "srcset", "action", "poster", "data"):
            value = attributes.get(name) or ""
            assert not value or value.startswith(("data:", "#")), (tag, name, value[:60])
        assert not any(name.startswith("on") for name in attributes)
    assert not re.search(r"https?:|@import|url\(", text)
    assert [attributes.get("type") for attributes in page.having("script")] == ["application/json"]
    assert any("default-src 'none'" in (attributes.get("content") or "") for attributes in page.having("meta"))


def test_hostile_names_stay_text(report) -> None:
    page, text, twin = report
    assert HOSTILE_LABEL not in text and "<i>set" not in text and "<b>.pkl" not in text
    shown = "".join(page.text)
    for name in (HOSTILE_LABEL, HOSTILE_PATH, *NAMES):
        assert name in shown
    assert json.loads(page.data) == twin and twin["command"] == HOSTILE_LABEL
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {attributes["href"] for attributes in page.having("a")} <= {f"#{name}" for name in ids}


def test_every_number_of_the_json_is_on_the_page(report) -> None:
    page, _, twin = report
    shown = "\n".join(page.text)
    assert len(twin["measurements"]) == 15 and len(twin["differences"]) == 6
    for record in (*twin["measurements"], *twin["networks"], *twin["differences"]):
        assert number(record["value"]) in shown
        assert interval(record["interval"]) in shown
    for test in twin["differences"]:
        assert number(test["p"]) in shown and number(test["p_corrected"]) in shown
    for pair in twin["agreements"]:
        for record in pair["measurements"]:
            assert number(record["value"]) in shown and number(record["details"]["by_chance"]) in shown
    assert number(twin["networks"][0]["details"]["floor"]) in shown
    for subject in twin["subjects"]:
        assert all(f"{number(step)} σ" in shown for step in subject["calibration"]["sigmas"])
    for record in twin["measurements"]:
        details = record["details"]
        rows = [details.get("dimensions", []), *details.get("response", []), *details.get("cosine_matrix", [])]
        assert all(number(value) in shown for row in rows for value in row)


def test_only_a_significant_difference_makes_a_winner(report, tmp_path: Path) -> None:
    page, _, twin = report
    assert twin["winners"] == {"orojar_loss": "good"}
    marked = [attributes for attributes in page.having("td") if attributes.get("class") == "best"]
    tags = [attributes for attributes in page.having("span") if attributes.get("class") == "tag"]
    assert len(tags) == 1
    # Its cell, and its two differences in the table of tests.
    assert len(marked) == 3
    assert "good is better than all others on 1" in "".join(page.text)
    assert sum((attributes.get("class") or "") == "dot best" for attributes in page.having("circle")) == 1

    nobody, _, twin = written(tmp_path, toy_comparison(gap=0.0))
    assert twin["winners"] == {} and not any(test["significant"] for test in twin["differences"])
    assert not [attributes for attributes in nobody.having("td") if attributes.get("class") == "best"]
    assert "none is better than all others" in "".join(nobody.text)


def test_the_page_says_who_cannot_win_and_who_measures_himself(tmp_path: Path) -> None:
    comparison = toy_comparison()
    subjects = [
        dataclasses.replace(subject, directions=dataclasses.replace(subject.directions, method=method))
        for subject, method in zip(comparison.subjects, ("random", "orojar", "toy"), strict=True)
    ]
    lazy = dataclasses.replace(comparison.calibrations[0], unit=comparison.calibrations[0].unit * 0.3)
    tests = differences(comparison.measurements, {NAMES[0]})
    changed = dataclasses.replace(comparison, subjects=subjects, calibrations=[lazy, *comparison.calibrations[1:]], differences=tests)
    page, _, twin = written(tmp_path, changed)
    shown = "".join(page.text)
    assert twin["inactive"] == {"good": pytest.approx(0.3)} and twin["minimised_by"] == {"orojar_loss": [NAMES[1]]}
    assert twin["winners"] == {} and twin["passed_over"]["orojar_loss"] == ["good"]
    assert "good moves the images 0.30 times as far as the most active set" in shown and "Passed over on: OroJaR loss, normalised" in shown
    tags = [text for text in page.text if text in ("own aim", "passed over", "inactive", "best")]
    assert tags.count("own aim") == 1 and tags.count("best") == 0 and "inactive" in tags
    assert tags.count("passed over") == sum("good" in names for names in twin["passed_over"].values())


def test_a_best_set_that_measures_itself_is_counted_apart(tmp_path: Path) -> None:
    comparison = toy_comparison()
    subjects = [
        dataclasses.replace(subject, directions=dataclasses.replace(subject.directions, method="orojar")) for subject in comparison.subjects
    ]
    page, _, _ = written(tmp_path, dataclasses.replace(comparison, subjects=subjects))
    assert "good is better than all others on 1 (1 of them its method itself minimises)" in "".join(page.text)


def test_the_page_can_be_read_by_everybody(report) -> None:
    page, text, _ = report
    assert all(attributes.get("alt") for attributes in page.having("img"))
    assert all(attributes.get("aria-label") for attributes in page.having("svg"))
    assert all(attributes.get("scope") in ("col", "row", "rowgroup") for attributes in page.having("th"))
    assert all(attributes.get("aria-label") for attributes in page.having("input"))
    assert [attributes.get("lang") for attributes in page.having("html")] == ["en"]
    assert len(page.having("h1")) == 1
    for query in ("prefers-color-scheme: dark", "prefers-reduced-motion: no-preference", "@media print"):
        assert query in text
    shown = "".join(page.text)
    assert "1 of the 4 dimensions of worse" in shown
    assert "at its limit" in shown and "no images & no time" in shown and "A new metric" in shown


def test_numbers_have_three_digits() -> None:
    for value, text in (
        (0, "0"),
        (0.99996, "1.00"),
        (-0.012345, "−0.0123"),
        (12345, "12345"),
        (123456, "1.23 × 10⁵"),
        (1e-5, "1.00 × 10⁻⁵"),
        (float("inf"), "∞"),
        (None, "–"),
    ):
        assert number(value) == text
    assert interval((0.1, 0.2)) == "[0.100, 0.200]"
    assert interval((1.8e5, 2.5e6)) == "[1.80, 25.0] × 10⁵"
    assert interval((-2e-5, 0)) == "[−2.00, 0] × 10⁻⁵"
    assert interval((1e-9, 1)) == "[1.00 × 10⁻⁹, 1.00]"
    assert interval(None) == ""


def test_a_page_that_cannot_be_written_is_told_before_the_work(tmp_path: Path) -> None:
    check_out(tmp_path / "page.html")
    with pytest.raises(OptionError, match=r"\.html"):
        check_out(tmp_path / "page.pdf")
    with pytest.raises(OutputFileError, match="no-folder"):
        check_out(tmp_path / "no-folder" / "page.html")
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(OutputFileError, match="folder"):
        check_out(tmp_path / "folder.html")
