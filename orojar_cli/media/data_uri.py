"""Pictures inside a page or a notebook, as data URIs."""

from __future__ import annotations

import base64
import html
import io
from pathlib import Path

import numpy as np
from PIL import Image


def data_uri(image: np.ndarray | Image.Image) -> str:
    """A picture as text: PNG up to a side of 200 pixels, where every pixel can be seen, else JPEG, which is much smaller."""
    shown = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    buffer = io.BytesIO()
    kind, options = ("PNG", {"optimize": True}) if max(shown.size) <= 200 else ("JPEG", {"quality": 88, "subsampling": 0})
    shown.save(buffer, kind, **options)
    return as_uri(f"image/{kind.lower()}", buffer.getvalue())


def file_uri(path: Path) -> str:
    """A PNG, JPEG or GIF file inside the page."""
    return as_uri({".png": "image/png", ".gif": "image/gif"}.get(path.suffix, "image/jpeg"), path.read_bytes())


def picture_html(image: Image.Image, told: str) -> str:
    """A picture as notebooks show it; `told` says what it is to those who do not see it."""
    return f'<img src="{data_uri(image)}" alt="{html.escape(told)}">'


def as_uri(kind: str, data: bytes) -> str:
    """Any file inside the page."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
