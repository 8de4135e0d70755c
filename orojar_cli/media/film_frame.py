"""The frames of a film: pictures side by side, a caption above, a strength marker below."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from orojar_cli.errors import OptionError
from orojar_cli.media.grid import BACKGROUND, FAINT, INK, tile
from orojar_cli.media.text import elided, font, length, write

_MARGIN = 8
_PADDING = 2
_RAIL = (206, 208, 211)
_RADIUS = 4.0


class FrameComposer:
    """Lays out several pictures side by side with a caption and a strength marker; everything but the dot is drawn once."""

    def __init__(
        self,
        count: int,
        size: tuple[int, int],
        *,
        columns: int | None = None,
        caption: str = "",
        marker: bool = True,
        ends: Sequence[str] = (),
    ) -> None:
        """`count` pictures of `size` (height, width) a frame, `columns` to a row (by default `columns_for`).

        `marker` draws a bar with a dot under them, with the two texts `ends` at its ends.  Raises OptionError without pictures.
        """
        if count < 1:
            raise OptionError("a film needs at least one picture a frame")
        self.columns = self.columns_for(count, columns)
        self.pictures = (count, *size, 3)
        self.inner = tile(np.empty(self.pictures, np.uint8), self.columns, _PADDING).shape[:2]
        self.top = _MARGIN + (22 if caption else 0)
        height = self.top + self.inner[0] + (22 if marker else _MARGIN)
        frame = Image.new("RGB", (self.inner[1] + 2 * _MARGIN, height), BACKGROUND)
        if caption:
            write(frame, (_MARGIN, 21), elided(caption, font(14), self.inner[1]), INK, font(14), anchor="ls")
        self.rail = self._draw_rail(frame, ends) if marker else None
        self.base = np.asarray(frame)

    @staticmethod
    def columns_for(count: int, columns: int | None = None) -> int:
        """How many pictures stand side by side: as asked, else at most six in rows of equal length."""
        return min(count, columns) if columns else -(-count // -(-count // 6))

    def _draw_rail(self, frame: Image.Image, ends: Sequence[str]) -> tuple[float, float, float]:
        """Draws the bar; returns the dot's leftmost and rightmost place and its height."""
        width, middle, draw = frame.width, frame.height - 11, ImageDraw.Draw(frame)
        start, end = _MARGIN + _RADIUS, width - 1 - _MARGIN - _RADIUS
        space = max((length(text, font(11)) for text in ends), default=0)
        # Numbers that would leave less than half of the bar are not worth it.
        if ends and 4 * (space + 8) <= width:
            write(frame, (_MARGIN, middle), ends[0], FAINT, font(11), anchor="lm")
            write(frame, (width - _MARGIN, middle), ends[1], FAINT, font(11), anchor="rm")
            start, end = start + space + 6, end - space - 6
        draw.line((start, middle, end, middle), _RAIL, 2)
        centre = round((start + end) / 2)
        draw.line((centre, middle - 4, centre, middle + 3), _RAIL, 1)
        return start, end, middle - 0.5

    def compose(self, pictures: np.ndarray, position: float = 0.0) -> np.ndarray:
        """One frame [H, W, 3] uint8 of pictures [count, h, w, 3]; `position` in [-1, 1] places the dot, others are cut to the ends.

        Raises OptionError for pictures of another number or size.
        """
        if pictures.shape != self.pictures:
            raise OptionError(f"pictures of shape {list(pictures.shape)} in a film of {list(self.pictures)}")
        frame = self.base.copy()
        frame[self.top : self.top + self.inner[0], _MARGIN : _MARGIN + self.inner[1]] = tile(pictures, self.columns, _PADDING)
        if self.rail is not None:
            start, end, middle = self.rail
            self._draw_dot(frame, start + (end - start) * (min(1.0, max(-1.0, position)) + 1) / 2, middle)
        return frame

    @staticmethod
    def _draw_dot(frame: np.ndarray, across: float, down: float) -> None:
        """A smooth dot at fractions of a pixel, so that it glides."""
        top, left = int(down - _RADIUS - 1), max(0, int(across - _RADIUS - 1))
        patch = frame[top : int(down + _RADIUS + 3), left : int(across + _RADIUS + 3)]
        y, x = np.mgrid[top : top + patch.shape[0], left : left + patch.shape[1]]
        cover = np.clip(_RADIUS + 0.5 - np.hypot(x - across, y - down), 0, 1)[..., None]
        patch[:] = np.round(patch * (1 - cover) + np.array(INK) * cover)
