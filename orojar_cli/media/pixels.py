"""Network images -> 8-bit pixels, and their size on the page."""

from __future__ import annotations

import numpy as np
from PIL import Image

from orojar_cli.errors import NumericalError

_PIXEL_ART = 64


def to_uint8(images: np.ndarray) -> np.ndarray:
    """Float images [N, C, H, W] in about [-1, 1] -> [N, H, W, 3] uint8.

    clamp(round-half-away(x * 127.5 + 128), 0, 255), as the StyleGAN tools quantise.  One channel is grey, two grey with alpha,
    three RGB, four RGB with alpha; alpha is composited on white.  Raises NumericalError for numbers that are not finite.
    """
    images = np.asarray(images, np.float32)
    if not np.isfinite(images).all():
        raise NumericalError("the generator drew an image with numbers that are not finite; its weights may be damaged")
    pixels = np.floor(np.clip(images * 127.5 + 128, 0, 255) + 0.5).clip(0, 255).transpose(0, 2, 3, 1)
    colour = pixels[..., :3] if pixels.shape[-1] >= 3 else pixels[..., :1].repeat(3, -1)
    if pixels.shape[-1] in (2, 4):
        alpha = pixels[..., -1:] / 255
        colour = np.floor(colour * alpha + 255 * (1 - alpha) + 0.5)
    return colour.astype(np.uint8)


def resize(frames: np.ndarray, size: int) -> np.ndarray:
    """[N, H, W, 3] uint8 with the longer side brought to `size`: small pictures by whole factors in crisp pixels, others by Lanczos."""
    height, width = frames.shape[1:3]
    longest = max(height, width)
    if size == longest or len(frames) == 0:
        return frames
    if size > longest and longest <= _PIXEL_ART:
        factor = max(1, round(size / longest))
        return frames.repeat(factor, 1).repeat(factor, 2)
    target = (max(1, round(width * size / longest)), max(1, round(height * size / longest)))
    return np.stack([np.asarray(Image.fromarray(frame).resize(target, Image.Resampling.LANCZOS)) for frame in frames])


def display_size(resolution: int, smallest: int = 96) -> int:
    """A comfortable size for a network's pictures: small ones enlarged by a whole factor to at least `smallest` pixels."""
    return resolution * max(1, -(-smallest // resolution))
