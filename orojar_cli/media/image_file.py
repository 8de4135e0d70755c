"""Still pictures on disk; PNGs carry the settings that made them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from orojar_cli.errors import OptionError
from orojar_cli.files import atomic_path
from orojar_cli.media.metadata import KEY, settings_text

_FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {}),  # optimising takes ten times as long, for five per cent
    ".jpg": ("JPEG", {"quality": 92, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 92, "subsampling": 0}),
    ".webp": ("WEBP", {"quality": 92, "method": 4}),
}
PICTURES = tuple(_FORMATS)


def save_image(image: Image.Image | np.ndarray, path: str | os.PathLike[str], metadata: dict[str, Any] | None = None) -> None:
    """Write a picture (Pillow's, or [H, W, 3] uint8), whole or not at all; the suffix .png, .jpg, .jpeg or .webp chooses the format.

    A PNG keeps `metadata` as one JSON document in a text chunk named "orojar" (see metadata.py); the other formats do not.
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
        info.add_text(KEY, settings_text(metadata))
        options = {**options, "pnginfo": info}
    with atomic_path(path) as temporary:
        picture.save(temporary, format=kind, **options)
