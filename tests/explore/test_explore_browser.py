"""The page in a real browser: pytest -m browser tests/explore (extra browser-test, and a Chromium on the PATH or playwright's own)."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from explorer_client import explorer_in
from PIL import Image

from orojar_cli import load_directions

pytestmark = pytest.mark.browser
FLAGS = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync"


@pytest.fixture(scope="module")
def chromium():
    sync_api = pytest.importorskip("playwright.sync_api")
    names = (os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome")
    path = next((found for name in names if name and (found := shutil.which(name))), None)
    with sync_api.sync_playwright() as playwright, tempfile.TemporaryDirectory() as home:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS.split(), env=os.environ | {"HOME": home})
        yield browser
        browser.close()


class Tab:
    """A page with the demonstration network, what it complained of, and whom it called."""

    def __init__(self, context, url: str) -> None:
        self.page = context.new_page()
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text) if message.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(url)
        self.page.wait_for_selector(".row")
        self.settle()

    def until(self, script: str) -> None:
        """Wait until a script is true; the page's policy forbids to wait for it inside."""
        end = time.monotonic() + 30
        while not self.page.evaluate(script):
            assert time.monotonic() < end, script
            self.page.wait_for_timeout(20)

    def settle(self) -> None:
        """Wait until pictures and thumbnails are there."""
        self.until("document.querySelectorAll('.busy, .old, .pictures[aria-busy], .pictures:empty').length === 0")

    def slider(self, index: int, pane: int = 0):
        return self.page.locator(".list").nth(pane).locator("input[type=range]").nth(index)

    def pixels(self, selector: str = ".pictures canvas") -> np.ndarray:
        """What a canvas holds."""
        script = """canvas => {
            const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
            copy.drawImage(canvas, 0, 0);
            return [canvas.width, ...copy.getImageData(0, 0, canvas.width, canvas.height).data];
        }"""
        width, *values = self.page.locator(selector).first.evaluate(script)
        return np.array(values, np.uint8).reshape(-1, width, 4)[..., :3]

    def move(self, index: int, presses: int, pane: int = 0, key: str = "ArrowRight") -> None:
        self.slider(index, pane).focus()
        for _ in range(presses):
            self.page.keyboard.press(key)
        self.settle()


@contextlib.contextmanager
def opened(browser, serve, folder: Path, shapes_path: Path, **look) -> Iterator[tuple[Tab, str]]:
    with serve(explorer_in(folder, shapes_path)) as client:
        url = f"{client.base}/#token={client.token}"
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 860}} | look)
        tab = Tab(context, url)
        yield tab, url
        assert tab.complaints == []
        assert tab.asked and all(address.startswith(client.base) for address in tab.asked), "nothing is asked of anybody else"
        assert not any(client.token in address.partition("#")[0] for address in tab.asked)
        context.close()


@pytest.fixture
def tab(chromium, serve, tmp_path: Path, shapes_path: Path) -> Iterator[Tab]:
    with opened(chromium, serve, tmp_path, shapes_path) as (tab, _):
        yield tab


def test_a_slider_changes_the_picture_and_goes_back(tab: Tab) -> None:
    before = tab.pixels()
    assert before.shape == (32, 32, 3) and before.std() > 5
    tab.move(0, 12)
    moved = tab.pixels()
    assert (moved != before).any() and tab.page.locator(".row").first.locator(".value").text_content() == "+1.2"
    assert tab.slider(0).get_attribute("aria-valuetext") == "+1.2 sigmas"
    tab.page.keyboard.press("0")
    tab.settle()
    assert (tab.pixels() == before).all()
    box = tab.slider(0).bounding_box()
    tab.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tab.page.mouse.down()
    for step in range(30):
        tab.page.mouse.move(box["x"] + box["width"] * (0.5 + step / 100), box["y"] + box["height"] / 2)
    tab.page.mouse.up()
    tab.settle()
    assert (tab.pixels() != before).any()
    tab.slider(0).dblclick()
    tab.settle()
    assert (tab.pixels() == before).all() and tab.slider(0).input_value() == "0"
    tab.move(0, 2, key="PageUp")
    moved = tab.pixels()
    tab.page.keyboard.press("x")
    tab.settle()
    assert (tab.pixels() == before).all()
    tab.page.keyboard.press("z")
    tab.settle()
    assert (tab.pixels() == moved).all() and tab.slider(0).input_value() == "2"


