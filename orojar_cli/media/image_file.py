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
from orojar_cli.media.pixels import flattened

_FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {}),  # optimising takes ten times as long, for five per cent
    ".jpg": ("JPEG", {"quality": 92, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 92, "subsampling": 0}),
    ".webp": ("WEBP", {"quality": 92, "method": 4}),
    ".apng": ("PNG", {}),  # of one frame
}
PICTURES = tuple(_FORMATS)
WITH_ALPHA = (".png", ".apng", ".webp")
_LONGEST_SIDE = {"PNG": 1 << 30, "JPEG": 65500, "WEBP": 16383}


def save_image(image: Image.Image | np.ndarray, path: str | os.PathLike[str], metadata: dict[str, Any] | None = None) -> None:
    """Write a picture (Pillow's, or [H, W, 3 or 4] uint8), whole or not at all; the suffix .png, .apng, .jpg, .jpeg or .webp chooses the
    format.  An alpha channel is kept, but in a JPEG laid on white.

    A PNG keeps `metadata` as one JSON document in a text chunk named "orojar" (see metadata.py); the other formats do not.
    Raises OptionError for another suffix and more pixels than the format has, OutputFileError where the file cannot be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS:
        raise OptionError(f"cannot write {Path(path).name}: a picture's name ends in {', '.join(_FORMATS)}")
    kind, options = _FORMATS[suffix]
    picture = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    if max(picture.size) > _LONGEST_SIDE[kind]:
        raise OptionError(f"{picture.width} x {picture.height} pixels are too many for {suffix}; use .png, or fewer or smaller pictures")
    if kind == "JPEG":
        picture = Image.fromarray(flattened(np.asarray(picture))) if picture.mode == "RGBA" else picture.convert("RGB")
    elif kind == "PNG" and metadata is not None:
        info = PngImagePlugin.PngInfo()
        info.add_text(KEY, settings_text(metadata))
        options = {**options, "pnginfo": info}
    with atomic_path(path) as temporary:
        picture.save(temporary, format=kind, **options)
