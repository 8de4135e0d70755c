from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from orojar_cli.errors import InputFileError, OptionError, OutputFileError
from orojar_cli.media import read_metadata, save_image

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)


@pytest.mark.parametrize(("suffix", "kind"), [(".png", "PNG"), (".jpg", "JPEG"), (".JPEG", "JPEG"), (".webp", "WEBP")])
def test_suffix_chooses_the_format(tmp_path: Path, suffix: str, kind: str) -> None:
    path = tmp_path / f"picture{suffix}"
    save_image(Image.fromarray(PIXELS), path, {"seed": 1})
    with Image.open(path) as image:
        assert (image.format, image.size) == (kind, (30, 20))
    assert read_metadata(path) == ({"seed": 1} if kind == "PNG" else None)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_png_is_lossless_and_keeps_its_settings(tmp_path: Path) -> None:
    settings = {"label": "Größe 漢字", "seeds": np.arange(3), "psi": np.float32(0.5), "path": Path("a/b"), "none": None}
    save_image(PIXELS, tmp_path / "a.png", settings)
    with Image.open(tmp_path / "a.png") as image:
        np.testing.assert_array_equal(np.asarray(image), PIXELS)
        assert "orojar" in image.info
    assert read_metadata(tmp_path / "a.png") == {"label": "Größe 漢字", "seeds": [0, 1, 2], "psi": 0.5, "path": "a/b", "none": None}


def test_jpeg_takes_transparent_pictures(tmp_path: Path) -> None:
    save_image(Image.new("RGBA", (8, 8), (10, 20, 30, 40)), tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.mode == "RGB"


def test_unknown_suffix_names_those_supported(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"\.png, \.jpg, \.jpeg, \.webp"):
        save_image(PIXELS, tmp_path / "a.bmp")


def test_settings_of_a_very_large_grid_are_read_without_its_pixels(tmp_path: Path) -> None:
    # Pillow warns about more than 89 million pixels, and warnings are errors here.
    save_image(Image.new("1", (20_000, 9_500)), tmp_path / "a.png", {"seed": 1})
    assert read_metadata(tmp_path / "a.png") == {"seed": 1}


def test_png_without_settings_or_with_those_of_others(tmp_path: Path) -> None:
    save_image(PIXELS, tmp_path / "a.png")
    assert read_metadata(tmp_path / "a.png") is None


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>", b"\x89PNG\r\n\x1a\n", b"\x89PNG\r\n\x1a\n\0\0\0\x0dIH", b"GIF89a", b"GIF89a\1\0\1\0\0\0\0!\xfe\x09orojar", None],
)
def test_unreadable_pictures(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(InputFileError, match="cannot read settings"):
        read_metadata(tmp_path / "a.png")


def test_damaged_settings(tmp_path: Path) -> None:
    save_image(PIXELS, tmp_path / "a.png", {"seed": 1})
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(data.replace(b'{"seed"', b'!"seed"'))
    with pytest.raises(InputFileError, match="damaged"):
        read_metadata(tmp_path / "a.png")


def test_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_image(PIXELS, tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()

    def full(self: Image.Image, path: Path, **options: object) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OutputFileError, match="No space left"):
        save_image(PIXELS, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(OutputFileError, match="does not exist"):
        save_image(PIXELS, tmp_path / "missing" / "a.png")


def test_settings_too_long_to_be_settings(tmp_path: Path) -> None:
    save_image(PIXELS, tmp_path / "a.png", {"text": "x" * (2 << 20)})
    with pytest.raises(InputFileError, match="damaged"):
        read_metadata(tmp_path / "a.png")


def test_settings_nested_too_deep(tmp_path: Path) -> None:
    save_image(PIXELS, tmp_path / "a.png", {"a": 1})
    data, nested = (tmp_path / "a.png").read_bytes(), b"[" * 100_000
    at = data.index(b"tEXt") - 4
    chunk = (7 + len(nested)).to_bytes(4, "big") + b"tEXtorojar\0" + nested + b"\0\0\0\0"
    (tmp_path / "a.png").write_bytes(data[:at] + chunk + data[at:])
    with pytest.raises(InputFileError, match="damaged"):
        read_metadata(tmp_path / "a.png")
