"""Labelled grids of pictures: rows are dimensions or networks, columns strengths or seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

BACKGROUND = (250, 250, 249)
INK = (40, 42, 46)
FAINT = (120, 124, 130)
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def font(size: int) -> Font:
    """Pillow's built-in scalable font, which is the same on every machine."""
    return ImageFont.load_default(size)


def plain(text: str) -> str:
    """`text` with characters that cannot be drawn replaced, so that no label can break a picture."""
    return "".join(character if character.isprintable() else "?" for character in text)


def elided(text: str, face: Font, width: float) -> str:
    """`text` shortened with an ellipsis until it fits `width` pixels."""
    text = plain(text)
    if face.getlength(text) <= width:
        return text
    while text and face.getlength(text + "...") > width:
        text = text[:-1]
    return text.rstrip() + "..."


def tile(frames: np.ndarray, columns: int, padding: int = 0, background: tuple[int, int, int] = BACKGROUND) -> np.ndarray:
    """[N, H, W, 3] -> one picture [H', W', 3], row by row with `columns` to a row; missing cells are background."""
    count, height, width, _ = frames.shape
    rows = -(-count // columns)
    canvas = np.empty((rows * (height + padding) - padding, columns * (width + padding) - padding, 3), np.uint8)
    canvas[:] = background
    for index, frame in enumerate(frames):
        top, left = index // columns * (height + padding), index % columns * (width + padding)
        canvas[top : top + height, left : left + width] = frame
    return canvas


def labelled_grid(
    cells: np.ndarray,
    *,
    row_labels: Sequence[str] | None = None,
    column_labels: Sequence[str] | None = None,
    title: str | None = None,
    footer: str | None = None,
    padding: int = 3,
    group: int | None = None,
) -> Image.Image:
    """cells [rows, columns, H, W, 3] uint8 -> a picture with labels left (one or two lines each) and above.

    A wider gap follows every `group` columns.
    """
    rows, columns, height, width, _ = cells.shape
    face, small, heading = font(14), font(12), font(17)
    margin = 12
    texts = [label.split("\n") for label in row_labels] if row_labels else []
    label_width = min(240, max((small.getlength(plain(line)) + 2 for lines in texts for line in lines), default=0) * 1.2)
    left = margin + (int(label_width) + 10 if texts else 0)
    top = margin + (28 if title else 0) + (20 if column_labels else 0)
    gap = 4 * padding if group else 0
    lefts = [column * (width + padding) + (column // group * gap if group else 0) for column in range(columns)]
    body = np.empty((rows * (height + padding) - padding, lefts[-1] + width, 3), np.uint8)
    body[:] = BACKGROUND
    for row, pictures in enumerate(cells):
        for offset, cell in zip(lefts, pictures, strict=True):
            body[row * (height + padding) :, offset : offset + width][:height] = cell
    picture = Image.new("RGB", (left + body.shape[1] + margin, top + body.shape[0] + margin + (20 if footer else 0)), BACKGROUND)
    picture.paste(Image.fromarray(body), (left, top))
    draw = ImageDraw.Draw(picture)
    across = picture.width - 2 * margin
    if title:
        draw.text((margin, margin - 3), elided(title, heading, across), INK, heading)
    if footer:
        draw.text((margin, picture.height - margin - 12), elided(footer, small, across), FAINT, small)
    for column, label in enumerate(column_labels or ()):
        middle = left + lefts[column] + width / 2
        draw.text((middle, top - 5), elided(label, small, width + padding), FAINT, small, anchor="ms")
    for row, lines in enumerate(texts):
        middle = top + row * (height + padding) + height / 2
        for number, line in enumerate(lines[:2]):
            style, colour = (face, INK) if number == 0 else (small, FAINT)
            offset = 0 if len(lines) == 1 else (-9 if number == 0 else 9)
            draw.text((left - 10, middle + offset), elided(line, style, left - margin - 10), colour, style, anchor="rm")
    return picture


class FrameComposer:
    """Lays out several pictures side by side with a caption and a strength marker; the fixed parts are drawn once."""

    def __init__(self, count: int, size: tuple[int, int], *, columns: int | None = None, caption: str = "", marker: bool = True) -> None:
        """`count` pictures of `size` (height, width) a frame."""
        self.columns = columns or min(count, 6)
        self.size = size
        self.header = 24 if caption else 0
        self.footer = 16 if marker else 0
        sample = tile(np.zeros((count, *size, 3), np.uint8), self.columns, 2)
        self.inner = sample.shape[:2]
        frame = Image.new("RGB", (self.inner[1] + 8, self.inner[0] + 8 + self.header + self.footer), BACKGROUND)
        draw = ImageDraw.Draw(frame)
        if caption:
            draw.text((6, 5), elided(caption, font(14), frame.width - 12), INK, font(14))
        if marker:
            draw.line((10, frame.height - 9, frame.width - 11, frame.height - 9), (200, 202, 205), 2)
            draw.line((frame.width // 2, frame.height - 12, frame.width // 2, frame.height - 6), (200, 202, 205), 1)
        self.base = np.asarray(frame)

    def compose(self, pictures: np.ndarray, position: float = 0.0) -> np.ndarray:
        """One frame [H, W, 3] of pictures [count, h, w, 3]; `position` in [-1, 1] places the marker."""
        frame = self.base.copy()
        top = self.header + 4
        frame[top : top + self.inner[0], 4 : 4 + self.inner[1]] = tile(pictures, self.columns, 2)
        if self.footer:
            centre = round(10 + (frame.shape[1] - 21) * (position + 1) / 2)
            frame[-13:-4, max(0, centre - 3) : centre + 4] = INK
        return frame
