"""Text with the fonts of this machine, and without any."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFont

from orojar_cli.media import fonts, labelled_grid
from orojar_cli.media.text import elided, font, length, plain, undrawable, write

LABELS = ("Łódź café", "Ελλάδα", "ширина лица")
found = pytest.mark.skipif(
    any(fonts.covering(letter, 14) is None for letter in "ŁόшάΕ"),
    reason="no font here has these letters: install fonts-dejavu-core",
)


@pytest.fixture
def no_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "covering", lambda character, size: None)


def drawn(text: str, colour: tuple[int, int, int] = (0, 0, 0), anchor: str = "ls") -> np.ndarray:
    picture = Image.new("RGB", (240, 40), (255, 255, 255))
    write(picture, (120, 25), text, colour, font(14), anchor)
    return np.asarray(picture)


def test_without_fonts_text_is_spelled_with_what_there_is_and_missing_letters_are_known(no_fonts) -> None:
    assert plain("σ = −2  é") == "sigma = -2  e"
    assert plain("漢\n\ud800") == "? ?"
    assert plain("Łódź") == "?odz"
    assert undrawable(["Łódź", "x −2 σ", "漢漢"]) == "Łóź漢"
    assert drawn("Łódź").tobytes() == drawn("?odz").tobytes()


def test_letters_of_the_built_in_font_look_for_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(character: str, size: int) -> None:
        raise AssertionError(character)

    monkeypatch.setattr(fonts, "covering", refuse)
    assert plain("x position, −2 σ → 3") == "x position, -2 sigma -> 3"
    assert elided("a label that is too long for its place", font(14), 100).endswith("…")
    assert undrawable(["dim 3", "−2 σ"]) == ""


@found
@pytest.mark.parametrize("label", LABELS)
def test_a_label_is_drawn_with_all_its_letters(label: str) -> None:
    assert plain(label) == label and undrawable([label]) == ""
    for anchor, left in (("ls", 120), ("ms", 120 - length(label, font(14)) / 2), ("rm", 120 - length(label, font(14)))):
        columns = np.flatnonzero((drawn(label, anchor=anchor) < 200).any((0, 2)))
        assert abs(columns[0] - left) <= 2 and abs(columns[-1] + 1 - left - length(label, font(14))) <= 2
    assert drawn(label).tobytes() != drawn("".join("?" if letter not in " " else " " for letter in label)).tobytes()
    assert len({drawn(letter).tobytes() for letter in label}) == len(set(label))


@found
def test_a_long_label_in_other_letters_is_shortened_and_grids_have_room_for_it() -> None:
    short = elided("ширина лица и ещё несколько слов", font(14), 90)
    assert short.endswith("…") and 60 < length(short, font(14)) <= 90
    cells = np.full((1, 1, 40, 40, 3), 9, np.uint8)
    assert labelled_grid(cells, row_labels=["ширина лица"]).width >= 40 + length("ширина лица", font(14))


def test_pictures_of_a_font_are_made_smaller(tmp_path) -> None:
    """A font that opens at 109 pixels only stands for one of coloured emoji."""
    face = fonts.Face(ImageFont.load_default(109), 14, 109)
    picture = face.picture("A")
    assert picture.mode == "RGBA" and picture.height < 20 and np.asarray(picture)[..., 3].max() > 200
    assert face.getlength("AA") == pytest.approx(2 * face.getlength("A"), rel=0.01) and face.getlength("A") < 20


def test_what_a_broken_fontconfig_says_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    program = tmp_path / "fc-list"
    program.write_text("#!/bin/sh\nprintf '/no/such/font.ttf\\t0\\t80\\t0\\tFalse\\t\\n\\nnonsense\\n'\n")
    program.chmod(0o755)
    monkeypatch.setattr(fonts.shutil, "which", lambda name: str(program))
    fonts._of_fontconfig.cache_clear()
    assert len(fonts._of_fontconfig("漢")) > 1
    assert all(fonts._opened(path, index, 14) is None for path, index in fonts._of_fontconfig("漢"))
    program.write_text("#!/bin/sh\nexit 3\n")
    fonts._of_fontconfig.cache_clear()
    assert fonts._of_fontconfig("漢") == ()
    fonts._of_fontconfig.cache_clear()
