"""Text in pictures: one font on every machine, others for letters it lacks where the machine has them, lines that are too long."""

from __future__ import annotations

import bisect
import functools
import itertools
import unicodedata
from collections.abc import Iterable, Sequence

from PIL import Image, ImageDraw, ImageFont

from orojar_cli.media import fonts
from orojar_cli.media.fonts import Face, Font

# No picture has room for more.
_LONGEST = 500
_SPELLED = {"σ": "sigma", "−": "-", "–": "-", "—": "-", "→": "->", "←": "<-", "×": "x", "α": "alpha", "π": "pi", "ß": "ss"}
# Joins of emoji and choices between their forms: without a shape of their own.
_JOINING = "\u200d\ufe0e\ufe0f"


@functools.lru_cache
def font(size: int) -> Font:
    """Pillow's built-in scalable font, which is the same on every machine."""
    return ImageFont.load_default(size)


@functools.lru_cache(4096)
def _drawable(character: str) -> bool:
    face = font(14)
    # The font draws every character it lacks as the same box; U+FFFF is one it must lack.
    return bytes(face.getmask(character)) != bytes(face.getmask("\uffff"))


def plain(text: str) -> str:
    """`text` in characters that can be drawn here, anything else a question mark.

    What the built-in font has, with some symbols spelled out; a text of other letters in those that a font of this machine has, the rest
    without their accents.
    """
    drawn = []
    characters = unicodedata.normalize("NFC", text[:_LONGEST])
    foreign = _is_foreign(characters)
    for character in characters:
        if character.isspace():
            drawn.append(" ")
        elif character.isprintable() and (_drawable(character) or (foreign and _found(character))):
            drawn.append(character)
        elif character in _SPELLED:
            drawn.append(_SPELLED[character])
        elif not unicodedata.combining(character) and character not in _JOINING:
            base = unicodedata.normalize("NFKD", character)[0]
            drawn.append(base if base.isprintable() and (_drawable(base) or _found(base)) else "?")
    return "".join(drawn)


def undrawable(texts: Iterable[str]) -> str:
    """The letters of some texts that no font of this machine has, each once: `plain` makes question marks or bare letters of them."""
    characters = dict.fromkeys(itertools.chain.from_iterable(unicodedata.normalize("NFC", text[:_LONGEST]) for text in texts))
    return "".join(
        character
        for character in characters
        if not (character.isspace() or unicodedata.combining(character) or character in _JOINING or character in _SPELLED)
        and character.isprintable()
        and not _drawable(character)
        and not _found(character)
    )


def length(text: str, face: Font) -> float:
    """The width in pixels of a text as `write` draws it."""
    return sum(part.getlength(run) for run, part in _runs(plain(text), face))


def write(picture: Image.Image, place: tuple[float, float], text: str, colour: tuple[int, ...], face: Font, anchor: str = "ls") -> None:
    """Draw a text (see `plain`) on a picture, by Pillow's anchors: l, m or r, and s or m."""
    text, draw = plain(text), ImageDraw.Draw(picture)
    runs = _runs(text, face)
    if all(part is face for _, part in runs):
        draw.text(place, text, colour, face, anchor=anchor)
        return
    x = place[0] - {"l": 0.0, "m": 0.5, "r": 1.0}[anchor[0]] * sum(part.getlength(run) for run, part in runs)
    # The middle of the built-in font's letters, for all of its texts alike.
    y = place[1] + (face.getbbox("x", anchor="lm")[3] if anchor[1] == "m" else 0)
    for run, part in runs:
        if isinstance(part, Face) and part.drawn is not None:
            drawn = part.picture(run)
            picture.paste(drawn, (round(x), round(y + part.size * 0.2 - drawn.height)), drawn)
        else:
            draw.text((x, y), run, colour, part.font if isinstance(part, Face) else part, anchor="ls")
        x += part.getlength(run)


def elided(text: str, face: Font, width: float) -> str:
    """`text` as it can be drawn, shortened with an ellipsis where it is longer than `width` pixels."""
    text = plain(text)
    if length(text, face) <= width:
        return text
    # The longest start that fits, by bisection: measuring is slow, and a label may be a whole paragraph.
    end = bisect.bisect_right(range(len(text)), width, key=lambda end: length(text[:end].rstrip() + "…", face)) - 1
    return text[: max(0, end)].rstrip() + "…"


def fitting(texts: list[str], width: float, size: int, smallest: int) -> Font:
    """The font of at most `size` in which the longest of `texts` fits `width` pixels, but not below `smallest`."""
    for points in range(size, smallest, -1):
        if max((length(text, font(points)) for text in texts), default=0) <= width:
            return font(points)
    return font(smallest)


def _is_foreign(text: str) -> bool:
    """Whether a text has letters that the built-in font neither has nor are spelled out: then it is left as it is where it can be."""
    return any(
        character.isprintable() and not character.isspace() and character not in _SPELLED and not _drawable(character) for character in text
    )


def _found(character: str) -> bool:
    return fonts.covering(character, 14) is not None


def _runs(text: str, face: Font) -> Sequence[tuple[str, Font | Face]]:
    """Stretches of a text with the font of each.

    A word with an accent is all in the font that has the accent; symbols and emoji alone are in theirs.
    """
    if all(map(_drawable, text.replace(" ", ""))) or not isinstance(face, ImageFont.FreeTypeFont):
        return [(text, face)]
    size = round(face.size)
    foreign = [
        found for character in text if character.isalpha() and not _drawable(character) and (found := fonts.covering(character, size))
    ]
    letters: list[Face] = list(dict.fromkeys(foreign))

    def chosen(character: str) -> Font | Face:
        for known in letters:
            if character != " " and not _is_picture(character) and known.drawn is None and known.has(character):
                return known
        return face if character == " " or _drawable(character) else fonts.covering(character, size) or face

    runs: list[tuple[str, Font | Face]] = []
    for character in text:
        # A space belongs to what stands before it.
        part = runs[-1][1] if character == " " and runs and not _is_bitmap(runs[-1][1]) else chosen(character)
        if runs and runs[-1][1] is part:
            runs[-1] = runs[-1][0] + character, part
        else:
            runs.append((character, part))
    return runs


def _is_picture(character: str) -> bool:
    return unicodedata.category(character) == "So"


def _is_bitmap(part: Font | Face) -> bool:
    return isinstance(part, Face) and part.drawn is not None
