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
