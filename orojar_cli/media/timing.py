"""What moving-picture formats share: whole clock ticks per frame, and the part of a frame that changed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np


def ticks(fps: float, per_second: int) -> Iterator[int]:
    """Duration of each frame in whole ticks, for ever; the remainders are carried over, so that n frames take n / fps seconds."""
    before = 0
    for number in itertools.count(1):
        now = round(per_second * number / fps)
        yield now - before
        before = now


def changed_box(before: np.ndarray, after: np.ndarray, step: int = 1) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) around everything that differs between two frames, left and top multiples of `step`.

    One pixel where nothing differs: no format can show an empty frame.
    """
    differs = before != after
    differs = differs.any(-1) if differs.ndim == 3 else differs
    rows, columns = np.flatnonzero(differs.any(1)), np.flatnonzero(differs.any(0))
    if len(rows) == 0:
        return 0, 0, 1, 1
    return int(columns[0]) // step * step, int(rows[0]) // step * step, int(columns[-1]) + 1, int(rows[-1]) + 1
