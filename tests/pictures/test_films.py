from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from orojar_cli.directions import DirectionSet
from orojar_cli.errors import OptionError
from orojar_cli.media import read_metadata
from orojar_cli.pictures.film import film_frames, film_length, picture_size, save_film
from orojar_cli.pictures.scene import Subject, Walk


@pytest.fixture
def subject(shapes) -> Subject:
    basis = torch.linalg.qr(torch.randn(64, 64, generator=torch.Generator().manual_seed(0))).Q[:5]
    found = DirectionSet(basis, torch.full((5,), 2.0), torch.ones(5), "test", "w", tuple(range(8)), shapes.sha256)
    return Subject(shapes.generator, found, "shapes32.pkl")


def bare(**values) -> Walk:
    return Walk(**{"caption": False, "marker": False, "size": 32, "seeds": (0, 5)} | values)


def jumps(frames: list[np.ndarray]) -> np.ndarray:
    """Mean change from each frame to the next, the last to the first."""
    wide = np.stack(frames).astype(float)
    return np.abs(np.roll(wide, -1, 0) - wide).mean((1, 2, 3))


def test_a_film_through_several_dimensions_never_jumps(subject: Subject) -> None:
    frames = list(film_frames(subject, bare(dimensions=(0, 3, 1), frames=24)))
    assert len(frames) == film_length(bare(dimensions=(0, 3, 1), frames=24)) == 72
    between = jumps(frames)
    # Slow where one dimension hands over to the next, and the images themselves there.
    assert between[[23, 47, 71]].max() < between.mean()
    for start in (24, 48):
        assert np.array_equal(frames[start], frames[0])


def test_captions_change_and_every_frame_has_one_size(subject: Subject) -> None:
    walk = Walk(dimensions=(0, 3), edits=((1, 1.0),), frames=2, seeds=(0,))
    first, _, second, _ = film_frames(subject, walk)
    assert first.shape == second.shape
    assert (first[:28] != second[:28]).any()
    np.testing.assert_array_equal(first[34:], second[34:])


def test_edits_alone_go_from_before_to_after_and_back(subject: Subject) -> None:
    frames = list(film_frames(subject, bare(edits=((0, 2.0),), frames=8)))
    still = next(film_frames(subject, bare(dimensions=(3,), extent=0, frames=1)))
    whole = next(film_frames(subject, bare(dimensions=(3,), extent=0, frames=1, edits=((0, 2.0),))))
    assert np.array_equal(frames[0], still) and np.abs(frames[4].astype(int) - whole).max() <= 1
    assert all(np.abs(frames[step].astype(int) - frames[8 - step]).max() <= 1 for step in range(1, 4))


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".apng"])
def test_a_dead_direction_is_a_film_of_the_asked_duration(subject: Subject, tmp_path: Path, suffix: str) -> None:
    save_film(subject, bare(dimensions=(0,), extent=0, frames=20, fps=10), tmp_path / f"a{suffix}")
    with Image.open(tmp_path / f"a{suffix}") as film:
        durations = []
        for index in range(film.n_frames):
            film.seek(index)
            film.load()
            durations.append(film.info["duration"])
    assert len(durations) == 20 and sum(durations) == pytest.approx(2000)


@pytest.mark.parametrize("suffix", [".gif", ".apng", ".webp"])
def test_films_keep_what_they_were_made_of(subject: Subject, tmp_path: Path, suffix: str) -> None:
    settings = {"scene": bare(dimensions=(0,)).to_dict(), "text": "Größe " * 200}
    save_film(subject, bare(dimensions=(0,), frames=3), tmp_path / f"a{suffix}", metadata=settings)
    kept = read_metadata(tmp_path / f"a{suffix}")
    if suffix == ".webp":
        assert kept is None
    else:
        assert kept is not None and kept["text"] == settings["text"] and kept["scene"]["seeds"] == [0, 5]
    with Image.open(tmp_path / f"a{suffix}") as film:
        assert film.n_frames == 3


def test_seeds_wrap_at_columns(subject: Subject) -> None:
    sizes = [
        next(film_frames(subject, bare(dimensions=(0,), frames=1, seeds=seeds, columns=columns))).shape[:2]
        for seeds, columns in (((0, 1, 2, 3), None), ((0, 1, 2, 3), 2), (tuple(range(8)), None), ((0,), 4))
    ]
    assert sizes == [(48, 150), (82, 82), (82, 150), (48, 48)]


def test_pictures_are_of_a_size_people_share() -> None:
    assert picture_size(32, 4) == 128 and picture_size(256, 4) == 256 and picture_size(256, 6) == 256
    assert picture_size(1024, 1) == 512 and picture_size(1024, 4) == 256 and picture_size(1024, 4, 1024) == 1024


def test_progress_counts_frames(subject: Subject) -> None:
    calls: list[tuple[str, int, int]] = []
    list(film_frames(subject, bare(dimensions=(0, 1), frames=3), lambda *call: calls.append(call)))
    assert calls == [("rendering", number, 6) for number in range(1, 7)]


def test_films_that_cannot_be(subject: Subject) -> None:
    with pytest.raises(OptionError, match="nothing to show"):
        next(film_frames(subject, bare()))
    with pytest.raises(OptionError, match="too many"):
        next(film_frames(subject, bare(dimensions=(0,), seeds=tuple(range(100)), size=2048)))
