"""A user's picture as a network would have drawn it: upright, of its proportions, size and channels."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from orojar_cli.errors import InputFileError
from orojar_cli.media import centred, from_uint8

# Pillow reads these by starting other programs or leaving the work to the system.
_REFUSED = {"EPS", "WMF"}
_LARGEST_FILE = 1 << 29
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_WHITE = (255, 255, 255, 255)


def read_photograph(path: str | os.PathLike[str]) -> Image.Image:
    """The picture in a file of any format Pillow decodes by itself, upright (EXIF), mode RGBA; the first frame of a film.

    16-bit grey is brought to 8 bits.  Raises InputFileError where there is no such picture, where it is damaged, or where it has more
    pixels than Pillow takes for safe.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise InputFileError(f"cannot read {path}: it is not a file; name a picture")
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise InputFileError(f"{path.name} is larger than {_LARGEST_FILE >> 20} MiB; pass a smaller picture")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return _decoded(path)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputFileError(f"{path.name} has more pixels than are safe to decode; scale it down first") from error
    except UnidentifiedImageError as error:
        raise InputFileError(f"{path.name} is no picture that can be read; pass a PNG, JPEG or WebP") from error
    except (FileNotFoundError, PermissionError) as error:
        raise InputFileError(f"cannot read {path}: {error.strerror}; check the path") from error
    except InputFileError:
        raise
    # Damaged files raise whatever a decoder stumbles over.
    except Exception as error:
        raise InputFileError(f"{path.name} is a damaged picture ({type(error).__name__}); save it again") from error


def _decoded(path: Path) -> Image.Image:
    Image.init()
    with Image.open(path, formats=[name for name in Image.ID if name not in _REFUSED]) as picture:
        picture.load()
        upright = ImageOps.exif_transpose(picture)
    if upright.mode == "F":
        raise InputFileError(f"{path.name} has floating-point pixels, whose range is not known; save it with 8 bits")
    if upright.mode.startswith("I"):
        upright = Image.fromarray((np.asarray(upright).clip(0, 65535) // 257).astype(np.uint8))
    return upright.convert("RGBA")


def as_target(picture: Image.Image, shape: tuple[int, int, int]) -> Tensor:
    """[1, C, H, W] float32 of `shape` (C, H, W): the largest centred part of these proportions (a square where H is W), resampled by
    Lanczos, 8-bit pixels as `from_uint8` reads them.

    Transparency is composited on white unless the network draws it (2 or 4 channels); grey networks get the luma.
    """
    channels, height, width = shape
    centre = picture.crop(centred(picture.size, width / height))
    if channels in (1, 3):
        centre = Image.alpha_composite(Image.new("RGBA", centre.size, _WHITE), centre)
    small = centre.convert(_MODES[channels]).resize((width, height), Image.Resampling.LANCZOS)
    return from_uint8(np.asarray(small, np.uint8).reshape(1, height, width, channels)).contiguous()
