"""Fonts of this machine for letters that the built-in font does not have, found when they are needed."""

from __future__ import annotations

import functools
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
# Names that Pillow looks for in the folders of the system and of the user: fonts for letters that look well beside the built-in one, and
# what machines without fontconfig have for the others.
_LETTERS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "FreeSans.ttf", "segoeui.ttf", "arial.ttf", "Arial.ttf")
_OTHERS = (
    ("Arial Unicode.ttf", "Hiragino Sans GB.ttc", "PingFang.ttc", "AppleSDGothicNeo.ttc", "NotoSansCJK-Regular.ttc")
    + ("YuGothM.ttc", "meiryo.ttc", "msgothic.ttc", "msyh.ttc", "malgun.ttf", "ipag.ttf", "wqy-microhei.ttc", "DroidSansFallback.ttf")
    + ("seguiemj.ttf", "seguisym.ttf", "Symbola.ttf", "NotoEmoji-Regular.ttf", "NotoColorEmoji.ttf", "Apple Color Emoji.ttc")
)
# Sizes of the pictures that fonts of coloured emoji hold, which open at no other.
_BITMAPS = (109, 136, 160, 96, 64)
_PLAIN_WEIGHT, _PATIENCE = 80, 5.0


@dataclass(frozen=True)
class Face:
    """A font at a size; `drawn` is the size it is drawn at before it is made smaller, where it holds pictures only."""

    font: ImageFont.FreeTypeFont
    size: int
    drawn: int | None = None

    @property
    def scale(self) -> float:
        return 1.0 if self.drawn is None else self.size * 1.15 / self.drawn

    def has(self, character: str) -> bool:
        """Whether the font has the character: it draws all that it lacks as the same box; U+FFFF is one that it must lack."""
        return bytes(self.font.getmask(character)) != bytes(self.font.getmask("\uffff"))

    def getlength(self, text: str) -> float:
        return float(self.font.getlength(text)) * self.scale

    def picture(self, text: str) -> Image.Image:
        """The coloured pictures of a font that holds them, as RGBA at the size wanted, one text's height above its baseline."""
        left, top, right, bottom = self.font.getbbox(text, anchor="ls")
        drawn = Image.new("RGBA", (max(1, round(right - left)), max(1, round(bottom - top))))
        ImageDraw.Draw(drawn).text((-left, -top), text, font=self.font, anchor="ls", embedded_color=True)
        width, height = (max(1, round(side * self.scale)) for side in drawn.size)
        return drawn.resize((width, height), Image.Resampling.LANCZOS)


@functools.lru_cache(512)
def covering(character: str, size: int) -> Face | None:
    """A face of this machine that has a character, None where there is none."""
    for path, index in _candidates(character):
        face = _opened(path, index, size)
        if face is not None and face.has(character):
            return face
    return None


def _candidates(character: str) -> Iterator[tuple[str, int]]:
    yield from ((name, 0) for name in _LETTERS)
    yield from _of_fontconfig(character)
    yield from ((name, 0) for name in _OTHERS)


@functools.lru_cache(512)
def _of_fontconfig(character: str) -> tuple[tuple[str, int], ...]:
    """(path, index) of the fonts that fontconfig knows to have a character, upright and regular ones without serifs first."""
    program = shutil.which("fc-list")
    if program is None:
        return ()
    wanted = [program, "-f", "%{file}\t%{index}\t%{weight}\t%{slant}\t%{color}\t%{spacing}\n", f":charset={ord(character):x}"]
    try:
        listed = subprocess.run(wanted, capture_output=True, timeout=_PATIENCE, check=True).stdout.decode(errors="replace")
    except (OSError, subprocess.SubprocessError):
        return ()
    found = []
    for line in listed.splitlines():
        path, *numbers = line.split("\t")
        index, weight, slant, colour, spacing = (int(text) if text.isdigit() else 0 for text in [*numbers, *[""] * 5][:5])
        name = path.replace("\\", "/").rpartition("/")[2].lower()
        # Variable fonts count their instances in the upper bits.
        odd = ("serif" in name and "sans" not in name) + ("condensed" in name) + bool(spacing)
        found.append((bool(colour or "color" in name), bool(slant), odd, abs(weight - _PLAIN_WEIGHT), path, index & 0xFFFF))
    return tuple((path, index) for *_, path, index in sorted(found)[:8])


@functools.lru_cache(128)
def _opened(path: str, index: int, size: int) -> Face | None:
    for drawn in (None, *_BITMAPS):
        try:
            return Face(ImageFont.truetype(path, drawn or size, index), size, drawn)
        except (OSError, ValueError):
            continue
    return None
