"""The grid of one seed as a file: SVG that holds its pictures, and PNG."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from PIL import Image

from orojar_cli.media.text import elided, font, length, write
from orojar_cli.report.chart_files import clean

_WIDTH, _GAP, _HEAD, _MARGIN, _SCALE = 220, 10, 26, 8, 2
_INK, _FAINT = (32, 35, 39), (91, 97, 104)


@dataclass(frozen=True)
class GridFile:
    """Strips by row and set, with the names of both; `crisp` where every pixel of a small picture is to be seen."""

    names: Sequence[str]
    labels: Sequence[str]
    rows: Sequence[Sequence[Mapping[str, Any] | None]]
    crisp: bool

    @property
    def left(self) -> int:
        """The width of the column of labels."""
        return round(max(length(label, font(12)) for label in self.labels)) + _GAP

    @property
    def height(self) -> int:
        """Of a strip."""
        first = next(strip for row in self.rows for strip in row if strip is not None)
        return round(_WIDTH * first["height"] / first["width"])

    @property
    def size(self) -> tuple[int, int]:
        """Of the file, in units."""
        across = 2 * _MARGIN + self.left + len(self.names) * (_WIDTH + _GAP) - _GAP
        return across, 2 * _MARGIN + _HEAD + len(self.rows) * (self.height + 4)

    def place(self, row: int, column: int) -> tuple[int, int]:
        """Where a strip begins."""
        return _MARGIN + self.left + column * (_WIDTH + _GAP), _MARGIN + _HEAD + row * (self.height + 4)

    def svg(self) -> str:
        """The pictures as they are, enlarged by whoever shows the file."""
        width, height = self.size
        kind = Markup(' style="image-rendering:pixelated"') if self.crisp else Markup("")
        parts = [Markup('<rect width="{}" height="{}" fill="#ffffff"/>').format(width, height)]
        for column, name in enumerate(self.names):
            parts.append(Markup('<text x="{}" y="{}" font-weight="600">{}</text>').format(self.place(0, column)[0], _MARGIN + 14, name))
        for row, (label, strips) in enumerate(zip(self.labels, self.rows, strict=True)):
            y = self.place(row, 0)[1] + self.height / 2 + 4
            parts.append(Markup('<text x="{}" y="{}" fill="#5b6168">{}</text>').format(_MARGIN, y, label))
            parts += [
                Markup('<image href="{}" x="{}" y="{}" width="{}" height="{}"{}><title>{}</title></image>').format(
                    strip["uri"], *self.place(row, column), _WIDTH, self.height, kind, strip["alt"]
                )
                for column, strip in enumerate(strips)
                if strip is not None
            ]
        head = Markup(
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}" width="{0}" height="{1}" '
            'font-family="system-ui, Arial, sans-serif" font-size="12" fill="#202327">'
        ).format(width, height)
        return clean(head + Markup("").join(parts) + Markup("</svg>\n"))

    def png(self) -> bytes:
        """The same, two pixels for each unit."""
        width, height = self.size
        picture = Image.new("RGB", (width * _SCALE, height * _SCALE), (255, 255, 255))
        how = Image.Resampling.NEAREST if self.crisp else Image.Resampling.LANCZOS
        face = font(12 * _SCALE)
        for column, name in enumerate(self.names):
            place = (_SCALE * self.place(0, column)[0], _SCALE * (_MARGIN + 14))
            write(picture, place, elided(name, face, _WIDTH * _SCALE), _INK, face)
        for row, (label, strips) in enumerate(zip(self.labels, self.rows, strict=True)):
            middle = _SCALE * (self.place(row, 0)[1] + self.height / 2)
            write(picture, (_SCALE * _MARGIN, middle), label, _FAINT, face, "lm")
            for column, strip in enumerate(strips):
                if strip is not None:
                    with Image.open(io.BytesIO(base64.b64decode(strip["uri"].partition(",")[2]))) as drawn:
                        shown = drawn.convert("RGB").resize((_WIDTH * _SCALE, self.height * _SCALE), how)
                    left, top = self.place(row, column)
                    picture.paste(shown, (_SCALE * left, _SCALE * top))
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        return buffer.getvalue()
