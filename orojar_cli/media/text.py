"""Text in pictures: one font on every machine, characters it lacks, lines that are too long."""

from __future__ import annotations

import bisect
import functools
import unicodedata

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
# No picture has room for more.
_LONGEST = 500
_SPELLED = {"σ": "sigma", "−": "-", "–": "-", "—": "-", "→": "->", "←": "<-", "×": "x", "α": "alpha", "π": "pi", "ß": "ss"}


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
    """`text` in characters the font has: accents dropped, some symbols spelled out, anything else a question mark."""
    drawn = []
    for character in unicodedata.normalize("NFC", text[:_LONGEST]):
        if character.isspace():
            drawn.append(" ")
        elif character.isprintable() and _drawable(character):
            drawn.append(character)
        elif character in _SPELLED:
            drawn.append(_SPELLED[character])
        elif not unicodedata.combining(character):
            base = unicodedata.normalize("NFKD", character)[0]
            drawn.append(base if base.isprintable() and _drawable(base) else "?")
    return "".join(drawn)


def elided(text: str, face: Font, width: float) -> str:
    """`text` as it can be drawn, shortened with an ellipsis where it is longer than `width` pixels."""
    text = plain(text)
    if face.getlength(text) <= width:
        return text
    # The longest start that fits, by bisection: measuring is slow, and a label may be a whole paragraph.
    length = bisect.bisect_right(range(len(text)), width, key=lambda end: face.getlength(text[:end].rstrip() + "…")) - 1
    return text[: max(0, length)].rstrip() + "…"


def fitting(texts: list[str], width: float, size: int, smallest: int) -> Font:
    """The font of at most `size` in which the longest of `texts` fits `width` pixels, but not below `smallest`."""
    drawn = [plain(text) for text in texts]
    for points in range(size, smallest, -1):
        if max((font(points).getlength(text) for text in drawn), default=0) <= width:
            return font(points)
    return font(smallest)
