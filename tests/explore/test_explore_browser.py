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
from paths import REFERENCES, ROOT
from PIL import Image

from orojar_cli import load_directions
from orojar_cli.cli import main

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
        while not self._true(script):
            assert time.monotonic() < end, script
            self.page.wait_for_timeout(20)

    def _true(self, script: str) -> bool:
        try:
            return bool(self.page.evaluate(script))
        except Exception as error:
            # The page is being loaded again.
            if "context was destroyed" not in str(error):
                raise
            return False

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
    tab.page.keyboard.press("s")
    assert int(tab.page.locator("#save-size").input_value()) >= tab.page.locator(".pictures canvas").bounding_box()["width"] - 1
    tab.page.locator("#save-size").fill("32")
    with tab.page.expect_download() as saved:
        tab.page.keyboard.press("Enter")
    with Image.open(saved.value.path()) as picture:
        assert saved.value.suggested_filename == "shapes32-seed0.png" and (np.asarray(picture) == tab.pixels()).all()
    tab.page.get_by_role("button", name="Film…").click()
    tab.page.locator("#save-size").fill("64")
    with tab.page.expect_download() as saved:
        tab.page.get_by_role("button", name="Save", exact=True).click()
    with Image.open(io.BytesIO(Path(saved.value.path()).read_bytes())) as film:
        assert saved.value.suggested_filename == "shapes32-dim2.gif" and film.n_frames == 48
    tab.page.keyboard.press("g")
    for field, value in (("#save-extent", "1.5"), ("#save-seconds", "0.5"), ("#save-fps", "10"), ("#save-size", "96")):
        tab.page.locator(field).fill(value)
    tab.page.locator("#save-kind").select_option("webp")
    assert "5 frames" in tab.page.locator("#save-told").text_content()
    with tab.page.expect_download() as saved:
        tab.page.get_by_role("button", name="Save", exact=True).click()
    with Image.open(io.BytesIO(Path(saved.value.path()).read_bytes())) as film:
        assert film.format == "WEBP" and film.n_frames == 5 and film.size[0] == 96 + 16
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
            picture = Image.open(io.BytesIO(tab.page.locator(selector).first.screenshot())).convert("RGB")
            # Beside the thumb, and beside the letters.
            assert sum(picture.getpixel((picture.width // 12, picture.height // 2))) < 600, f"{selector} is to be seen"


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


def test_undo_and_redo_of_everything(tab: Tab, tmp_path: Path) -> None:
    undo, redo = tab.page.get_by_role("button", name="Undo"), tab.page.get_by_role("button", name="Redo")
    assert undo.is_disabled() and redo.is_disabled()
    pictures = [tab.pixels()]
    tab.move(0, 2, key="PageUp")
    pictures.append(tab.pixels())
    tab.page.locator("#next").click()
    tab.settle()
    pictures.append(tab.pixels())
    tab.page.get_by_text("SeFa").click()
    tab.until("document.querySelectorAll('.row').length === 16")
    tab.settle()
    tab.move(0, 1, key="PageUp")
    pictures.append(tab.pixels())
    tab.page.locator(".row .name").first.click()
    tab.page.keyboard.type("tone")
    tab.page.keyboard.press("Enter")
    tab.until("document.querySelector('.row .name').textContent === 'tone'")
    tab.page.keyboard.press("Control+z")
    tab.until("document.querySelector('.row .name').textContent === 'dim 0'")
    tab.page.keyboard.press("z")
    tab.page.keyboard.press("z")
    tab.settle()
    assert (tab.pixels() == pictures[2]).all() and tab.page.locator("#view :checked").get_attribute("value") == "own"
    tab.page.keyboard.press("z")
    tab.settle()
    assert (tab.pixels() == pictures[1]).all() and tab.page.locator("#seeds").input_value() == "0"
    undo.click()
    tab.settle()
    assert (tab.pixels() == pictures[0]).all() and undo.is_disabled()
    for _ in range(4):
        redo.click()
    tab.settle()
    assert (tab.pixels() == pictures[3]).all()
    redo.click()
    tab.until("document.querySelector('.row .name').textContent === 'tone'")
    assert redo.is_disabled()


def dropped(tab: Tab, name: str, data: bytes) -> None:
    """Drop a file on the page."""
    script = """([name, bytes]) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([new Uint8Array(bytes)], name));
        document.dispatchEvent(new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true}));
    }"""
    tab.page.evaluate(script, [name, list(data)])


def saved_by(tab: Tab, act) -> tuple[str, bytes]:
    with tab.page.expect_download() as saved:
        act()
    return saved.value.suggested_filename, Path(saved.value.path()).read_bytes()


def arranged(tab: Tab) -> np.ndarray:
    """A state with something in every setting, and its picture."""
    tab.page.locator("#seeds").fill("5,7")
    tab.page.keyboard.press("Enter")
    tab.page.get_by_role("button", name="More", exact=True).click()
    tab.page.locator("#mix-seed").fill("11")
    tab.page.keyboard.press("Enter")
    tab.page.locator("#mix-layers").fill("coarse")
    tab.page.keyboard.press("Enter")
    tab.page.locator("#noise").uncheck()
    tab.page.locator("#unit").select_option("latent")
    tab.page.locator("#layers").fill("0-5")
    tab.page.keyboard.press("Enter")
    tab.move(1, 2, key="PageUp")
    tab.move(4, 1, key="PageDown")
    return tab.pixels()


@pytest.mark.parametrize("how", ["png", "gif", "json", "link", "paste"])
def test_everything_comes_back_after_a_restart(chromium, serve, tmp_path: Path, shapes_path: Path, how: str) -> None:
    with opened(chromium, serve, tmp_path, shapes_path) as (tab, _):
        shown = arranged(tab)
        strengths = tab.page.locator(".value").all_text_contents()
        if how in ("png", "gif"):
            tab.page.keyboard.press("s" if how == "png" else "g")
            for field in ("#save-size",) if how == "png" else ("#save-size", "#save-seconds"):
                tab.page.locator(field).fill("32" if field == "#save-size" else "0.2")
            name, data = saved_by(tab, lambda: tab.page.get_by_role("button", name="Save", exact=True).click())
        else:
            tab.page.get_by_role("button", name="Settings…").click()
            name, data = saved_by(tab, lambda: tab.page.get_by_role("button", name="Save as a small file").click())
            tab.page.evaluate("navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve(); }")
            tab.page.get_by_role("button", name="Copy a link").click()
            tab.until("window.copied")
            link = tab.page.evaluate("window.copied")
    with opened(chromium, serve, tmp_path, shapes_path) as (tab, url):
        assert (tab.pixels() != shown).any()
        if how == "link":
            tab.page.goto(url + link[link.index("&settings=") :])
        elif how == "paste":
            script = """text => {
                const transfer = new DataTransfer();
                transfer.setData("text", text);
                document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true, cancelable: true}));
            }"""
            tab.page.evaluate(script, link)
        else:
            dropped(tab, name, data)
        tab.until("document.getElementById('status').textContent === 'Everything is as it was saved'")
        tab.settle()
        assert (tab.pixels() == shown).all() and tab.page.locator(".value").all_text_contents() == strengths
        assert tab.page.locator("#seeds").input_value() == "5,7" and tab.page.locator("#mix-layers").input_value() == "0-2"
        assert "settings" not in tab.page.url
        tab.page.keyboard.press("z")
        tab.settle()
        assert tab.page.locator("#seeds").input_value() == "0", "bringing back is undone like everything else"


def test_what_holds_no_settings_is_said(tab: Tab) -> None:
    before = tab.pixels()
    empty = io.BytesIO()
    Image.new("RGB", (4, 4)).save(empty, "PNG")
    odd = json.dumps({"format": "orojar-explore-1", "state": {"seeds": ["<img src=x onerror=alert(1)>"]}}).encode()
    for name, data in (("empty.png", empty.getvalue()), ("words.txt", b"words"), ("odd.json", odd), ("cut.gif", b"GIF89a\x01")):
        tab.page.locator("#status").evaluate("status => status.textContent = ''")
        dropped(tab, name, data)
        tab.until("document.getElementById('status').textContent !== ''")
        assert "error" in tab.page.locator("#status").get_attribute("class")
    assert (tab.pixels() == before).all()
    # A browser says itself what was refused.
    tab.complaints[:] = [text for text in tab.complaints if "400" not in text]


def test_play_walks_the_direction_under_the_pointer(tab: Tab) -> None:
    before = tab.pixels()
    tab.page.locator(".row").nth(0).hover()
    tab.page.get_by_role("button", name="Play", exact=True).click()
    tab.until("Math.abs(document.querySelector('.row input').value) > 0.5")
    tab.page.locator(".row").nth(3).hover()
    tab.until("Math.abs(document.querySelectorAll('.row input')[3].value) > 0.5")
    assert tab.slider(0).input_value() == "0" and (tab.pixels() != before).any()
    tab.page.get_by_role("button", name="Stop", exact=True).click()
    tab.settle()
    stopped = float(tab.slider(3).input_value())
    assert abs(stopped) <= 2 and tab.page.get_by_role("button", name="Undo").is_enabled() == (stopped != 0)
    shown = tab.pixels()
    tab.page.reload()
    tab.page.wait_for_selector(".row")
    tab.settle()
    assert (tab.pixels() == shown).all(), "it stays where it was stopped"
    tab.move(1, 1, key="PageUp")
    moved = tab.pixels()
    tab.page.keyboard.press(" ")
    tab.until("document.querySelector('.play').textContent === 'Stop' && Math.abs(document.querySelectorAll('.row input')[1].value) < 0.5")
    tab.page.keyboard.press("z")
    tab.settle()
    assert (tab.pixels() == shown).all() and tab.page.locator(".play").text_content() == "Play", "undo ends the walk"
    tab.page.keyboard.press("Z")
    tab.settle()
    assert (tab.pixels() == moved).all()


def test_the_wall_the_lists_and_a_loop_between_two(tab: Tab, tmp_path: Path) -> None:
    tab.page.keyboard.press("w")
    tab.until("document.querySelectorAll('#wall .tile').length === 24 && !document.querySelector('#wall-tiles[aria-busy]')")
    tab.page.get_by_role("button", name="Like seed 3", exact=True).click()
    tab.page.get_by_role("button", name="Put seed 4 with the others", exact=True).click()
    tab.until("document.getElementById('status').textContent.includes('with the others now')")
    tab.page.get_by_role("button", name="Later").click()
    tab.until("!document.querySelector('#wall-tiles[aria-busy]')")
    tab.page.get_by_role("button", name="Seed 30", exact=True).click()
    tab.settle()
    assert tab.page.locator("#seeds").input_value() == "30" and not tab.page.locator("#wall").is_visible()
    tab.move(2, 2, key="PageUp")
    state = tab.pixels()
    heart = tab.page.get_by_role("button", name="Like what is shown")
    heart.click()
    tab.until("document.querySelector('.liked').getAttribute('aria-pressed') === 'true'")
    kept = json.loads((tmp_path / "choices.json").read_text())
    assert [(entry["seed"], entry["edits"]) for entry in kept["liked"]] == [(3, []), (30, [[2, 2.0]])]
    assert [entry["seed"] for entry in kept["others"]] == [4] and kept["liked"][1]["entries"] == [0] * 8
    tab.page.keyboard.press("z")
    tab.until("document.querySelector('.liked').getAttribute('aria-pressed') === 'false'")
    assert len(json.loads((tmp_path / "choices.json").read_text())["liked"]) == 1
    tab.page.keyboard.press("Z")
    tab.until("document.querySelector('.liked').getAttribute('aria-pressed') === 'true'")
    tab.page.get_by_role("button", name="Liked 2").click()
    tab.until("!document.querySelector('#chosen [aria-busy]') && document.querySelectorAll('#chosen .tile').length === 3")
    tab.page.get_by_role("button", name="seed 3", exact=True).click()
    tab.settle()
    plain = tab.pixels()
    assert tab.page.locator("#seeds").input_value() == "3" and (plain != state).any()
    tab.page.get_by_role("button", name="Liked 2").click()
    for mark in tab.page.locator("#liked-tiles .tile .toggle:nth-of-type(1)").all():
        mark.click()
    tab.page.get_by_role("button", name="Loop between the two marked").click()
    tab.until("document.querySelector('.play').textContent === 'Stop'")
    seen = set()
    end = time.monotonic() + 30
    while len(seen) < 3 and time.monotonic() < end:
        seen.add(tab.pixels().tobytes())
    assert len(seen) >= 3
    tab.page.get_by_role("button", name="Stop", exact=True).click()
    tab.settle()
    assert (tab.pixels() == plain).all(), "a loop leads back to what was shown"
    tab.page.keyboard.press("g")
    tab.page.locator("#save-what").select_option("between")
    for field, value in (("#save-seconds", "0.5"), ("#save-fps", "8"), ("#save-size", "32")):
        tab.page.locator(field).fill(value)
    name, data = saved_by(tab, lambda: tab.page.get_by_role("button", name="Save", exact=True).click())
    with Image.open(io.BytesIO(data)) as film:
        assert name == "shapes32-between.gif" and film.n_frames == 4
        first = np.asarray(film.convert("RGB"))
        film.seek(2)
        assert np.abs(first[8:40, 8:40].astype(int) - plain).mean() < 3
        assert np.abs(np.asarray(film.convert("RGB"))[8:40, 8:40].astype(int) - state).mean() < 3


def test_another_network_is_opened_from_the_page(chromium, serve, tmp_path: Path, shapes_path: Path) -> None:
    explorer = explorer_in(tmp_path, shapes_path, library=True)
    with serve(explorer) as client:
        context = chromium.new_context(viewport={"width": 1280, "height": 860})
        tab = Tab(context, f"{client.base}/#token={client.token}")
        tab.move(0, 2, key="PageUp")
        moved = tab.pixels()
        tab.page.get_by_role("button", name="Open…").click()
        tab.page.locator("#open-name").fill("https://example.org/net.pkl")
        tab.page.get_by_role("button", name="Open", exact=True).click()
        tab.page.get_by_text("addresses are opened by the terminal").wait_for()
        tab.page.locator("#open-name").fill(str(REFERENCES / "sg2_cond_fp16_64.pkl"))
        tab.page.get_by_role("button", name="Open", exact=True).click()
        tab.until("document.title.startsWith('sg2_cond_fp16_64.pkl')")
        tab.settle()
        assert tab.pixels().shape == (64, 64, 3) and tab.page.locator("#class-setting").is_visible()
        assert tab.page.locator(".pictures canvas").evaluate("canvas => getComputedStyle(canvas).imageRendering") == "auto"
        tab.page.get_by_role("button", name="Open…").click()
        tab.page.get_by_role("button", name="the bundled demonstration").click()
        tab.until("document.title.startsWith('shapes32.pkl')")
        tab.settle()
        assert (tab.pixels() == moved).all(), "it is as it was left"
        assert all("400" in text for text in tab.complaints)
        context.close()


def test_a_lock_keeps_what_its_slider_does(tab: Tab) -> None:
    tab.move(2, 1, key="PageUp")
    free = tab.pixels()
    tab.slider(3).focus()
    tab.page.keyboard.press("l")
    tab.settle()
    locked = tab.pixels()
    lock = tab.page.get_by_role("button", name="Keep x position while others move")
    assert lock.get_attribute("aria-pressed") == "true" and (locked != free).any()
    tab.page.keyboard.press("z")
    tab.settle()
    assert lock.get_attribute("aria-pressed") == "false" and (tab.pixels() == free).all()
    lock.click()
    tab.settle()
    assert (tab.pixels() == locked).all()
    tab.page.reload()
    tab.page.wait_for_selector(".row")
    tab.settle()
    assert (tab.pixels() == locked).all()


def test_unit_and_center_as_the_command_says(chromium, serve, tmp_path: Path, shapes_path: Path) -> None:
    sigma = float(load_directions(ROOT / "checkpoints" / "shapes32-directions.safetensors").sigma[2])
    with serve(explorer_in(tmp_path, shapes_path, look={"unit": "latent", "center": True})) as client:
        context = chromium.new_context(viewport={"width": 1280, "height": 860})
        tab = Tab(context, f"{client.base}/#token={client.token}")
        tab.move(2, 1, key="PageUp")
        shown = tab.slider(2).get_attribute("aria-valuetext")
        assert float(shown.removesuffix(" units")) == pytest.approx(sigma, abs=0.006)
        tab.page.keyboard.press("c")
        tab.page.wait_for_selector("#command[open]")
        assert "--center" in tab.page.locator("#command-film").text_content()
        tab.page.keyboard.press("Escape")
        tab.page.keyboard.press("g")
        assert tab.page.locator("#save-center").is_checked() and tab.page.locator("#save-unit").text_content() == "units"
        assert float(tab.page.locator("#save-extent").input_value()) == pytest.approx(3 * sigma, abs=0.006)
        context.close()


def test_settings_of_another_run_open_it(chromium, serve, tmp_path: Path, shapes_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["discover", str(shapes_path), "--method", "random", "--num", "2", "--samples", "8"])
    (run,) = (tmp_path / "orojar-runs").iterdir()
    with serve(explorer_in(tmp_path, shapes_path, library=True)) as client:
        told = client.post("open", {"name": str(run)}).json()
        state = {"view": "own", "seeds": [4], "psi": 1.0, "class": None, "layers": None, "edits": {"own": [[1, 2.0]]}}
        settings = json.dumps({"format": "orojar-explore-1", **told["identity"], "state": state}).encode()
        shown = client.pixels(source=str(run), seeds=[4], edits=[[1, 2.0]])
    with serve(explorer_in(tmp_path, shapes_path, library=True)) as client:
        context = chromium.new_context(viewport={"width": 1280, "height": 860})
        tab = Tab(context, f"{client.base}/#token={client.token}")
        dropped(tab, "settings.json", settings)
        tab.until("document.querySelectorAll('.row').length === 2")
        tab.until("document.getElementById('status').textContent === 'Everything is as it was saved'")
        tab.settle()
        assert (tab.pixels() == shown).all() and tab.page.locator("#seeds").input_value() == "4" and tab.complaints == []
        context.close()
    manifest = json.loads((run / "run.json").read_text())
    manifest["checkpoint"] = {"path": "gone.pkl", "sha256": manifest["checkpoint"]["sha256"]}
    (run / "run.json").write_text(json.dumps(manifest))
    with serve(explorer_in(tmp_path, shapes_path, library=True)) as client:
        context = chromium.new_context(viewport={"width": 1280, "height": 860})
        tab = Tab(context, f"{client.base}/#token={client.token}")
        dropped(tab, "settings.json", settings)
        tab.until("document.getElementById('status').textContent.includes('gone.pkl')")
        assert tab.page.locator(".row").count() == 10 and "error" in tab.page.locator("#status").get_attribute("class")
        tab.page.evaluate("sessionStorage.setItem('orojar:source', 'nothing.pkl')")
        tab.page.reload()
        tab.page.wait_for_selector(".row")
        tab.until("document.getElementById('status').textContent.includes('nothing.pkl')")
        context.close()