def test_thumbnails_follow_the_hovered_direction_and_lead_there(tab: Tab, tmp_path: Path) -> None:
    labels = load_directions(tmp_path / "directions.safetensors").labels
    assert labels[3] and not labels[5]
    shown = [tab.pixels(".thumb canvas")]
    for index, title in ((5, "dim 5"), (3, f"dim 3 · {labels[3]}")):
        tab.page.locator(".row").nth(index).hover()
        tab.until(f"document.querySelector('p.walked').textContent === {json.dumps(title)}")
        tab.settle()
        shown.append(tab.pixels(".thumb canvas"))
    assert all((one != other).any() for index, one in enumerate(shown) for other in shown[:index])
    tab.page.locator(".thumb").nth(4).click()
    tab.settle()
    assert tab.slider(3).input_value() == "2"
    assert np.abs(tab.pixels().astype(int) - tab.pixels(".thumb:last-child canvas")).max() <= 1


def test_a_name_is_written_and_there_after_a_reload(tab: Tab, tmp_path: Path) -> None:
    tab.move(1, 5)
    tab.page.keyboard.press("F2")
    tab.page.keyboard.type("x position")
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_selector("text=is now")
    assert load_directions(tmp_path / "directions.safetensors").labels[1] == "x position"
    moved = tab.pixels()
    tab.page.reload()
    tab.page.wait_for_selector(".row")
    tab.settle()
    assert tab.page.locator(".row").nth(1).locator(".name").text_content() == "x position"
    assert tab.slider(1).input_value() == "0.5" and (tab.pixels() == moved).all(), "the sliders are where they were"
    tab.page.locator(".row").nth(1).locator(".name").click()
    tab.page.keyboard.type("never mind")
    tab.page.keyboard.press("Escape")
    assert tab.page.locator(".row").nth(1).locator(".name").text_content() == "x position"
    assert "directions.safetensors" in tab.page.locator(".kept").text_content()


def test_both_methods_side_by_side(tab: Tab) -> None:
    tab.page.get_by_text("Compare").click()
    tab.until("document.querySelectorAll('.list').length === 2 && document.querySelectorAll('.row').length === 26")
    tab.settle()
    own, sefa = (".stage:nth-child(1) .pictures canvas", ".stage:nth-child(2) .pictures canvas")
    assert (tab.pixels(own) == tab.pixels(sefa)).all(), "the same image to begin with"
    before = tab.pixels(own)
    tab.move(0, 20, pane=1)
    assert (tab.pixels(own) == before).all() and (tab.pixels(sefa) != before).any()
    tab.page.keyboard.press("n")
    tab.settle()
    assert (tab.pixels(own) != before).any() and tab.page.locator("#seeds").input_value() == "1"
    left, right = (tab.page.locator(f".stage:nth-child({side})").bounding_box() for side in (1, 2))
    assert left["x"] + left["width"] <= right["x"] and abs(left["y"] - right["y"]) < 1


def test_settings(tab: Tab) -> None:
    pictures = [tab.pixels()]
    tab.page.locator("#seeds").fill("5, 8-9")
    tab.page.keyboard.press("Enter")
    tab.settle()
    assert tab.page.locator(".pictures canvas").count() == 3
    tab.page.locator("#next").click()
    assert tab.page.locator("#seeds").input_value() == "8,11-12"
    tab.page.locator("#seeds").fill("four")
    tab.page.keyboard.press("Enter")
    assert tab.page.locator("#seeds").get_attribute("aria-invalid") == "true"
    tab.page.locator("#seeds").fill("0")
    tab.page.keyboard.press("Enter")
    tab.move(0, 3, key="PageUp")
    pictures.append(tab.pixels())
    tab.page.locator("#layers").fill("0-1")
    tab.page.keyboard.press("Enter")
    tab.settle()
    assert tab.page.locator("#cells .on").count() == 2
    pictures.append(tab.pixels())
    tab.page.locator("#truncation").focus()
    tab.page.keyboard.press("Home")
    tab.settle()
    pictures.append(tab.pixels())
    assert all((one != other).any() for index, one in enumerate(pictures) for other in pictures[:index])


def test_files_and_command(tab: Tab) -> None:
    tab.move(2, 2, key="PageDown")
    with tab.page.expect_download() as saved:
        tab.page.keyboard.press("s")
    with Image.open(saved.value.path()) as picture:
        assert saved.value.suggested_filename == "shapes32-seed0.png" and (np.asarray(picture) == tab.pixels()).all()
    with tab.page.expect_download() as saved:
        tab.page.get_by_role("button", name="Save GIF").click()
    with Image.open(io.BytesIO(Path(saved.value.path()).read_bytes())) as film:
        assert saved.value.suggested_filename == "shapes32-dim2.gif" and film.n_frames == 48
    tab.page.get_by_role("button", name="Command").click()
    tab.page.wait_for_selector("#command[open]")
    line = tab.page.locator("#command-picture").text_content()
    assert line.startswith("orojar traverse ") and "--dim 2:-2" in line
    tab.page.keyboard.press("Escape")
    tab.page.keyboard.press("?")
    assert tab.page.locator("#help").is_visible()


