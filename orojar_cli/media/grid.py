"""Labelled grids of pictures: rows are dimensions or networks, columns strengths or seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from orojar_cli.errors import OptionError
from orojar_cli.media.pixels import resize
from orojar_cli.media.text import elided, fitting, font, length, write

BACKGROUND = (250, 250, 249)
INK = (40, 42, 46)
FAINT = (108, 112, 118)
MARGIN = 14
_GAP = 10
_LABEL_WIDTH = 220
# A title may make a narrow grid wider, up to this.
_TITLE_WIDTH = 520


_COLUMNS = 1000
_CAPTION = 16


def tile(frames: np.ndarray, columns: int, padding: int = 0, background: tuple[int, int, int] = BACKGROUND) -> np.ndarray:
    """[N, H, W, 3] -> one picture [H', W', 3] uint8, row by row with `columns` to a row; missing cells are background.

    Of [N, H, W, 4] the picture has an alpha channel, too, and what is missing is transparent.

    Raises OptionError without pictures or columns.
    """
    if columns < 1 or len(frames) == 0:
        raise OptionError(f"{len(frames)} pictures in {columns} columns cannot be laid out; at least one of each is needed")
    if columns > max(len(frames), _COLUMNS):
        raise OptionError(f"{columns} columns for {len(frames)} pictures; choose {_COLUMNS} or fewer")
    count, height, width, channels = frames.shape
    rows = -(-count // columns)
    canvas = np.empty((rows * (height + padding) - padding, columns * (width + padding) - padding, channels), np.uint8)
    canvas[:] = background if channels == 3 else (0, 0, 0, 0)
    for index, frame in enumerate(frames):
        top, left = index // columns * (height + padding), index % columns * (width + padding)
        canvas[top : top + height, left : left + width] = frame
    return canvas


def captioned(frames: np.ndarray, texts: Sequence[str]) -> np.ndarray:
    """[N, H, W, 3] or [N, H, W, 4] -> the same with a line of text under each picture, all in letters of one size."""
    count, _, width, channels = frames.shape
    strips, face = np.empty((count, _CAPTION, width, channels), np.uint8), fitting(list(texts), width, 12, 7)
    for strip, text in zip(strips, texts, strict=True):
        line = Image.new("RGB", (width, _CAPTION), BACKGROUND)
        write(line, (width / 2, _CAPTION - 4), elided(text, face, width), FAINT, face, anchor="ms")
        strip[..., :3] = np.asarray(line)
        strip[..., 3:] = 255
    return np.concatenate([frames, strips], 1)


def labelled_grid(
    cells: np.ndarray,
    *,
    row_labels: Sequence[str] | None = None,
    column_labels: Sequence[str] | None = None,
    title: str | None = None,
    footer: str | None = None,
    padding: int = 2,
    cell_size: int | None = None,
    group: int | None = None,
    group_labels: Sequence[str] | None = None,
    margin: int = MARGIN,
    header: bool = False,
) -> Image.Image:
    """cells [rows, columns, H, W, 3] uint8 -> an RGB picture with labels left (one or two lines each) and above.

    `cell_size` resizes the pictures first (see `resize`); a wider gap follows every `group` columns, over each of which stands one of
    `group_labels`; `margin` is left around everything.  With `header` the first row and column stand a little apart.
    Labels too long for their place end in an ellipsis.  Raises OptionError for cells of another shape or labels of another number.
    """
    if cells.ndim != 5 or cells.shape[-1] != 3 or 0 in cells.shape:
        raise OptionError(f"cells of shape {list(cells.shape)} make no grid; they are [rows, columns, H, W, 3]")
    rows, columns = cells.shape[:2]
    groups = -(-columns // group) if group else 0
    for labels, count, kind in ((row_labels, rows, "row"), (column_labels, columns, "column"), (group_labels, groups, "group")):
        if labels and len(labels) != count:
            raise OptionError(f"{len(labels)} {kind} labels for {count} {kind}s")
    if cell_size:
        cells = resize(cells.reshape(-1, *cells.shape[2:]), cell_size)
        cells = cells.reshape(rows, columns, *cells.shape[1:])
    texts = _Texts(row_labels or (), column_labels or (), group_labels or (), title or "", footer or "")
    height, width = cells.shape[2:4]
    places = _Places(texts, rows, columns, height, width, padding, group, margin, header)
    picture = Image.fromarray(places.filled(cells))
    _draw_frame(picture, texts, places)
    _draw_above(picture, texts, places)
    _draw_left(picture, places)
    return picture


@dataclass(frozen=True)
class _Texts:
    """What is written: beside the rows, above the columns and their groups, over and under everything."""

    rows: Sequence[str]
    columns: Sequence[str]
    groups: Sequence[str]
    title: str
    footer: str


class _Places:
    """Where the cells and the texts of a grid are, in pixels: `lefts` of the columns from `left`, `tops` of the rows from `top` on."""

    def __init__(
        self,
        texts: _Texts,
        rows: int,
        columns: int,
        height: int,
        width: int,
        padding: int,
        group: int | None,
        margin: int,
        header: bool,
    ) -> None:
        self.height, self.width, self.margin, self.group = height, width, margin, group or columns
        self.lines = [label.split("\n")[:2] for label in texts.rows]
        # Two lines need some 30 pixels; low pictures get smaller letters.
        self.faces = (font(14), font(12)) if height >= 34 else (font(min(12, max(9, height - 2))), font(9))
        if height < 22:
            self.lines = [[" ".join(pair)] for pair in self.lines]
        self.small, self.heading = font(12), font(17)
        lengths = [length(text, face) for pair in self.lines for text, face in zip(pair, self.faces, strict=False)]
        self.label_width = min(_LABEL_WIDTH, int(max(lengths, default=0) + 1))
        self.left = margin + (self.label_width + _GAP if self.lines else 0)
        self.column_line, group_line = 20 if texts.columns else 0, 20 if texts.groups else 0
        self.top = margin + (30 if texts.title else 0) + self.column_line + group_line
        # Groups of one column need nothing that keeps them apart.
        wider = 4 * padding + 4 if group and group > 1 else 0
        apart = 2 * padding + 4 if header else 0
        self.lefts = [
            column * (width + padding) + (column // group * wider if group else 0) + min(column, 1) * apart for column in range(columns)
        ]
        self.tops = [row * (height + padding) + min(row, 1) * apart for row in range(rows)]
        across, down = self.lefts[-1] + width, self.tops[-1] + height
        outside = ((texts.title, self.heading), (texts.footer, self.small))
        wanted = max(min(_TITLE_WIDTH, length(text, face)) for text, face in outside)
        self.picture_width = max(self.left + across + margin, int(wanted) + 1 + 2 * margin)
        self.picture_height = self.top + down + margin + (22 if texts.footer else 0)

    def filled(self, cells: np.ndarray) -> np.ndarray:
        """The cells in their places, on the background."""
        body = np.empty((self.picture_height, self.picture_width, 3), np.uint8)
        body[:] = BACKGROUND
        for row, pictures in enumerate(cells):
            above = self.top + self.tops[row]
            for offset, cell in zip(self.lefts, pictures, strict=True):
                body[above : above + self.height, self.left + offset : self.left + offset + self.width] = cell
        return body


def _draw_frame(picture: Image.Image, texts: _Texts, places: _Places) -> None:
    """The title over everything, the footer under it."""
    margin, room = places.margin, places.picture_width - 2 * places.margin
    if texts.title:
        write(picture, (margin, margin + 15), elided(texts.title, places.heading, room), INK, places.heading, anchor="ls")
    if texts.footer:
        below = (margin, places.picture_height - margin)
        write(picture, below, elided(texts.footer, places.small, room), FAINT, places.small, anchor="ls")


def _draw_above(picture: Image.Image, texts: _Texts, places: _Places) -> None:
    """Labels of columns, and over them those of groups."""
    left, top, width = places.left, places.top, places.width
    face = fitting(list(texts.columns), width, 12, 9)
    for offset, label in zip(places.lefts, texts.columns, strict=False):
        write(picture, (left + offset + width / 2, top - 6), elided(label, face, width), FAINT, face, anchor="ms")
    second = places.faces[-1]
    for number, label in enumerate(texts.groups):
        inside = places.lefts[number * places.group :][: places.group]
        middle, above = left + (inside[0] + inside[-1] + width) / 2, top - 6 - places.column_line
        write(picture, (middle, above), elided(label, second, inside[-1] + width - inside[0]), INK, second, anchor="ms")


def _draw_left(picture: Image.Image, places: _Places) -> None:
    """Labels of rows, of one or two lines."""
    for row, pair in enumerate(places.lines):
        middle = places.top + places.tops[row] + places.height / 2
        for number, (text, face, colour) in enumerate(zip(pair, places.faces, (INK, FAINT), strict=False)):
            shift = 0.0 if len(pair) == 1 else (2 * number - 1) * min(9.0, places.height / 4)
            write(picture, (places.left - _GAP, middle + shift), elided(text, face, places.label_width), colour, face, anchor="rm")


def stacked(pictures: Sequence[Image.Image], gap: int = 0) -> Image.Image:
    """Pictures under one another, flush left, `gap` pixels apart; raises OptionError without pictures."""
    if not pictures:
        raise OptionError("at least one picture is needed to stack")
    height = sum(picture.height for picture in pictures) + gap * (len(pictures) - 1)
    canvas = Image.new("RGB", (max(picture.width for picture in pictures), height), BACKGROUND)
    top = 0
    for picture in pictures:
        canvas.paste(picture, (0, top))
        top += picture.height + gap
    return canvas
