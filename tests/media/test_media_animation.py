from __future__ import annotations

import builtins
import errno
import os
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imageio.v2
import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image, ImageSequence

from orojar_cli.errors import MissingExtraError, OptionError, OutputFileError
from orojar_cli.media import gif as gif_module
from orojar_cli.media import save_animation
from orojar_cli.media.palette import Palette
from orojar_cli.media.timing import changed_box, ticks

STREAMED = [".gif", ".webp", ".png", ".apng"]
TICK = {".gif": 10, ".webp": 1, ".png": 0.05, ".apng": 0.05}


def discs(count: int = 12, side: int = 48) -> list[np.ndarray]:
    """A disc that glides over a plain ground beside a still one."""
    y, x = np.mgrid[:side, :side]
    frames = []
    for index in range(count):
        cover = np.clip(8 - np.hypot(x - 12 - 2 * index, y - 20), 0, 1)[..., None]
        moving = np.round(np.array([60, 120, 200]) * (1 - cover) + np.array([250, 220, 80]) * cover)
        still = np.full((side, 30, 3), (30, 90, 60)) + (np.arange(30) * 3)[None, :, None]
        frames.append(np.concatenate([moving, still], 1).astype(np.uint8))
    return frames


def shades(count: int = 8, side: int = 96) -> list[np.ndarray]:
    """Smooth shades of more colours than a GIF has: a lit ball that glides before a sky."""
    y, x = np.mgrid[:side, :side] / side
    frames = []
    for index in range(count):
        across = 0.35 + 0.3 * index / count
        light = np.clip(1.1 - 1.6 * np.hypot(x - across + 0.12, y - 0.35), 0.1, 1)[..., None]
        sky = np.array([140, 90, 60]) * (0.6 + 0.6 * y + 0.2 * x)[..., None]
        ball = np.hypot(x - across, 0.8 * (y - 0.5)) < 0.3
        frames.append(np.where(ball[..., None], np.array([235, 180, 150]) * light + 20, sky).clip(0, 255).astype(np.uint8))
    return frames


def read(path: Path) -> tuple[np.ndarray, list[float]]:
    frames, durations = [], []
    with Image.open(path) as image:
        for frame in ImageSequence.Iterator(image):
            frames.append(np.asarray(frame.convert("RGB")))
            durations.append(frame.info["duration"])
    return np.stack(frames), durations


def read_mp4(path: Path, height: int, width: int) -> np.ndarray:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    pixels = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(pixels, np.uint8).reshape(-1, height, width, 3)


def gif_frames(data: bytes) -> list[tuple[int, int]]:
    """(hundredths of a second, flags of the picture descriptor) per frame, by walking the file's blocks."""
    at, found, delay = 13 + 3 * 2 ** ((data[10] & 7) + 1), [], 0
    while data[at] != 0x3B:
        if data[at] == 0x21:
            if data[at + 1] == 0xF9:
                delay = struct.unpack_from("<H", data, at + 4)[0]
            at += 2
        else:
            found.append((delay, data[at + 9]))
            at += 11
        while data[at]:
            at += data[at] + 1
        at += 1
    assert at == len(data) - 1
    return found


@pytest.mark.parametrize("suffix", STREAMED)
@pytest.mark.parametrize("fps", [25, 30, 7.5, 50])
def test_every_frame_and_the_total_duration_survive(tmp_path: Path, suffix: str, fps: float) -> None:
    frames = discs()
    save_animation(iter(frames), tmp_path / f"a{suffix}", fps=fps)
    found, durations = read(tmp_path / f"a{suffix}")
    assert found.shape == (12, 48, 78, 3)
    assert sum(durations) == pytest.approx(1000 * 12 / fps, abs=TICK[suffix])
    assert max(durations) - min(durations) <= TICK[suffix]
    # Few flat colours: exact in every one of these formats.
    np.testing.assert_array_equal(found, np.stack(frames))
    assert os.listdir(tmp_path) == [f"a{suffix}"]


@pytest.mark.parametrize("suffix", STREAMED)
def test_dead_direction_is_a_film_of_the_asked_duration(tmp_path: Path, suffix: str) -> None:
    save_animation([discs(1)[0]] * 50, tmp_path / f"a{suffix}", fps=25)
    with Image.open(tmp_path / f"a{suffix}") as image:
        assert image.is_animated
    found, durations = read(tmp_path / f"a{suffix}")
    assert len(found) == 50 and sum(durations) == pytest.approx(2000)
    assert (found == discs(1)[0]).all()


@pytest.mark.parametrize("suffix", STREAMED)
def test_one_frame_alone(tmp_path: Path, suffix: str) -> None:
    save_animation(discs(1), tmp_path / f"a{suffix}", fps=2)
    with Image.open(tmp_path / f"a{suffix}") as image:
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), discs(1)[0])


