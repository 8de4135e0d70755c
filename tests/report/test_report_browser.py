from __future__ import annotations

import os
from pathlib import Path

import pytest
from toy_report import toy_comparison, toy_pictures

from orojar_cli.report.page import write_report
from orojar_cli.report.view import Making

pytestmark = pytest.mark.browser
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report") / "report.html"
    comparison = toy_comparison()
    write_report(out, comparison, toy_pictures(comparison), Making("orojar compare", []), comparison.to_dict())
    return out


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api")
    path = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    with api.sync_playwright() as playwright:
        options = {"executable_path": path} if Path(path).exists() else {}
        chromium = playwright.chromium.launch(args=ARGUMENTS, **options)
        yield chromium
        chromium.close()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("javascript", [True, False])
def test_the_page_is_quiet_complete_and_fits(browser, report: Path, width: int, scheme: str, javascript: bool) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=javascript)
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(report.as_uri())
    assert said == []
    assert [address for address in asked if not address.startswith("data:")] == [report.as_uri()]
    if javascript:
        assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, dark[4:-1].split(","))) < 200) == (scheme == "dark")
    film = page.locator(".film").first
    assert film.locator(".still").is_visible() and not film.locator(".moving").is_visible()
    film.hover()
    assert film.locator(".moving").is_visible() and not film.locator(".still").is_visible()
    context.close()


def test_who_wants_no_motion_gets_it_only_by_asking(browser, report: Path) -> None:
    page = browser.new_page(reduced_motion="reduce")
    page.goto(report.as_uri())
    film = page.locator(".film").first
    film.hover()
    assert film.locator(".still").is_visible()
    film.locator("input").focus()
    assert film.locator(".still").is_visible()
    page.keyboard.press("Space")
    assert film.locator(".moving").is_visible()
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(browser, report: Path, scheme: str) -> None:
    """WCAG 2.1, 1.4.3: at least 4.5 between every text colour and the page."""
    page = browser.new_page(color_scheme=scheme)
    page.goto(report.as_uri())
    worst = page.evaluate(
        """() => {
            const light = colour => {
                const parts = colour.match(/[\\d.]+/g).slice(0, 3).map(Number).map(part => part / 255)
                    .map(part => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
                return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
            };
            const ground = light(getComputedStyle(document.body).backgroundColor);
            const ratio = value => (Math.max(value, ground) + 0.05) / (Math.min(value, ground) + 0.05);
            return Math.min(...[...document.querySelectorAll("h1, h2, p, th, td, small, a, dt, summary, figcaption, .tag")]
                .map(element => ratio(light(getComputedStyle(element).color))));
        }"""
    )
    assert worst >= 4.5
    page.close()


def test_on_paper_everything_is_open_and_links_to_files_are_gone(browser, report: Path, tmp_path: Path) -> None:
    page = browser.new_page()
    page.goto(report.as_uri())
    tables = page.locator("details table")
    assert tables.count() > 1 and not tables.first.is_visible()
    assert page.locator(".take").first.is_visible()
    page.emulate_media(media="print")
    for index in range(tables.count()):
        box = tables.nth(index).bounding_box()
        assert box is not None and box["height"] > 60
        assert tables.nth(index).evaluate("element => element.checkVisibility({contentVisibilityAuto: true, visibilityProperty: true})")
    assert not page.locator(".take").first.is_visible() and not page.locator("nav").is_visible()
    page.close()


def test_files_are_saved_from_the_page_without_asking_anybody(browser, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False, offline=True, accept_downloads=True)
    page = context.new_page()
    page.goto(report.as_uri())
    folder = report.with_name("report-files")
    for name in ("summary.csv", "summary.tex", "methods.txt", "references.bib", "intervals-orojar-loss.svg", "intervals-orojar-loss.png"):
        with page.expect_download() as saved:
            page.locator(f'a[download="{name}"]').click()
        assert saved.value.suggested_filename == name
        assert Path(saved.value.path()).read_bytes() == (folder / name).read_bytes()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_forced_colours_leave_bars_dots_and_the_best_to_be_seen(browser, report: Path, scheme: str) -> None:
    context = browser.new_context(forced_colors="active", color_scheme=scheme)
    page = context.new_page()
    page.goto(report.as_uri())
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    for selector, colour in (
        ("svg .bar", "fill"),
        ("svg .dot", "stroke"),
        ("svg .dot.best", "fill"),
        ("svg text", "fill"),
        ("svg .cell", "fill"),
    ):
        assert page.locator(selector).first.evaluate(f"element => getComputedStyle(element).{colour}") != ground, selector
    assert page.locator("td.best").first.evaluate("element => getComputedStyle(element).outlineStyle") == "solid"
    context.close()
