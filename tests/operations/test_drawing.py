from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paths import REFERENCES
from PIL import Image

import orojar_cli
from orojar_cli.media import save_animation
from orojar_cli.operations.drawing import preview_file, preview_height, say_drawing
from orojar_cli.response.budget import arithmetic
from orojar_cli.response.outputs import Output


@pytest.fixture
def long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two images take minutes, and an image of half the height costs little."""
    monkeypatch.setattr("orojar_cli.operations.drawing._LONG", 1.0)
    monkeypatch.setattr("orojar_cli.operations.drawing._PREVIEW_SHARE", 0.9)


def frames(path: Path) -> list[np.ndarray]:
    with Image.open(path) as film:
        found = []
        for number in range(film.n_frames):
            film.seek(number)
            found.append(np.asarray(film.convert("RGB"), float))
        return found


FILMS = {
    "traverse": lambda network, notice: orojar_cli.traverse("demo", dims=[0], seeds=(1,), frames=6, notice=notice),
    "interpolate": lambda network, notice: orojar_cli.interpolate(network, (1, 2), leg=0.2, fps=10, notice=notice),
    "mix": lambda network, notice: orojar_cli.mix(network, (1,), (2, 3), leg=0.2, fps=10, notice=notice),
}


@pytest.mark.usefixtures("long")
@pytest.mark.parametrize("name", FILMS)
def test_a_preview_comes_first_and_goes_at_the_end(name: str, shapes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    film, path, seen = FILMS[name](shapes, told.append), tmp_path / "walk.gif", []
    kept = tmp_path / "kept.gif"

    def watched(drawn: Any, to: Path, **options: Any) -> None:
        save_animation(drawn, to, **options)
        seen.append(Path(to).name)
        if len(seen) == 1:
            kept.write_bytes(Path(to).read_bytes())

    for module in ("pictures.film", "operations.moving_picture"):
        monkeypatch.setattr(f"orojar_cli.{module}.save_animation", watched)
    assert film.save(path) == [path]
    assert seen == ["walk.preview.gif", "walk.gif"] and sorted(file.name for file in tmp_path.iterdir()) == ["kept.gif", "walk.gif"]
    assert any("walk.preview.gif: a preview, as the images are at 16 pixels" in line for line in told)
    preview, whole = frames(kept), frames(path)
    assert len(preview) == len(whole) and preview[0].shape == whole[0].shape
    # The same movements in coarser pictures; and the film is that without a preview.
    moved = [(np.stack(film)[1:] - np.stack(film)[:-1]).ravel() for film in (preview, whole)]
    assert 0.1 < np.corrcoef(*moved)[0, 1] < 0.999
    monkeypatch.setattr("orojar_cli.operations.drawing._LONG", 1e30)
    plain = tmp_path / "plain.gif"
    film.save(plain)
    assert plain.read_bytes() == path.read_bytes()


@pytest.mark.usefixtures("long")
def test_previews_are_for_long_films_of_the_skip_architecture(shapes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = shapes.generator
    assert preview_height(generator, 2) == 16
    assert preview_height(orojar_cli.load(REFERENCES / "sg2_resnet_gray_16.pkl").generator, 10**9) is None
    monkeypatch.setattr("orojar_cli.operations.drawing._PREVIEW_SHARE", 1e-9)
    assert preview_height(generator, 2) is None
    assert preview_file("a/b.walk.webp") == Path("a/b.walk.preview.webp")


@pytest.mark.usefixtures("long")
def test_an_interrupted_film_leaves_its_preview(shapes: Any, tmp_path: Path) -> None:
    def stop(stage: str, done: int, total: int) -> None:
        if (tmp_path / "walk.preview.gif").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        FILMS["interpolate"](shapes, lambda line: None).save(tmp_path / "walk.gif", stop)
    assert [file.name for file in tmp_path.iterdir()] == ["walk.preview.gif"]


def test_what_takes_long_is_said(shapes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr("orojar_cli.operations.drawing.seconds_each", lambda *_: 2.0)
    each = arithmetic(shapes.generator, (Output(),))
    monkeypatch.setattr("orojar_cli.operations.drawing.MINUTE", 10.5 * each)
    say_drawing(shapes.generator, 10, told.append)
    assert told == []
    say_drawing(shapes.generator, 30, told.append)
    assert told == ["30 images to draw: about 60 s"]
    monkeypatch.setattr("orojar_cli.operations.drawing.MINUTE", 1.0)
    walk = orojar_cli.traverse("demo", dims=[0], seeds=(1, 2), frames=8, steps=5, notice=told.append)
    # There and back passes 5 places of 8; a grid draws the middle once.
    assert walk.image_count(walk.scene("walk.gif")) == 2 * 5 and walk.image_count(walk.scene("grid.png")) == 2 * (4 + 1)
