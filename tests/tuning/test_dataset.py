from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from orojar_cli.errors import InputFileError, OptionError
from orojar_cli.tuning.dataset import TrainingPictures


def png(array: np.ndarray) -> bytes:
    data = io.BytesIO()
    Image.fromarray(array).save(data, "PNG")
    return data.getvalue()


def colours(side: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "data" / "deeper"
    inside.mkdir(parents=True)
    (tmp_path / "data" / "b.png").write_bytes(png(colours(seed=1)))
    (inside / "c.png").write_bytes(png(colours(seed=2)))
    (inside / "notes.txt").write_text("not a picture")
    return tmp_path / "data"


def zipped(folder: Path) -> Path:
    path = folder.parent / "data.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in folder.rglob("*"):
            archive.write(file, file.relative_to(folder))
    return path


def test_pictures_of_the_networks_size_come_as_they_are_from_folder_and_zip(folder: Path) -> None:
    expected = torch.from_numpy(np.stack([colours(seed=2), colours(seed=1)])).permute(0, 3, 1, 2) / 127.5 - 1
    for path in (folder, zipped(folder)):
        pictures = TrainingPictures(path, (3, 8, 8))
        assert len(pictures) == 2
        assert torch.allclose(pictures.batch(torch.tensor([1, 0])), expected)
    before = TrainingPictures(folder, (3, 8, 8)).digest
    (folder / "new.png").write_bytes(png(colours()))
    assert TrainingPictures(folder, (3, 8, 8)).digest != before


def test_others_are_cropped_resized_and_converted(tmp_path: Path) -> None:
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 255
    (tmp_path / "wide.png").write_bytes(png(wide))
    (batch,) = TrainingPictures(tmp_path, (1, 4, 4)).batch(torch.tensor([0]))
    assert batch.shape == (1, 4, 4) and bool((batch == 1).all())


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("cut.png", png(colours())[:60], "not a whole picture"),
        ("text.png", b"hello", "not a whole picture"),
        ("odd.png", b"GIF89a" + bytes(40), "not a whole picture"),
    ],
)
def test_what_is_no_picture_is_refused_by_name(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputFileError, match=f"{name}.*{message}"):
        TrainingPictures(tmp_path, (3, 8, 8)).batch(torch.tensor([0]))


def test_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    header = png(np.zeros((1, 1, 3), np.uint8)).replace(bytes([0, 0, 0, 1, 0, 0, 0, 1]), bytes([0, 0, 100, 0, 0, 0, 100, 0]))
    (tmp_path / "wide.png").write_bytes(header)
    with pytest.raises(InputFileError, match=r"wide\.png"):
        TrainingPictures(tmp_path, (3, 8, 8)).batch(torch.tensor([0]))
    monkeypatch.setattr("orojar_cli.tuning.dataset._MOST_BYTES", 1000)
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.png", bytes(1 << 20))
    with pytest.raises(InputFileError, match=r"zeros\.png has more than"):
        TrainingPictures(path, (3, 8, 8)).batch(torch.tensor([0]))


def test_a_damaged_zip_an_empty_folder_and_a_strange_network_are_refused(tmp_path: Path, folder: Path) -> None:
    path = zipped(folder)
    data = bytearray(path.read_bytes())
    data[60:80] = bytes(20)
    path.write_bytes(data)
    with pytest.raises(InputFileError, match=r"cannot be read|neither a folder|whole picture"):
        TrainingPictures(path, (3, 8, 8)).batch(torch.arange(2))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputFileError, match="no pictures"):
        TrainingPictures(tmp_path / "empty", (3, 8, 8))
    with pytest.raises(InputFileError, match="neither a folder nor a readable zip"):
        TrainingPictures(tmp_path / "missing.zip", (3, 8, 8))
    with pytest.raises(OptionError, match="channels"):
        TrainingPictures(folder, (4, 8, 8))


def test_more_pictures_than_can_be_meant_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = zipped(folder)
    monkeypatch.setattr("orojar_cli.tuning.dataset._MOST_FILES", 4)
    assert len(TrainingPictures(folder, (3, 8, 8))) == len(TrainingPictures(archive, (3, 8, 8))) == 2
    monkeypatch.setattr("orojar_cli.tuning.dataset._MOST_FILES", 1)
    with pytest.raises(InputFileError, match="more than 1 pictures"):
        TrainingPictures(folder, (3, 8, 8))
    with pytest.raises(InputFileError, match="more than 1 entries"):
        TrainingPictures(archive, (3, 8, 8))


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orojar_cli.tuning.dataset._MOST_PIXELS", 64)
    assert len(TrainingPictures(folder, (3, 8, 8)).batch(torch.tensor([0]))) == 1
    monkeypatch.setattr("orojar_cli.tuning.dataset._MOST_PIXELS", 63)
    with pytest.raises(InputFileError, match="has 8 x 8 pixels"):
        TrainingPictures(folder, (3, 8, 8)).batch(torch.tensor([0]))
