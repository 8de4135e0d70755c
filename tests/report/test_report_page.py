from __future__ import annotations

import base64
import csv
import dataclasses
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image
from toy_report import DIMENSIONS, HOSTILE_LABEL, HOSTILE_PATH, LATENTS, NAMES, toy_comparison, toy_pictures

from orojar_cli.errors import OptionError, OutputFileError
from orojar_cli.report.chart_files import png, standalone
from orojar_cli.report.charts import whiskers
from orojar_cli.report.exports import Exports
from orojar_cli.report.methods import methods
from orojar_cli.report.numbers import interval, number
from orojar_cli.report.page import check_out, write_report
from orojar_cli.report.sharing import shown_command, shown_path, without_paths
from orojar_cli.report.tables import Number, Table
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
            # A link that somebody follows asks for nothing by itself; there is one, to the file beside the page.
            assert not value or value.startswith(("data:", "#")) or (tag, value) == ("a", "report.json"), (tag, name, value[:60])
        assert not any(name.startswith("on") for name in attributes)
    assert not re.search(r"https?:|@import|url\(", text)
    assert sum(attributes.get("href") == "report.json" for attributes in page.having("a")) == 1
    assert [attributes.get("type") for attributes in page.having("script")] == ["application/json"]
    assert any("default-src 'none'" in (attributes.get("content") or "") for attributes in page.having("meta"))


def test_hostile_names_stay_text(report) -> None:
    page, text, twin = report
    assert HOSTILE_LABEL not in text and "<i>set" not in text and "<b>.pkl" not in text
    shown = "".join(page.text)
    for name in (HOSTILE_LABEL, HOSTILE_PATH, *NAMES):
        assert name in shown
    assert json.loads(page.data) == without_paths(twin) and twin["command"] == HOSTILE_LABEL
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {attributes["href"] for attributes in page.having("a") if "download" not in attributes}
    assert links <= {f"#{name}" for name in ids} | {"report.json"}


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


