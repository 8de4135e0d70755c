"""Moving pictures: GIF with one palette for the whole film, WebP, animated PNG, MP4."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from orojar_cli.errors import MissingExtraError, OptionError
from orojar_cli.files import atomic_path

SUFFIXES = (".gif", ".webp", ".png", ".apng", ".mp4")
_PALETTE_PIXELS = 400_000


def save_animation(frames: Iterable[np.ndarray], path: str | os.PathLike[str], *, fps: float = 25) -> None:
    """Write frames [H, W, 3] uint8 as an endless film; the suffix chooses the format.

    The total duration is right to a hundredth of a second for any `fps` up to 50, also where frames repeat.
    Raises OptionError for another suffix or no frames, MissingExtraError for .mp4 without the [video] extra.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise OptionError(f"cannot write {Path(path).name}: a film's name ends in {', '.join(SUFFIXES)}")
    if not 0 < fps <= 50:
        raise OptionError(f"{fps} frames per second cannot be shown; use more than 0 and at most 50")
    if suffix == ".mp4":
        _save_mp4(iter(frames), path, fps)
        return
    pictures = list(frames)
    if not pictures:
        raise OptionError("a film needs at least one frame")
    durations = frame_durations(len(pictures), fps)
    images = _shared_palette(pictures) if suffix == ".gif" else [Image.fromarray(picture) for picture in pictures]
    images, durations = _merge_repeats(images, durations)
    options = {
        ".gif": {"format": "GIF", "optimize": False, "disposal": 1},
        ".webp": {"format": "WEBP", "quality": 88, "method": 4},
        ".png": {"format": "PNG"},
        ".apng": {"format": "PNG"},
    }[suffix]
    if len(images) == 1:
        # One frame alone would be written as a still without duration: show it twice, the second a shade apart in one corner pixel.
        images, durations = [images[0], _nudged(images[0])], [durations[0] - durations[0] // 20 * 10, durations[0] // 20 * 10]
    with atomic_path(path) as temporary:
        images[0].save(temporary, save_all=True, append_images=images[1:], duration=durations, loop=0, **options)


def frame_durations(count: int, fps: float) -> list[int]:
    """Milliseconds per frame in whole hundredths of a second (GIF's unit), errors carried over so that the sum is right."""
    ends = [round(100 * (index + 1) / fps) for index in range(count)]
    return [10 * max(1, end - start) for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def _merge_repeats(images: list[Image.Image], durations: list[int]) -> tuple[list[Image.Image], list[int]]:
    """Successive equal frames as one longer frame, which the encoders would otherwise drop together with their time."""
    merged, times = [images[0]], [durations[0]]
    for image, duration in zip(images[1:], durations[1:], strict=True):
        if image.tobytes() == merged[-1].tobytes():
            times[-1] += duration
        else:
            merged.append(image)
            times.append(duration)
    return merged, times


def _nudged(image: Image.Image) -> Image.Image:
    copy = image.copy()
    corner = (copy.width - 1, copy.height - 1)
    value = copy.getpixel(corner)
    if isinstance(value, tuple):
        copy.putpixel(corner, (value[0] ^ 1, *value[1:]))
    else:
        copy.putpixel(corner, (int(value or 0) + 1) % 2)
    return copy


def _shared_palette(pictures: list[np.ndarray]) -> list[Image.Image]:
    """The frames in one palette of 256 colours chosen over all of them: no flicker, and still regions stay the same bytes.

    No dithering: error diffusion crawls from frame to frame, and the generators' pictures have few enough colours.
    """
    pixels = np.concatenate(
        [picture.reshape(-1, 3)[:: max(1, len(pictures) * picture.shape[0] * picture.shape[1] // _PALETTE_PIXELS)] for picture in pictures]
    )
    side = max(1, int(len(pixels) ** 0.5))
    sample = Image.fromarray(pixels[: side * side].reshape(side, side, 3))
    palette = sample.quantize(256, Image.Quantize.MEDIANCUT, kmeans=1)
    return [Image.fromarray(picture).quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]


def _save_mp4(frames: Iterator[np.ndarray], path: str | os.PathLike[str], fps: float) -> None:
    try:
        import imageio_ffmpeg
    except ImportError as error:
        raise MissingExtraError('MP4 needs the [video] extra: pip install "orojar[video]", or write .gif or .webp') from error
    first = next(frames, None)
    if first is None:
        raise OptionError("a film needs at least one frame")

    def even(frame: np.ndarray) -> np.ndarray:
        # H.264 with 4:2:0 chroma has even sides.
        return np.pad(frame, ((0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)), mode="edge")

    first = even(first)
    with atomic_path(path) as temporary:
        writer = imageio_ffmpeg.write_frames(
            str(temporary),
            (first.shape[1], first.shape[0]),
            fps=fps,
            codec="libx264",
            pix_fmt_out="yuv420p",
            quality=8,
            macro_block_size=1,
            ffmpeg_log_level="error",
        )
        writer.send(None)
        try:
            writer.send(np.ascontiguousarray(first))
            for frame in frames:
                writer.send(np.ascontiguousarray(even(frame)))
        finally:
            writer.close()
