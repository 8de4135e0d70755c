"""Animated WebP, written frame by frame."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from orojar_cli.media.timing import changed_box, ticks

_LOSSY = {"quality": 88, "method": 4}
_LOSSLESS = {"lossless": True, "quality": 60, "method": 3}


def write_webp(frames: Iterator[np.ndarray], path: Path, fps: float, loop: bool, text: str = "") -> None:
    """Write frames [H, W, 3] uint8, each only where it differs from the one before.

    The film is lossless where that makes its first frame no larger (pixel art, flat colours), else of high quality.
    Pillow's own writer would hold all frames in memory and turn a film of equal frames into a still picture.
    `text` is not kept: WebP has no place for it that readers agree on.
    """
    with open(path, "wb") as file:
        before = None
        for frame, duration in zip(frames, ticks(fps, 1000), strict=False):
            left, top, right, bottom = (0, 0, *frame.shape[1::-1]) if before is None else changed_box(before, frame, 2)
            if before is None:
                options = min((_LOSSLESS, _LOSSY), key=lambda choice: len(_still(frame, choice)))
                file.write(b"RIFF\0\0\0\0WEBP")
                animated = 0x02
                file.write(_chunk(b"VP8X", struct.pack("<I", animated) + _three(right - 1) + _three(bottom - 1)))
                file.write(_chunk(b"ANIM", b"\xff\xff\xff\xff" + struct.pack("<H", 0 if loop else 1)))
            box = b"".join(map(_three, (left // 2, top // 2, right - left - 1, bottom - top - 1, duration)))
            replace = b"\x02"
            file.write(_chunk(b"ANMF", box + replace + _still(frame[top:bottom, left:right], options)))
            before = frame.copy()
        length = file.tell() - 8
        file.seek(4)
        file.write(struct.pack("<I", length))


def _three(number: int) -> bytes:
    return struct.pack("<I", number)[:3]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def _still(pixels: np.ndarray, options: dict[str, int]) -> bytes:
    """The VP8 or VP8L chunk of a picture, as Pillow encodes it."""
    encoded = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(encoded, "WEBP", **options)
    return encoded.getvalue()[12:]