def test_what_can_be_taken_out_of_the_page_is_in_it_and_beside_it(report, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> None:
    page, _, twin = written(tmp_path, toy_comparison())
    links = {attributes["download"]: attributes["href"] for attributes in page.having("a") if "download" in attributes}
    folder = tmp_path / "report-files"
    assert set(links) == {path.name for path in folder.iterdir()}
    for name, uri in links.items():
        assert base64.b64decode(uri.partition(";base64,")[2]) == (folder / name).read_bytes(), name
    charts = len(page.having("svg")) + 2  # and the grids of two seeds
    assert charts == len(list(folder.glob("*.svg"))) == len(list(folder.glob("*.png"))) > 10
    for path in folder.glob("*.svg"):
        root = ElementTree.fromstring(path.read_text())
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        pictures = root.findall("{http://www.w3.org/2000/svg}image")
        assert len(pictures) == (len(NAMES) * DIMENSIONS if path.name.startswith("grid") else 0)
        assert pictures or root.find("{http://www.w3.org/2000/svg}style") is not None
    for path in folder.glob("*.png"):
        with Image.open(path) as picture:
            assert picture.width > 300 and len(picture.convert("RGB").getcolors(100_000)) > 2
    rows = list(csv.DictReader(io.StringIO((folder / "summary.csv").read_text(encoding="utf-8-sig"))))
    values = {record["subject"]: record for record in twin["measurements"] if record["metric"] == "orojar_loss"}
    (row,) = [row for row in rows if row["Metric"] == "OroJaR loss, normalised"]
    for name in NAMES:
        assert float(row[name]) == values[name]["value"]
        assert [float(row[f"{name}, low"]), float(row[f"{name}, high"])] == values[name]["interval"]
    assert len(list(csv.reader(io.StringIO((folder / "cosines.csv").read_text())))) == 1 + 3 * DIMENSIONS * (DIMENSIONS - 1) // 2
    latex = (folder / "summary.tex").read_text()
    assert r"\mathbf{" in latex and r"\textless{}i\textgreater{}set" in latex and latex.count(r" \\") == len(rows) + 1


def test_charts_of_sets_with_any_name_are_files() -> None:
    name = "a\x00b\x1b]<&>\"'\u202e 笑"
    svg = str(whiskers("t", [name, "b"], [1.0, 2.0], [(0.5, 1.5), None], name))
    ElementTree.fromstring(standalone(svg))
    assert png(svg).startswith(b"\x89PNG")
    exports = Exports("files")
    exports.table(Table(name, name, [name], [[name]]))
    assert all(re.fullmatch(r"[a-z0-9-]+\.(csv|tex)", file) for file in exports.files)


def test_a_large_file_is_linked_where_it_lies() -> None:
    exports = Exports("a page-files")
    assert exports.file("PNG", "small.png", b"0" * 300_000)["uri"].startswith("data:image/png;base64,")
    assert exports.file("PNG", "large.png", b"0" * 300_001)["uri"] == "a%20page-files/large.png"
    assert set(exports.files) == {"small.png", "large.png"}


def test_the_methods_name_what_was_done_and_cite_it(tmp_path: Path) -> None:
    comparison = toy_comparison()
    kinds = {"random": None, "orojar": None, "hessian": 70}
    subjects = [
        dataclasses.replace(
            subject, steps=70 if kind == "hessian" else None, directions=dataclasses.replace(subject.directions, method=kind)
        )
        for subject, (kind, steps) in zip(comparison.subjects, kinds.items(), strict=True)
    ]
    text, references = methods(
        dataclasses.replace(comparison, subjects=subjects), {"samples": 48, "seed": 7}, {"orojar": "9.1", "torch": "2.5"}
    )
    for part in (
        "orojar 9.1",
        "48, of seed 7",
        "random directions in w",
        "the Hessian Penalty [2] in w, 70 steps",
        f"At {LATENTS} latents",
        "0.123",
    ):
        assert part in text, part
    assert [reference.key for reference in references][:2] == ["wei2021orojar", "peebles2020hessian"]
    # Every number in brackets is one of the list, and all are used.
    cited = {int(number) for group in re.findall(r"\[([\d, ]+)\]", text) for number in group.split(",")}
    assert cited == set(range(1, len(references) + 1))
    assert all(reference.bibtex().count("{") == reference.bibtex().count("}") for reference in references)
    assert "Yuxiang Wei, Yupeng Shi" in references[0].text()


def test_budgets_stand_beside_the_names(tmp_path: Path) -> None:
    comparison = toy_comparison()
    subjects = [dataclasses.replace(comparison.subjects[0], steps=70, images=38400), *comparison.subjects[1:]]
    page, _, twin = written(tmp_path, dataclasses.replace(comparison, subjects=subjects))
    assert {"1.2 s", "70 steps", "≈ 38,400 images"} <= set(page.text)
    assert (twin["subjects"][0]["steps"], twin["subjects"][0]["images"]) == (70, 38400)


def test_pages_leave_out_where_files_are() -> None:
    assert [shown_path(path) for path in ("/home/me/net.pkl", "C:\\me\\net.pkl", "runs/3/net.pkl", "net.pkl", "/", "w")] == [
        "net.pkl",
        "net.pkl",
        "runs/3/net.pkl",
        "net.pkl",
        "/",
        "w",
    ]
    assert (
        shown_command(["orojar", "compare", "/home/me/my net.pkl", "--out=/tmp/a.html", "--num", "3"])
        == "orojar compare 'my net.pkl' --out=a.html --num 3"
    )
    document = {"command": "orojar compare '/home/my me/a b.pkl'", "run": "/home/me/runs/00001", "list": [{"path": "/x/y.pkl"}, 1.5, None]}
    assert without_paths(document) == {"command": "orojar compare 'a b.pkl'", "run": "00001", "list": [{"path": "y.pkl"}, 1.5, None]}


def test_tables_are_harmless_and_complete() -> None:
    table = Table(
        "t", "100 % of\nit", ["Set", "a_b"], [["=HYPERLINK(1)", Number(-12345.678, (-12400.0, -12300.0))], ["x & y", Number(None)]]
    )
    assert table.csv() == 'Set,a_b,"a_b, low","a_b, high"\n\'=HYPERLINK(1),-12345.678,-12400.0,-12300.0\nx & y,,,\n'
    latex = table.latex()
    assert r"$(-1.23 \pm 0.01) \times 10^{4}$" in latex and r"a\_b" in latex and r"x \& y & --" in latex and "100 % of it\n" in latex
    assert str(Number(0.5, (0.4, 0.6))) == "0.500 [0.400, 0.600]"
    assert Table("t", "", ["a", "b"]).csv() == "a,b\n" and r"\begin{tabular}{ll}" in Table("t", "", ["a", "b"]).latex()


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
    (tmp_path / "taken-files").write_text("mine")
    with pytest.raises(OutputFileError, match="taken-files"):
        check_out(tmp_path / "taken.html")
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(OutputFileError, match="folder"):
        check_out(tmp_path / "folder.html")
