"""Network images -> 8-bit pixels, and their size on the page."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from orojar_cli.errors import NumericalError, OptionError

# Larger ones are photographs.
PIXEL_ART = 32


def to_uint8(images: Any, alpha: bool = False) -> np.ndarray:
    """Float images [N, C, H, W] in about [-1, 1] -> [N, H, W, 3] uint8; with `alpha` [N, H, W, 4] where there is an alpha channel.

    Each number becomes trunc(clamp(x * 127.5 + 128, 0, 255)), computed in float32, as in the StyleGAN tools; `from_uint8` is its
    inverse.  One channel is grey, two grey with alpha, three RGB, four RGB with alpha; alpha that is not kept is
    composited on white.  A numpy array, or a torch tensor on any device.
    Raises NumericalError for numbers that are not finite and OptionError for another shape.
    """
    drawn = images.detach().float() if isinstance(images, Tensor) else torch.from_numpy(np.asarray(images, np.float32))
    if drawn.ndim != 4 or not 1 <= drawn.shape[1] <= 4:
        raise OptionError(f"images of shape {list(drawn.shape)} cannot be shown; they are [N, C, H, W] with 1 to 4 channels")
    # Beyond +-2 every number is black or white; cut there, a huge one cannot overflow.  On the images' device: bytes are less to fetch.
    pixels = (drawn.clamp(-2, 2) * 127.5 + 128).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    if not bool(torch.isfinite(drawn).all()):
        raise NumericalError("the generator drew an image with numbers that are not finite; its weights may be damaged")
    colour = pixels[..., :3] if pixels.shape[-1] >= 3 else pixels[..., :1].repeat(3, -1)
    if pixels.shape[-1] in (2, 4):
        colour = np.concatenate([colour, pixels[..., -1:]], -1)
        colour = colour if alpha else flattened(colour)
    return np.ascontiguousarray(colour)


def flattened(pixels: np.ndarray) -> np.ndarray:
    """Pixels [..., 4] laid on white: [..., 3]; others as they are."""
    if pixels.shape[-1] != 4:
        return pixels
    alpha = pixels[..., 3:].astype(np.uint32)
    return ((pixels[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def from_uint8(pixels: np.ndarray) -> Tensor:
    """8-bit pixels [N, H, W, C] -> images [N, C, H, W] float32: p becomes p / 127.5 - 1, the middle of what `to_uint8` draws as p."""
    return torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1


def resize(frames: np.ndarray, size: int) -> np.ndarray:
    """[N, H, W, 3 or 4] uint8 with the longer side brought to `size` pixels, in the same proportions.

    Pictures of up to 32 pixels are enlarged by the nearest whole factor (the longer side may then miss `size`), so that every pixel
    stays a crisp square; all others are resampled by Lanczos.  Raises OptionError for a size below 1.
    """
    if size < 1:
        raise OptionError(f"a picture of {size} pixels cannot be drawn; use a size of at least 1")
    height, width = frames.shape[1:3]
    longest = max(height, width)
    if size == longest or len(frames) == 0:
        return frames
    if size > longest and longest <= PIXEL_ART:
        factor = max(1, int(size / longest + 0.5))
        return frames.repeat(factor, 1).repeat(factor, 2)
    target = (max(1, round(width * size / longest)), max(1, round(height * size / longest)))
    return np.stack([np.asarray(Image.fromarray(frame).resize(target, Image.Resampling.LANCZOS)) for frame in frames])


def centred(size: tuple[int, int], aspect: float) -> tuple[int, int, int, int]:
    """The box (left, top, right, bottom) of the largest centred part, in whole pixels, of width / height `aspect` in (width, height)."""
    width, height = size
    across, down = min(width, max(1, round(height * aspect))), min(height, max(1, round(width / aspect)))
    left, top = (width - across) // 2, (height - down) // 2
    return left, top, left + across, top + down


def display_size(resolution: int, smallest: int = 96) -> int:
    """A comfortable size for a network's pictures: small ones enlarged by a whole factor to at least `smallest` pixels."""
    return resolution * max(1, -(-smallest // resolution))