def test_keys_and_order_of_focus(tab: Tab) -> None:
    tab.page.locator("body").click(position={"x": 5, "y": 5})
    tab.page.keyboard.press("j")
    assert tab.slider(0).evaluate("slider => slider === document.activeElement")
    tab.page.keyboard.press("j")
    tab.page.keyboard.press("k")
    tab.page.keyboard.press("Tab")
    assert tab.slider(1).evaluate("slider => slider === document.activeElement")
    outline = tab.page.locator(".row").nth(1).evaluate("row => getComputedStyle(row).outlineStyle")
    assert outline == "solid", "the focus can be seen"
    unnamed = "element => !(element.labels?.length || element.getAttribute('aria-label') || element.textContent.trim())"
    for control in tab.page.locator("button:visible, input:visible, canvas[role]").all():
        assert not control.evaluate(unnamed), control.evaluate("element => element.outerHTML")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_narrow_screens(chromium, serve, tmp_path: Path, shapes_path: Path, scheme: str) -> None:
    look = {"viewport": {"width": 360, "height": 740}, "color_scheme": scheme, "reduced_motion": "reduce", "has_touch": True}
    with opened(chromium, serve, tmp_path, shapes_path, **look) as (tab, _):
        for view in ("OroJaR", "Compare"):
            tab.page.locator("#view").get_by_text(view).click()
            tab.settle()
            assert tab.page.evaluate("document.documentElement.scrollWidth") <= 360, "nothing sticks out"
            tab.slider(9).focus()
            tab.settle()
            picture, slider = tab.page.locator(".stages").bounding_box(), tab.slider(9).bounding_box()
            assert picture["y"] >= -1 and slider["y"] >= picture["y"] + picture["height"] - 1, (
                "the picture stays, the slider is not under it"
            )
            assert slider["y"] + slider["height"] <= 741
        dark = tab.page.evaluate("getComputedStyle(document.body).backgroundColor").strip("rgb()").split(",")
        assert (int(dark[0]) < 60) == (scheme == "dark")


def test_two_tabs_do_not_disturb_each_other(chromium, serve, tmp_path: Path, shapes_path: Path) -> None:
    with opened(chromium, serve, tmp_path, shapes_path) as (one, url):
        other = Tab(one.page.context, url)
        start = one.pixels()
        for step in range(10):
            (one if step % 2 else other).slider(0).focus()
            (one if step % 2 else other).page.keyboard.press("PageUp" if step % 2 else "PageDown")
        one.settle()
        other.settle()
        assert (one.slider(0).input_value(), other.slider(0).input_value()) == ("4", "-4")
        assert (one.pixels() != start).any() and (one.pixels() != other.pixels()).any()
        other.page.evaluate("document.querySelector('.reset-all').click()")
        other.settle()
        assert (other.pixels() == start).all() and (one.pixels() != start).any()
        assert other.complaints == []


def test_without_the_token_the_page_says_what_to_do(chromium, serve, tmp_path: Path, shapes_path: Path) -> None:
    with serve(explorer_in(tmp_path, shapes_path)) as client:
        page = chromium.new_page()
        page.goto(client.base)
        page.wait_for_selector("text=address that the terminal shows")
        page.goto(f"{client.base}/#token=wrong")
        page.wait_for_selector("text=missing or wrong")
        assert not page.locator("#settings").is_visible()
        page.close()


def test_a_page_elsewhere_cannot_use_it(chromium, serve, tmp_path: Path, shapes_path: Path) -> None:
    with serve(explorer_in(tmp_path, shapes_path)) as client, serve(explorer_in(tmp_path, shapes_path)) as elsewhere:
        page = chromium.new_page()
        page.goto(elsewhere.base)
        script = "([url, token]) => fetch(url, {headers: {'X-Orojar-Token': token}, mode: 'cors'}).then(r => r.status, e => 'refused')"
        assert page.evaluate(script, [f"{client.base}/api/session", client.token]) == "refused"
        blocked = page.evaluate(
            "url => new Promise(done => {const frame = document.createElement('iframe'); frame.src = url;"
            " frame.onload = () => done(frame.contentDocument === null); document.body.append(frame)})",
            client.base,
        )
        assert blocked is True
        page.close()


