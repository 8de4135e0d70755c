"""The settings that a picture or film carries: one JSON document in a PNG's or GIF's text."""

from __future__ import annotations

import json
import os
import struct
from typing import Any, BinaryIO

from PIL import Image

from orojar_cli.errors import InputFileError

KEY = "orojar"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GIF_SIGNATURES = (b"GIF87a", b"GIF89a")
_LONGEST = 1 << 20


def settings_text(metadata: dict[str, Any]) -> str:
    """`metadata` as one line of ASCII JSON; arrays become lists, paths and the like text."""
    return json.dumps(metadata, default=lambda value: value.tolist() if hasattr(value, "tolist") else str(value))


def png_text(text: str) -> bytes:
    """The content of a tEXt chunk."""
    return KEY.encode() + b"\0" + text.encode("latin-1")


def gif_comment(text: str) -> bytes:
    """A comment extension: sub-blocks of up to 255 bytes."""
    data = png_text(text)
    blocks = (data[start : start + 255] for start in range(0, len(data), 255))
    return b"\x21\xfe" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"


def read_metadata(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """The settings stored in a PNG, APNG or GIF, or None in a picture without; pixels are not decoded.

    Raises InputFileError where there is no readable picture or its settings are damaged.
    """
    try:
        with open(path, "rb") as file:
            signature = file.read(8)
            if signature == PNG_SIGNATURE:
                text = _png_settings(file)
            elif signature[:6] in _GIF_SIGNATURES:
                file.seek(6)
                text = _gif_settings(file)
            else:
                with Image.open(path):
                    return None
        settings = None if text is None else json.loads(text)
    except (OSError, ValueError, struct.error, IndexError, RecursionError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or "it is no picture, or a damaged one"
        raise InputFileError(f"cannot read settings from {path}: {reason}") from error
    return settings if isinstance(settings, dict) else None


# Both are read by hand, because Pillow warns about large pictures, and grids are large.
def _png_settings(file: BinaryIO) -> str | None:
    while True:
        length, kind = struct.unpack(">I4s", file.read(8))
        if kind in (b"IDAT", b"IEND"):
            return None
        name = file.read(min(length, len(KEY) + 1))
        if kind == b"tEXt" and name == png_text(""):
            if length > _LONGEST:
                raise ValueError("settings too long")
            return file.read(length - len(name)).decode("latin-1")
        file.seek(length - len(name) + 4, os.SEEK_CUR)


def _gif_settings(file: BinaryIO) -> str | None:
    """The comment before the first picture, where orojar puts it."""
    flags = file.read(7)[4]
    file.seek(3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0, os.SEEK_CUR)
    while file.read(1) == b"\x21":
        comment, data = file.read(1) == b"\xfe", b""
        while length := file.read(1)[0]:
            block = file.read(length)
            data += block if comment else b""
            if len(data) > _LONGEST:
                raise ValueError("settings too long")
        if data.startswith(png_text("")):
            return data[len(png_text("")) :].decode("latin-1")
    return None
