"""Moving pictures: checks the frames and hands them to the writer of the format."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from orojar_cli.errors import OptionError
from orojar_cli.files import atomic_path
from orojar_cli.media.apng import write_apng
from orojar_cli.media.gif import write_gif
from orojar_cli.media.metadata import settings_text
from orojar_cli.media.mp4 import write_mp4
from orojar_cli.media.webp import write_webp

# Of frames, path, frames per second, whether to loop, and text to keep.
Writer = Callable[[Iterator[np.ndarray], Path, float, bool, str], None]
_SLOWEST = 0.01


@dataclass(frozen=True)
class _Format:
    write: Writer
    fastest: int
    longest_side: int


# Browsers slow GIFs of more than 50 frames per second down to 10.
_GIF, _WEBP, _PNG = _Format(write_gif, 50, 65535), _Format(write_webp, 1000, 16383), _Format(write_apng, 1000, 65535)
_FORMATS = {".gif": _GIF, ".webp": _WEBP, ".png": _PNG, ".apng": _PNG, ".mp4": _Format(write_mp4, 1000, 16384)}


def save_animation(
    frames: Iterable[np.ndarray],
    path: str | os.PathLike[str],
    *,
    fps: float = 25,
    loop: bool = True,
    metadata: dict[str, Any] | None = None,
) -> None:
    """Write frames [H, W, 3] uint8 as a film, whole or not at all; the suffix .gif, .webp, .png, .apng or .mp4 chooses the format.

    `frames` may be a generator and is consumed once, a frame at a time: memory does not grow with the length of the film (a GIF's
    frames beyond 256 MiB wait in a temporary file beside `path`).  Every frame is kept, also where it repeats the one before, and the
    total duration is frames / fps to half a unit of the format (GIF 1/100 s, WebP 1/1000 s).  `loop` repeats the film for ever,
    else it stops after one showing; MP4 leaves that to the player.  GIF and PNG keep `metadata` for `read_metadata`, the others do not.

    Raises OptionError for another suffix, no frames, frames of unlike shape or a rate the format cannot show, MissingExtraError for
    .mp4 without the [video] extra, OutputFileError where the file cannot be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS:
        raise OptionError(f"cannot write {Path(path).name}: a film's name ends in {', '.join(_FORMATS)}")
    film = _FORMATS[suffix]
    if not _SLOWEST <= fps <= film.fastest:
        raise OptionError(f"{fps} frames per second cannot be shown in {suffix}; use {_SLOWEST} to {film.fastest}")
    with atomic_path(path) as temporary:
        # Before the first frame is rendered, so that a missing folder is told at once.
        temporary.touch()
        film.write(_checked(frames, film.longest_side), temporary, fps, loop, settings_text(metadata) if metadata else "")


def _checked(frames: Iterable[np.ndarray], longest_side: int) -> Iterator[np.ndarray]:
    shape = None
    for number, frame in enumerate(frames):
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or 0 in frame.shape:
            raise OptionError(f"frame {number} is {frame.dtype} {list(frame.shape)}; frames are uint8 [H, W, 3]")
        if shape is not None and frame.shape != shape:
            raise OptionError(f"frame {number} has shape {list(frame.shape)}, those before {list(shape)}")
        if max(frame.shape) > longest_side:
            raise OptionError(f"frames of {frame.shape[1]} x {frame.shape[0]} pixels are too large for this format; use a smaller --size")
        shape = frame.shape
        yield np.ascontiguousarray(frame)
    if shape is None:
        raise OptionError("a film needs at least one frame")