def test_pictures_follow_a_moving_slider(tab: Tab) -> None:
    """While the pointer moves, pictures keep coming, and the last one is that of the place where it stops."""
    tab.page.evaluate("""() => {
        window.drawn = 0;
        const draw = CanvasRenderingContext2D.prototype.drawImage;
        CanvasRenderingContext2D.prototype.drawImage = function (...rest) {
            if (this.canvas.closest(".pictures")) window.drawn += 1;
            return draw.apply(this, rest);
        };
    }""")
    box = tab.slider(0).bounding_box()
    middle = box["y"] + box["height"] / 2
    tab.page.mouse.move(box["x"] + box["width"] / 2, middle)
    tab.page.mouse.down()
    began = time.monotonic()
    for step in range(60):
        tab.page.mouse.move(box["x"] + box["width"] * (0.5 + step / 150), middle)
        time.sleep(0.01)
    during = tab.page.evaluate("window.drawn")
    tab.page.mouse.up()
    tab.settle()
    assert during >= 3, f"{during} pictures in {time.monotonic() - began:.1f} s"
    shown = tab.pixels()
    tab.page.reload()
    tab.page.wait_for_selector(".row")
    tab.settle()
    assert (tab.pixels() == shown).all()


@pytest.mark.parametrize(
    ("field", "text", "told"),
    [
        ("#seeds", "0-9", "10 seeds are too many: the most are nine"),
        ("#seeds", "4294967296", "There is no seed 4294967296: the largest is 4294967295"),
        ("#seeds", "7-3", "goes backwards; write 3-7"),
        ("#seeds", "four", "“four” is not a list of seeds"),
        ("#layers", "5-8", "There is no layer 8: the largest is 7"),
    ],
)
def test_messages_name_the_cause(tab: Tab, field: str, text: str, told: str) -> None:
    tab.page.locator(field).fill(text)
    tab.page.keyboard.press("Enter")
    assert told in tab.page.locator("#status").text_content()
    assert tab.page.locator(field).get_attribute("aria-invalid") == "true"


def test_old_pictures_are_marked_and_drawn_again(tab: Tab) -> None:
    """First a request that fails, then a server that is gone for a while."""
    before = tab.pixels()
    tab.page.route("**/api/picture", lambda route: route.fulfill(status=500, body="too large"))
    tab.slider(0).focus()
    tab.page.keyboard.press("PageUp")
    tab.page.locator(".stale").wait_for()
    assert "This picture is old. too large" in tab.page.locator(".stale").text_content() and (tab.pixels() == before).all()
    tab.page.unroute("**/api/picture")
    tab.page.get_by_role("button", name="Try again").click()
    tab.settle()
    moved = tab.pixels()
    assert (moved != before).any() and not tab.page.locator(".stale").is_visible()
    tab.page.route("**/api/*", lambda route: route.abort())
    tab.slider(0).focus()
    tab.page.keyboard.press("0")
    tab.page.locator("#lost").wait_for()
    assert "does not answer" in tab.page.locator("#lost").text_content() and tab.page.locator(".stale").is_visible()
    assert (tab.pixels() == moved).all()
    tab.page.unroute("**/api/*")
    tab.page.locator("#lost").wait_for(state="hidden")
    tab.settle()
    assert (tab.pixels() == before).all() and not tab.page.locator(".stale").is_visible()
    # A browser says itself what it did not get.
    assert all("Failed to load resource" in text for text in tab.complaints)
    tab.complaints.clear()


def test_forced_colours_leave_tracks_bars_and_the_chosen_method(chromium, serve, tmp_path: Path, shapes_path: Path) -> None:
    with opened(chromium, serve, tmp_path, shapes_path, forced_colors="active") as (tab, _):
        tab.move(0, 2, key="PageUp")
        for selector in (".row input[type=range]", ".bar span", "#view label:has(:checked)", "#cells .on"):
            picture = Image.open(io.BytesIO(tab.page.locator(selector).first.screenshot()))
            colours = picture.convert("RGB").getcolors(1 << 16)
            assert any(sum(colour) < 382 and count > 40 for count, colour in colours), f"{selector} is to be seen: {colours[:5]}"


@pytest.mark.parametrize("size", [(640, 430), (683, 325), (360, 370)])
def test_at_twice_the_size_most_of_the_window_is_sliders(chromium, serve, tmp_path: Path, shapes_path: Path, size: tuple[int, int]) -> None:
    look = {"viewport": {"width": size[0], "height": size[1]}}
    with opened(chromium, serve, tmp_path, shapes_path, **look) as (tab, _):
        tab.slider(5).focus()
        tab.settle()
        tab.page.evaluate("document.querySelectorAll('.row')[5].scrollIntoView({block: 'center'})")
        tab.page.wait_for_timeout(100)
        inside = """[...document.querySelectorAll('.row input')].filter((slider) => {
            const box = slider.getBoundingClientRect();
            return box.top >= 0 && box.bottom <= innerHeight
              && document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2) === slider;
        }).length"""
        assert tab.page.evaluate(inside) >= 5
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_what_the_numbers_beside_a_name_are(tab: Tab) -> None:
    assert tab.page.locator(".columns").first.inner_text().split() == ["Activeness", "Strength"]
    described = "slider => document.getElementById(slider.getAttribute('aria-describedby')).textContent"
    assert tab.slider(0).evaluate(described) == "activeness 0.20"
