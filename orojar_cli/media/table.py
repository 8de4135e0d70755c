"""Tables of text, as pictures and as notebooks show them."""

from __future__ import annotations

import html
from collections.abc import Sequence

from PIL import Image, ImageDraw

from orojar_cli.errors import OptionError
from orojar_cli.media.grid import BACKGROUND, FAINT, INK, MARGIN
from orojar_cli.media.text import elided, font, length, write

_LINE, _GAP, _WIDEST = 22, 18, 320


def table_picture(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Image.Image:
    """A table as an RGB picture, the first column left and the others right; long texts end in an ellipsis.

    Raises OptionError for rows of another length than the header's.
    """
    if any(len(row) != len(header) for row in rows):
        raise OptionError(f"rows of another length than the {len(header)} columns of their table")
    face = font(14)
    cells = [[elided(text, face, _WIDEST) for text in row] for row in (header, *rows)]
    widths = [max(int(length(row[column], face)) + 1 for row in cells) for column in range(len(header))]
    size = sum(widths) + _GAP * (len(widths) - 1) + 2 * MARGIN, _LINE * len(cells) + 2 * MARGIN
    picture = Image.new("RGB", size, BACKGROUND)
    draw = ImageDraw.Draw(picture)
    for line, row in enumerate(cells):
        y, left = MARGIN + _LINE * (line + 0.5), MARGIN
        for column, (text, width) in enumerate(zip(row, widths, strict=True)):
            place, anchor = (left, "lm") if column == 0 else (left + width, "rm")
            write(picture, (place, y), text, INK if line else FAINT, face, anchor=anchor)
            left += width + _GAP
    draw.line((MARGIN, MARGIN + _LINE - 1, size[0] - MARGIN - 1, MARGIN + _LINE - 1), FAINT)
    return picture


def table_html(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The same as HTML."""

    def line(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    return f"<table>{line(header, 'th')}{''.join(line(row, 'td') for row in rows)}</table>"
