from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from orojar_cli.directions import DirectionSet
from orojar_cli.errors import OptionError
from orojar_cli.latents.points import seed_latents
from orojar_cli.latents.spaces import displaced_ws
from orojar_cli.media import read_metadata
from orojar_cli.pictures.scene import Still, Subject
from orojar_cli.pictures.still import draw_still, pages, save_stills
from orojar_cli.pictures.walk import Renderer


@pytest.fixture
def subject(shapes) -> Subject:
    basis = torch.linalg.qr(torch.randn(64, 64, generator=torch.Generator().manual_seed(0))).Q
    found = DirectionSet(basis, torch.full((64,), 2.0), torch.ones(64), "test", "w", tuple(range(8)), shapes.sha256)
    return Subject(shapes.generator, found.labelled(1, "x position"), "shapes32.pkl")


def image(subject: Subject, seed: int, **strengths: float) -> np.ndarray:
    """The picture of a seed with strengths such as d3=1.5 added in w, drawn without anything of what is tested."""
    at = seed_latents(subject.generator, [seed])
    step = sum((2 * strength * subject.directions.directions[int(name[1:])] for name, strength in strengths.items()), torch.zeros(64))
    return Renderer(subject.generator).images(displaced_ws(subject.generator, at, step[None], "w", tuple(range(8))))[0]


def cells(picture: Image.Image, rows: int, columns: int, side: int, left: list[int] | None = None) -> np.ndarray:
    """[rows, columns, side, side, 3] of a picture without captions."""
    pixels = np.asarray(picture)
    lefts = left or [column * (side + 2) for column in range(columns)]
    return np.stack([[pixels[row * (side + 2) :][:side, at : at + side] for at in lefts] for row in range(rows)])


def near(found: np.ndarray, expected: np.ndarray) -> bool:
    return int(np.abs(found.astype(int) - expected).max()) <= 1


def test_one_dimension_has_a_row_for_every_seed(subject: Subject) -> None:
    picture = draw_still(subject, Still(dimensions=(3,), edits=((5, 1.0),), extent=2, steps=3, seeds=(1, 8), size=32, caption=False))
    found = cells(picture, 2, 3, 32)
    assert picture.size == (100, 66)
    for row, seed in enumerate((1, 8)):
        for column, strength in enumerate((-2, 0, 2)):
            assert near(found[row, column], image(subject, seed, d3=strength, d5=1))


def test_dimensions_are_rows_and_seeds_stand_apart_until_they_wrap(subject: Subject) -> None:
    still = Still(dimensions=(3, 0), extent=1, steps=2, seeds=(1, 8, 9), columns=2, size=32, caption=False)
    lefts = [0, 34, 80, 114]
    pixels = np.asarray(draw_still(subject, still))
    assert pixels.shape == (2 * 66 + 2, 146, 3)
    upper = cells(Image.fromarray(pixels), 2, 4, 32, lefts)
    assert near(upper[0, 1], image(subject, 1, d3=1)) and near(upper[1, 2], image(subject, 8, d0=-1))
    lower = cells(Image.fromarray(pixels[68:]), 2, 2, 32)
    assert near(lower[1, 1], image(subject, 9, d0=1))


def test_a_plane_goes_right_and_up(subject: Subject) -> None:
    still = Still(dimensions=(3,), by=7, extent=2, steps=3, seeds=(4,), size=32, caption=False)
    found = cells(draw_still(subject, still), 3, 3, 32)
    assert near(found[0, 2], image(subject, 4, d3=2, d7=2)) and near(found[2, 2], image(subject, 4, d3=2, d7=-2))
    assert near(found[1, 0], image(subject, 4, d3=-2)) and near(found[1, 1], image(subject, 4))


def test_edits_alone_are_before_and_after(subject: Subject) -> None:
    found = cells(draw_still(subject, Still(edits=((3, 2.0), (7, -1.0)), seeds=(1, 8), size=32, caption=False)), 2, 2, 32)
    assert near(found[0, 1], image(subject, 8)) and near(found[1, 1], image(subject, 8, d3=2, d7=-1))


@pytest.mark.parametrize("still", [Still(dimensions=(0, 1), steps=2), Still(dimensions=(1,), by=0, steps=2), Still(edits=((1, 1.0),))])
def test_captions_surround_the_same_cells(subject: Subject, still: Still) -> None:
    pixels = np.asarray(draw_still(subject, still))
    plain = np.asarray(draw_still(subject, Still.from_dict(still.to_dict() | {"caption": False})))
    cell = plain[:64, :64]
    places = [
        (top, left)
        for top, left in np.argwhere((pixels == cell[0, 0]).all(-1))
        if np.array_equal(pixels[top : top + 64, left : left + 64], cell)
    ]
    assert places and min(places[0]) > 20


def test_long_sets_are_paged_in_even_parts(subject: Subject, tmp_path) -> None:
    still = Still(dimensions=tuple(range(64)), seeds=(0,), steps=1)
    parts = pages(subject, still)
    assert len(parts) == 3 and {len(page.dimensions) for page in parts} == {20, 22}
    assert sum((page.dimensions for page in parts), ()) == still.dimensions
    assert [len(page.dimensions) for page in pages(subject, still, 30)] == [30, 30, 4]
    counted = []
    short = Still(dimensions=(0, 1, 2), seeds=(0,), steps=2, size=16)
    written = save_stills(
        subject, short, tmp_path / "grid.png", rows=2, metadata=lambda page: page.to_dict(), progress=lambda *call: counted.append(call)
    )
    assert [path.name for path in written] == ["grid.png", "grid-2.png"]
    assert read_metadata(written[1])["dimensions"] == [2]
    assert counted[-1] == ("rendering", 6, 6)


@pytest.mark.parametrize(
    ("still", "message"),
    [
        (Still(), "nothing to show"),
        (Still(dimensions=(0, 1), by=2), "exactly one"),
        (Still(dimensions=(0,), size=4096, steps=9), "too many"),
        (Still(dimensions=(0,), layers=(8,)), "layers 0-7"),
    ],
)
def test_stills_that_cannot_be(subject: Subject, still: Still, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        draw_still(subject, still)