@pytest.mark.parametrize("suffix", STREAMED)
@pytest.mark.parametrize("loop", [True, False])
def test_loop(tmp_path: Path, suffix: str, loop: bool) -> None:
    save_animation(discs(3), tmp_path / f"a{suffix}", loop=loop)
    with Image.open(tmp_path / f"a{suffix}") as image:
        assert image.info.get("loop") == (0 if loop else None if suffix == ".gif" else 1)


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_random_frames_of_odd_size(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(0)
    frames = [np.zeros((13, 17, 3), np.uint8)]
    for _ in range(6):
        frame = frames[-1].copy()
        top, left = rng.integers(0, 13), rng.integers(0, 17)
        frame[top : top + 4, left : left + 3] = rng.integers(0, 256, 3)
        frames.append(frame)
    save_animation(frames, tmp_path / f"a{suffix}")
    found, _ = read(tmp_path / f"a{suffix}")
    assert len(found) == 7
    if suffix == ".png":
        np.testing.assert_array_equal(found, np.stack(frames))
    else:
        assert np.abs(found.astype(int) - np.stack(frames)).mean() < 4


@pytest.mark.parametrize("frames", [discs(), shades()], ids=["discs", "shades"])
def test_gif_has_one_palette_and_one_block_per_frame(tmp_path: Path, frames: list[np.ndarray]) -> None:
    save_animation(frames, tmp_path / "a.gif", fps=30)
    data = (tmp_path / "a.gif").read_bytes()
    assert data[10] & 0x80
    blocks = gif_frames(data)
    assert len(blocks) == len(frames)
    local_palette = 0x80
    assert not any(flags & local_palette for _, flags in blocks)
    assert {delay for delay, _ in blocks} == {3, 4}


def test_gif_durations_carry_their_remainders() -> None:
    clock = ticks(30, 100)
    assert [next(clock) for _ in range(6)] == [3, 4, 3, 3, 4, 3]
    clock = ticks(23.976, 100)
    assert sum(next(clock) for _ in range(1000)) == round(100_000 / 23.976)


def test_still_regions_stay_the_same_bytes(tmp_path: Path) -> None:
    still = shades(1)[0]
    save_animation([np.concatenate([frame, still], 1) for frame in shades()], tmp_path / "a.gif")
    found, _ = read(tmp_path / "a.gif")
    assert (found[1:, :, 96:] == found[0, :, 96:]).all()
    assert (found[1:, :, :96] != found[0, :, :96]).any()


def test_smooth_shades_show_no_bands(tmp_path: Path) -> None:
    frames = shades()
    save_animation(frames, tmp_path / "a.gif")
    difference = read(tmp_path / "a.gif")[0].astype(float) - np.stack(frames)
    assert (difference**2).mean() ** 0.5 < 1.5
    # A band, like a palette looked up off its centre, is an error that goes the same way over a neighbourhood.
    blocks = difference.reshape(len(frames), 12, 8, 12, 8, 3).mean((2, 4))
    assert (blocks**2).mean() ** 0.5 < 0.6
    # Pillow's own lookup is 1.2 off.
    assert abs(difference.mean()) < 0.4


def test_slow_drift_is_held_but_never_lost(tmp_path: Path) -> None:
    ground = shades(1)[0].clip(0, 200)
    frames = [ground + np.uint8(index) for index in range(40)]
    save_animation(frames, tmp_path / "a.gif")
    found, _ = read(tmp_path / "a.gif")
    assert (found[1] == found[0]).mean() > 0.5
    drift = found.astype(float).mean((1, 2, 3)) - np.stack(frames).mean((1, 2, 3))
    assert np.abs(drift).max() <= 2


def test_palette_finds_the_nearest_colour() -> None:
    rng = np.random.default_rng(0)
    colours, frame = rng.integers(0, 256, (255, 3), np.uint8), rng.integers(0, 256, (40, 50, 3), np.uint8)
    distances = ((frame[:, :, None].astype(int) - colours.astype(int)) ** 2).sum(-1)
    np.testing.assert_array_equal(distances.argmin(-1), Palette(colours, exact=True).indices(frame))
    found = np.take_along_axis(distances, Palette(colours).indices(frame)[..., None].astype(int), -1)[..., 0]
    # The centre of a box is at most half the diagonal of 2 x 2 x 2 levels away.
    assert (found**0.5 <= distances.min(-1) ** 0.5 + 3**0.5).all()


@pytest.mark.parametrize("frames", [discs(20), shades(20, 128)], ids=["discs", "shades"])
def test_gif_is_no_larger_than_imageio_writes(tmp_path: Path, frames: list[np.ndarray]) -> None:
    save_animation(frames, tmp_path / "a.gif")
    imageio.v2.mimwrite(tmp_path / "b.gif", frames, duration=40)
    assert (tmp_path / "a.gif").stat().st_size <= (tmp_path / "b.gif").stat().st_size


def test_frames_beyond_memory_wait_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gif_module, "_MEMORY", 1000)
    save_animation(discs(), tmp_path / "a.gif")
    np.testing.assert_array_equal(read(tmp_path / "a.gif")[0], np.stack(discs()))
    assert os.listdir(tmp_path) == ["a.gif"]


