"""GIF with one palette for the whole film, so that nothing flickers."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from tempfile import SpooledTemporaryFile

import numpy as np
from PIL import GifImagePlugin, Image

from orojar_cli.media.metadata import gif_comment
from orojar_cli.media.palette import COLOURS, PaletteSurvey
from orojar_cli.media.timing import changed_box, ticks

_MEMORY = 1 << 28
# The last of the 256 indices is no colour: it leaves a pixel as it was.
_UNCHANGED = COLOURS
# A pixel is left as shown while that is so near to its true colour: nobody sees it, and slow drifts would double the file.
_HELD = 2


def write_gif(frames: Iterator[np.ndarray], path: Path, fps: float, loop: bool, text: str = "") -> None:
    """Write frames [H, W, 3] uint8; durations are whole hundredths of a second whose sum is right.

    Each frame holds only the pixels that differ from the one before, so still regions are the same bytes throughout.  A film of at
    most 255 colours is kept exactly.  `text` becomes a comment.
    Pillow's own writer would merge equal frames and give every frame a palette of its own.
    """
    with open(path, "wb") as file, SpooledTemporaryFile(_MEMORY, dir=str(path.parent)) as spool:
        # The palette depends on all frames, so they wait until the last one is known.
        survey = PaletteSurvey()
        count = 0
        shape: tuple[int, ...] = ()
        for frame in frames:
            survey.add(frame)
            spool.write(frame.tobytes())
            shape, count = frame.shape, count + 1
        palette = survey.palette()
        height, width = shape[:2]
        file.write(b"GIF89a" + struct.pack("<HHBBB", width, height, 0xF7, 0, 0) + palette.table())
        if loop:
            file.write(b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0")
        if text:
            file.write(gif_comment(text))
        spool.seek(0)
        before = None
        for _, duration in zip(range(count), ticks(fps, 100), strict=False):
            frame = np.frombuffer(spool.read(height * width * 3), np.uint8).reshape(height, width, 3)
            indices = palette.indices(frame)
            if before is not None and not palette.exact:
                shown = palette.colours[before]
                indices = np.where((np.maximum(frame, shown) - np.minimum(frame, shown)).max(-1) <= _HELD, before, indices)
            left, top, right, bottom = (0, 0, width, height) if before is None else changed_box(before, indices)
            part = indices[top:bottom, left:right]
            blocks = []
            if before is not None:
                same = part == before[top:bottom, left:right]
                blocks.append(_block(np.where(same, np.uint8(_UNCHANGED), part), (left, top), duration))
            # Where most pixels change, the few unchanged ones only break up what would pack well.
            if before is None or 2 * np.count_nonzero(same) < same.size:
                blocks.append(_block(part, (left, top), duration))
            file.write(min(blocks, key=len))
            before = indices
        file.write(b";")


def _block(indices: np.ndarray, offset: tuple[int, int], duration: int) -> bytes:
    """One frame's graphic control, place and LZW-packed indices."""
    picture = Image.frombytes("P", indices.shape[::-1], np.ascontiguousarray(indices).tobytes())
    keep = 1
    return b"".join(GifImagePlugin.getdata(picture, offset, duration=10 * duration, transparency=_UNCHANGED, disposal=keep))
