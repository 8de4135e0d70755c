"""Still pictures on disk; PNGs carry the settings that made them."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, PngImagePlugin

from orojar_cli.errors import InputFileError, OptionError
from orojar_cli.files import atomic_path

_FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {"optimize": True}),
    ".jpg": ("JPEG", {"quality": 92, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 92, "subsampling": 0}),
    ".webp": ("WEBP", {"quality": 92, "method": 4}),
}
_KEY = "orojar"
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def save_image(image: Image.Image | np.ndarray, path: str | os.PathLike[str], metadata: dict[str, Any] | None = None) -> None:
    """Write a picture (Pillow's, or [H, W, 3] uint8), whole or not at all; the suffix .png, .jpg, .jpeg or .webp chooses the format.

    A PNG keeps `metadata` as one JSON document in a text chunk named "orojar"; the other formats do not.
    Raises OptionError for another suffix and OutputFileError where the file cannot be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS:
        raise OptionError(f"cannot write {Path(path).name}: a picture's name ends in {', '.join(_FORMATS)}")
    kind, options = _FORMATS[suffix]
    picture = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    if kind == "JPEG":
        picture = picture.convert("RGB")
    elif kind == "PNG" and metadata is not None:
        info = PngImagePlugin.PngInfo()
        info.add_text(_KEY, json.dumps(metadata, default=_jsonable))
        options = {**options, "pnginfo": info}
    with atomic_path(path) as temporary:
        picture.save(temporary, format=kind, **options)


def _jsonable(value: Any) -> Any:
    """Arrays and their numbers as lists and numbers; paths and the like as text."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def read_metadata(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """The settings stored in a PNG, or None in a picture without; pixels are not decoded.

    Raises InputFileError where there is no readable picture or its settings are damaged.
    """
    try:
        with open(path, "rb") as file:
            if file.read(8) != _SIGNATURE:
                with Image.open(path):
                    return None
            text = _text_chunk(file)
        settings = None if text is None else json.loads(text)
    except (OSError, ValueError, struct.error) as error:
        reason = getattr(error, "strerror", None) or "it is no picture, or a damaged one"
        raise InputFileError(f"cannot read settings from {path}: {reason}") from error
    return settings if isinstance(settings, dict) else None


def _text_chunk(file: BinaryIO) -> str | None:
    # Read by hand, because Pillow warns about large pictures, and grids are large.
    while True:
        length, kind = struct.unpack(">I4s", file.read(8))
        if kind in (b"IDAT", b"IEND"):
            return None
        name = file.read(min(length, len(_KEY) + 1))
        if kind == b"tEXt" and name == _KEY.encode() + b"\0":
            return file.read(length - len(name)).decode("latin-1")
        file.seek(length - len(name) + 4, os.SEEK_CUR)
