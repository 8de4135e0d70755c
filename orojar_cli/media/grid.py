"""Labelled grids of pictures: rows are dimensions or networks, columns strengths or seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from orojar_cli.errors import OptionError
from orojar_cli.media.pixels import resize
from orojar_cli.media.text import elided, fitting, font, plain

BACKGROUND = (250, 250, 249)
INK = (40, 42, 46)
FAINT = (108, 112, 118)
MARGIN = 14
_GAP = 10
_LABEL_WIDTH = 220
# A title may make a narrow grid wider, up to this.
_TITLE_WIDTH = 520


def tile(frames: np.ndarray, columns: int, padding: int = 0, background: tuple[int, int, int] = BACKGROUND) -> np.ndarray:
    """[N, H, W, 3] -> one picture [H', W', 3] uint8, row by row with `columns` to a row; missing cells are background.

    Raises OptionError without pictures or columns.
    """
    if columns < 1 or len(frames) == 0:
        raise OptionError(f"{len(frames)} pictures in {columns} columns cannot be laid out; at least one of each is needed")
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
    padding: int = 2,
    cell_size: int | None = None,
    group: int | None = None,
    group_labels: Sequence[str] | None = None,
    margin: int = MARGIN,
) -> Image.Image:
    """cells [rows, columns, H, W, 3] uint8 -> an RGB picture with labels left (one or two lines each) and above.

    `cell_size` resizes the pictures first (see `resize`); a wider gap follows every `group` columns, over each of which stands one of
    `group_labels`; `margin` is left around everything.
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
    height, width = cells.shape[2:4]
    lines = [label.split("\n")[:2] for label in row_labels or ()]
    # Two lines need some 30 pixels; low pictures get smaller letters.
    first, second = (font(14), font(12)) if height >= 34 else (font(min(12, max(9, height - 2))), font(9))
    if height < 22:
        lines = [[" ".join(pair)] for pair in lines]
    small, heading = font(12), font(17)
    natural = max((face.getlength(plain(text)) for pair in lines for text, face in zip(pair, (first, second), strict=False)), default=0)
    label_width = min(_LABEL_WIDTH, int(natural + 1))
    left = margin + (label_width + _GAP if lines else 0)
    top = margin + (30 if title else 0) + (20 if column_labels else 0) + (20 if group_labels else 0)
    # Groups of one column need nothing that keeps them apart.
    wider = 4 * padding + 4 if group and group > 1 else 0
    lefts = [column * (width + padding) + (column // group * wider if group else 0) for column in range(columns)]
    across, down = lefts[-1] + width, rows * (height + padding) - padding
    wanted = max((min(_TITLE_WIDTH, face.getlength(plain(text or ""))) for text, face in ((title, heading), (footer, small))), default=0)
    picture_width = max(left + across + margin, int(wanted) + 1 + 2 * margin)
    body = np.empty((top + down + margin + (22 if footer else 0), picture_width, 3), np.uint8)
    body[:] = BACKGROUND
    for row, pictures in enumerate(cells):
        above = top + row * (height + padding)
        for offset, cell in zip(lefts, pictures, strict=True):
            body[above : above + height, left + offset : left + offset + width] = cell
    picture = Image.fromarray(body)
    draw = ImageDraw.Draw(picture)
    if title:
        draw.text((margin, margin + 15), elided(title, heading, picture_width - 2 * margin), INK, heading, anchor="ls")
    if footer:
        draw.text((margin, picture.height - margin), elided(footer, small, picture_width - 2 * margin), FAINT, small, anchor="ls")
    face = fitting(list(column_labels or ()), width, 12, 9)
    for offset, label in zip(lefts, column_labels or (), strict=False):
        draw.text((left + offset + width / 2, top - 6), elided(label, face, width), FAINT, face, anchor="ms")
    for number, label in enumerate(group_labels or ()):
        inside = lefts[number * (group or columns) :][:group]
        middle, above = left + (inside[0] + inside[-1] + width) / 2, top - 6 - (20 if column_labels else 0)
        draw.text((middle, above), elided(label, second, inside[-1] + width - inside[0]), INK, second, anchor="ms")
    for row, pair in enumerate(lines):
        middle = top + row * (height + padding) + height / 2
        for number, text in enumerate(pair):
            style, colour = ((first, INK), (second, FAINT))[number]
            shift = 0.0 if len(pair) == 1 else (2 * number - 1) * min(9.0, height / 4)
            draw.text((left - _GAP, middle + shift), elided(text, style, label_width), colour, style, anchor="rm")
    return picture


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
