"""MP4 (H.264) through the ffmpeg that imageio-ffmpeg brings along."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from orojar_cli.errors import MissingExtraError, OutputFileError

_QUALITY = ["-c:v", "libx264", "-crf", "17", "-preset", "medium", "-pix_fmt", "yuv420p", "-movflags", "+faststart"]


def writes_mp4() -> bool:
    """Whether the extra that writes MP4 is there."""
    try:
        import imageio_ffmpeg  # noqa: F401
    except ImportError:
        return False
    return True


def write_mp4(frames: Iterator[np.ndarray], path: Path, fps: float, loop: bool, text: str = "") -> None:
    """Write frames [H, W, 3] uint8 as H.264 yuv420p, which every player shows; odd sides are made even by repeating the last pixels.

    Frames are encoded while the next are made.  `loop` cannot be stored: players decide; `text` is not kept.
    Raises MissingExtraError without the [video] extra and OutputFileError where ffmpeg fails.
    """
    try:
        from imageio_ffmpeg import get_ffmpeg_exe
    except ImportError as error:
        raise MissingExtraError('MP4 needs the video extra: pip install "orojar[video]"; or write .gif or .webp') from error
    try:
        program = get_ffmpeg_exe()
    except RuntimeError as error:
        raise MissingExtraError('no ffmpeg was found: pip install --force-reinstall "orojar[video]"; or write .gif or .webp') from error
    first = _even(next(frames))
    size = f"{first.shape[1]}x{first.shape[0]}"
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", f"{fps:g}", "-i", "-"]
    command = [program, "-y", "-v", "error", *source, *_QUALITY, "-f", "mp4", str(path.absolute())]
    # imageio-ffmpeg's own writer does not look at the exit status: a full disk would leave a broken film and no error.
    with tempfile.TemporaryFile() as log:
        encoder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=log)
        assert encoder.stdin is not None
        gave_up = False
        try:
            try:
                encoder.stdin.write(first.data)
                for frame in frames:
                    encoder.stdin.write(_even(frame).data)
                encoder.stdin.close()
            except BrokenPipeError:
                gave_up = True
            status = encoder.wait()
        finally:
            encoder.kill()
            encoder.wait()
            _close(encoder)
        log.seek(0)
        said = log.read().decode(errors="replace").split("\n")
    if status or gave_up:
        reason = next((line.strip() for line in said if "No space" in line or "too large" in line), "") or said[0].strip()
        raise OutputFileError(f"cannot write the film: ffmpeg failed ({reason or f'status {status}'}); nothing was left under its name")


def _close(encoder: subprocess.Popen[bytes]) -> None:
    try:
        if encoder.stdin is not None:
            encoder.stdin.close()
    except BrokenPipeError:
        # What the pipe still held has no reader any more.
        pass


def _even(frame: np.ndarray) -> np.ndarray:
    height, width = frame.shape[:2]
    if height % 2 or width % 2:
        frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return np.ascontiguousarray(frame)
