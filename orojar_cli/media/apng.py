"""Animated PNG, written frame by frame: lossless, and a browser's fallback is the first frame."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from orojar_cli.media.metadata import PNG_SIGNATURE, png_text
from orojar_cli.media.timing import changed_box


def write_apng(frames: Iterator[np.ndarray], path: Path, fps: float, loop: bool, text: str = "") -> None:
    """Write frames [H, W, 3] uint8, each only where it differs from the one before; durations are the exact fraction 1 / fps.

    `text` is kept in a text chunk.
    """
    delay = (1 / Fraction(fps).limit_denominator(10_000)).limit_denominator(65535)
    with open(path, "wb") as file:
        count = sequence = 0
        before = None
        for frame in frames:
            left, top, right, bottom = (0, 0, *frame.shape[1::-1]) if before is None else changed_box(before, frame)
            if before is None:
                file.write(PNG_SIGNATURE)
                _chunk(file, b"IHDR", struct.pack(">IIBBBBB", right, bottom, 8, 2, 0, 0, 0))
                control = file.tell()
                _chunk(file, b"acTL", struct.pack(">II", 0, 0 if loop else 1))
                if text:
                    _chunk(file, b"tEXt", png_text(text))
            box = (sequence, right - left, bottom - top, left, top, delay.numerator, delay.denominator, 0, 0)
            _chunk(file, b"fcTL", struct.pack(">IIIIIHHBB", *box))
            sequence += 1
            for data in _pixel_chunks(frame[top:bottom, left:right]):
                if before is None:
                    _chunk(file, b"IDAT", data)
                else:
                    _chunk(file, b"fdAT", struct.pack(">I", sequence) + data)
                    sequence += 1
            before = frame.copy()
            count += 1
        _chunk(file, b"IEND", b"")
        # Only now is the number of frames known.
        file.seek(control)
        _chunk(file, b"acTL", struct.pack(">II", count, 0 if loop else 1))


def _chunk(file: BinaryIO, kind: bytes, data: bytes) -> None:
    file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))


def _pixel_chunks(pixels: np.ndarray) -> Iterator[bytes]:
    """The compressed pixels of a picture as Pillow's PNG encoder filters and packs them."""
    encoded = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(encoded, "PNG")
    data, at = encoded.getvalue(), len(PNG_SIGNATURE)
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IDAT":
            yield data[at + 8 : at + 8 + length]
        at += length + 12
