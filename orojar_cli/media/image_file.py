"""Still pictures on disk; PNGs carry the settings that made them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from orojar_cli.errors import InputFileError, OptionError
from orojar_cli.files import atomic_path

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
_KEY = "orojar"


def save_image(image: Image.Image, path: str | os.PathLike[str], metadata: dict[str, Any] | None = None) -> None:
    """Write a picture, format by suffix; a PNG keeps `metadata` as JSON in a text chunk.  Raises OptionError for other suffixes."""
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise OptionError(f"cannot write {Path(path).name}: a picture's name ends in {', '.join(SUFFIXES)}")
    options: dict[str, Any] = {"quality": 92} if suffix != ".png" else {}
    if suffix == ".png" and metadata is not None:
        info = PngImagePlugin.PngInfo()
        info.add_itxt(_KEY, json.dumps(metadata))
        options["pnginfo"] = info
    with atomic_path(path) as temporary:
        image.save(temporary, **options)


def read_metadata(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """The settings stored in a PNG, or None; raises InputFileError where there is no readable picture."""
    try:
        with Image.open(path) as image:
            text = image.info.get(_KEY)
        settings = json.loads(text) if isinstance(text, str) else None
    except (OSError, ValueError) as error:
        raise InputFileError(f"cannot read {path}: it is no picture with settings ({type(error).__name__})") from error
    return settings if isinstance(settings, dict) else None