@pytest.mark.parametrize("suffix", [".webp", ".apng", ".mp4"])
def test_frames_are_taken_one_at_a_time(tmp_path: Path, suffix: str) -> None:
    buffer = np.empty((32, 32, 3), np.uint8)

    def reused() -> Iterator[np.ndarray]:
        for index in range(6):
            buffer[:] = 40 * index
            yield buffer

    save_animation(reused(), tmp_path / f"a{suffix}")
    found = read_mp4(tmp_path / "a.mp4", 32, 32) if suffix == ".mp4" else read(tmp_path / f"a{suffix}")[0]
    assert [round(frame.mean() / 40) for frame in found] == [0, 1, 2, 3, 4, 5]


def test_mp4_pads_odd_sides_with_the_last_pixels(tmp_path: Path) -> None:
    frames = [np.full((33, 47, 3), (200, 40, 60), np.uint8)] * 10
    save_animation(frames, tmp_path / "a.mp4", fps=10)
    # The size is part of what is checked: of another one, the pixels would not fill whole frames of this colour.
    found = read_mp4(tmp_path / "a.mp4", 34, 48)
    count, seconds = imageio_ffmpeg.count_frames_and_secs(str(tmp_path / "a.mp4"))
    assert len(found) == count == 10 and seconds == pytest.approx(1.0, abs=0.01)
    assert b"avc1" in (tmp_path / "a.mp4").read_bytes()
    assert np.abs(found.astype(int) - (200, 40, 60)).max() < 12


def test_mp4_without_the_extra_is_told_before_a_frame_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **options: Any) -> Any:
        if name == "imageio_ffmpeg":
            raise ImportError(name)
        return real(name, *args, **options)

    def never() -> Iterator[np.ndarray]:
        raise AssertionError("a frame was made")
        yield

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r'pip install "orojar\[video\]"'):
        save_animation(never(), tmp_path / "a.mp4")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("script", ["exit 1", "cat > /dev/null; exit 228", "exec <&-; sleep 0.2; exit 0"])
def test_mp4_is_not_kept_where_ffmpeg_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text(f"#!/bin/sh\necho 'No space left on device' >&2\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: str(program))
    (tmp_path / "a.mp4").write_bytes(b"old")
    with pytest.raises(OutputFileError, match="No space left on device"):
        save_animation([np.zeros((300, 300, 3), np.uint8)] * 20, tmp_path / "a.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path)) == ["a.mp4", "ffmpeg"]


@pytest.mark.parametrize("suffix", [*STREAMED, ".mp4"])
def test_failing_frames_leave_nothing(tmp_path: Path, suffix: str) -> None:
    def broken() -> Iterator[np.ndarray]:
        yield from discs(4)
        raise RuntimeError("rendering failed")

    with pytest.raises(RuntimeError, match="rendering failed"):
        save_animation(broken(), tmp_path / f"a{suffix}")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("suffix", STREAMED)
def test_full_disk_leaves_the_old_film(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"old")
    real, calls = Image.Image.save, []

    def full(*args: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) > 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*args, **options) if suffix != ".gif" else b"part"

    if suffix == ".gif":
        monkeypatch.setattr(gif_module, "_block", full)
    else:
        monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OutputFileError, match="No space left"):
        save_animation(discs(), path)
    assert path.read_bytes() == b"old" and len(os.listdir(tmp_path)) == 1


def test_missing_folder_is_told_before_a_frame_is_made(tmp_path: Path) -> None:
    def never() -> Iterator[np.ndarray]:
        raise AssertionError("a frame was made")
        yield

    for suffix in (*STREAMED, ".mp4"):
        with pytest.raises(OutputFileError, match="does not exist"):
            save_animation(never(), tmp_path / "missing" / f"a{suffix}")


@pytest.mark.parametrize(
    ("frames", "name", "fps", "message"),
    [
        (discs(2), "a.avi", 25, r"\.gif, \.webp, \.png, \.apng, \.mp4"),
        ([], "a.gif", 25, "at least one frame"),
        ([], "a.webp", 25, "at least one frame"),
        ([], "a.apng", 25, "at least one frame"),
        ([], "a.mp4", 25, "at least one frame"),
        (discs(2), "a.gif", 60, r"in \.gif; use 0\.01 to 50"),
        (discs(2), "a.gif", 0, "frames per second"),
        (discs(2), "a.gif", float("nan"), "frames per second"),
        ([np.zeros((4, 4, 3), np.float32)], "a.gif", 25, "float32"),
        ([np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8)], "a.webp", 25, "frame 1 has shape"),
        ([np.zeros((2, 16400, 3), np.uint8)], "a.webp", 25, "too large"),
    ],
)
def test_refusals_leave_nothing(tmp_path: Path, frames: list[np.ndarray], name: str, fps: float, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        save_animation(frames, tmp_path / name, fps=fps)
    assert os.listdir(tmp_path) == []


def test_changed_box() -> None:
    before = np.zeros((6, 8), np.uint8)
    after = before.copy()
    after[2:4, 3:5] = 1
    assert changed_box(before, after) == (3, 2, 5, 4)
    assert changed_box(before, after, 2) == (2, 2, 5, 4)
    assert changed_box(before, before) == (0, 0, 1, 1)
