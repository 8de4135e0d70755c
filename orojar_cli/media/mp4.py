"""MP4 (H.264) through imageio-ffmpeg, which brings its own encoder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from orojar_cli.errors import MissingExtraError


def write_mp4(frames: Iterator[np.ndarray], path: Path, fps: float, loop: bool) -> None:
    """Write frames [H, W, 3] uint8 as H.264 yuv420p, which every player shows; odd sides are made even by repeating the last pixels.

    Frames are encoded while the next are made.  `loop` cannot be stored: players decide.
    Raises MissingExtraError without the [video] extra.
    """
    try:
        import imageio_ffmpeg
    except ImportError as error:
        raise MissingExtraError('MP4 needs the video extra: pip install "orojar[video]"; or write .gif or .webp') from error
    first = _even(next(frames))
    encoder = imageio_ffmpeg.write_frames(
        str(path),
        (first.shape[1], first.shape[0]),
        fps=fps,
        codec="libx264",
        pix_fmt_out="yuv420p",
        quality=8,
        macro_block_size=1,
        output_params=["-movflags", "+faststart"],
        ffmpeg_log_level="error",
    )
    with contextlib.closing(encoder):
        encoder.send(None)
        encoder.send(first)
        for frame in frames:
            encoder.send(_even(frame))


def _even(frame: np.ndarray) -> np.ndarray:
    height, width = frame.shape[:2]
    if height % 2 or width % 2:
        frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return np.ascontiguousarray(frame)
