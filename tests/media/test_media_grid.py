from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from orojar_cli.errors import OptionError
from orojar_cli.media import FrameComposer, captioned, labelled_grid, stacked, tile
from orojar_cli.media.grid import BACKGROUND
from orojar_cli.media.text import elided, fitting, font


@pytest.fixture
def cells() -> np.ndarray:
    # Neither as light as the background nor as dark as the text.
    return np.random.default_rng(1).integers(60, 100, (3, 4, 32, 32, 3), np.uint8)


def corner(picture: np.ndarray, cell: np.ndarray) -> tuple[int, int]:
    """Where the first pixels of a cell lie in a picture; fails if it is not there whole."""
    for top, left in np.argwhere((picture == cell[0, 0]).all(-1)):
        part = picture[top : top + cell.shape[0], left : left + cell.shape[1]]
        if part.shape == cell.shape and (part == cell).all():
            return int(top), int(left)
    raise AssertionError("the cell is not in the picture")


def test_tile_places_rows_and_leaves_missing_cells_background() -> None:
    frames = np.stack([np.full((2, 3, 3), 10 * (index + 1), np.uint8) for index in range(5)])
    picture = tile(frames, 2, padding=1)
    assert picture.shape == (8, 7, 3)
    assert picture[::3, ::4, 0].tolist() == [[10, 20], [30, 40], [50, BACKGROUND[0]]]
    assert (picture[2] == BACKGROUND).all()
    assert tile(frames, 5).shape == (2, 15, 3)


@pytest.mark.parametrize(("count", "columns"), [(0, 2), (2, 0)])
def test_tile_refuses_nothing(count: int, columns: int) -> None:
    with pytest.raises(OptionError):
        tile(np.zeros((count, 2, 2, 3), np.uint8), columns)


def test_grid_shows_every_cell_whole_on_a_regular_raster(cells: np.ndarray) -> None:
    picture = np.asarray(
        labelled_grid(
            cells, row_labels=["dim 3\nact 0.12"] * 3, column_labels=["-1", "0", "+1", "+2"], title="title", footer="footer", padding=3
        )
    )
    corners = np.array([[corner(picture, cell) for cell in row] for row in cells])
    top, left = corners[0, 0]
    for row in range(3):
        for column in range(4):
            assert corners[row, column].tolist() == [top + 35 * row, left + 35 * column]
    assert (picture[[0, -1]] == BACKGROUND).all() and (picture[:, [0, -1]] == BACKGROUND).all()
    # Labels left and above, but never on the pictures' rows beyond them.
    assert (picture[top : top + 32, :left] != BACKGROUND).any()
    assert (picture[:top, left:] != BACKGROUND).any()
    assert (picture[top : top + 3 * 35 - 3, left + 4 * 35 - 3 :] == BACKGROUND).all()


def test_grid_without_labels_is_pictures_and_margin(cells: np.ndarray) -> None:
    picture = np.asarray(labelled_grid(cells, padding=0))
    assert picture.shape == (3 * 32 + 28, 4 * 32 + 28, 3)
    np.testing.assert_array_equal(picture[14:-14, 14:-14], cells.swapaxes(1, 2).reshape(96, 128, 3))


def test_grid_groups_are_set_apart(cells: np.ndarray) -> None:
    picture = np.asarray(labelled_grid(cells, padding=2, group=2))
    lefts = [corner(picture, cell)[1] for cell in cells[0]]
    assert np.diff(lefts).tolist() == [34, 46, 34]


def test_grid_enlarges_cells_crisply(cells: np.ndarray) -> None:
    picture = np.asarray(labelled_grid(cells, cell_size=64))
    corner(picture, cells[2, 3].repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize("text", ["σ → 漢字 😀 Größe", "\ud800 lone", "a\tb\x00c\u202e", "", "𝕏\u0301", "\uffff", "W" * 5000])
def test_any_text_can_be_drawn(cells: np.ndarray, text: str) -> None:
    picture = labelled_grid(cells, row_labels=[text, f"x\n{text}", "y"], column_labels=[text] * 4, title=text, footer=text)
    assert picture.width < 700
    FrameComposer(1, (32, 32), caption=text)


@pytest.mark.parametrize("side", [4, 12, 24])
def test_grids_of_tiny_pictures_can_be_drawn(side: int) -> None:
    cells = np.full((2, 2, side, side, 3), 9, np.uint8)
    picture = np.asarray(labelled_grid(cells, row_labels=["dim 3\nact 0.12"] * 2, column_labels=["-1.33", "+1.33"]))
    assert (picture == 9).all(-1).sum() == 4 * side * side


def test_long_text_ends_in_an_ellipsis_and_fits() -> None:
    face = font(14)
    assert elided("dim 3", face, 100) == "dim 3"
    short = elided("a label that is too long for its place", face, 100)
    assert short.endswith("…") and 70 < face.getlength(short) <= 100


def test_column_labels_shrink_before_they_are_cut() -> None:
    assert fitting(["+1.33"], 100, 12, 9) is font(12)
    assert fitting(["+1.333"], 36, 12, 9).getlength("+1.333") <= 36
    assert fitting(["much too long"], 10, 12, 9) is font(9)


def test_group_labels_stand_over_their_columns(cells: np.ndarray) -> None:
    without = np.asarray(labelled_grid(cells, group=2, column_labels=["a", "b"] * 2))
    picture = np.asarray(labelled_grid(cells, group=2, group_labels=["seed 0", "1"], column_labels=["a", "b"] * 2))
    np.testing.assert_array_equal(picture[40:], without[20:])
    ink = np.flatnonzero((picture[:34].max(-1) < 200).any(0))
    left, right = (corner(picture, cells[0, column])[1] for column in (0, 2))
    assert abs(ink[ink < right - 8].mean() - (left + 33)) < 4 and abs(ink[ink >= right].mean() - (right + 33)) < 4
    with pytest.raises(OptionError, match="1 group labels for 2 groups"):
        labelled_grid(cells, group=2, group_labels=["a"])


def test_pictures_are_stacked_flush_left() -> None:
    picture = np.asarray(stacked([Image.new("RGB", (4, 2), (1, 2, 3)), Image.new("RGB", (6, 3), (9, 9, 9))], 1))
    assert picture.shape == (6, 6, 3)
    assert (picture[:2, :4] == (1, 2, 3)).all() and (picture[:3, 4:] == BACKGROUND).all() and (picture[3:] == 9).all()
    with pytest.raises(OptionError):
        stacked([])


@pytest.mark.parametrize("options", [{"row_labels": ["a"]}, {"column_labels": ["a"]}])
def test_grid_refuses_labels_of_another_number(cells: np.ndarray, options: dict[str, list[str]]) -> None:
    with pytest.raises(OptionError, match=r"1 (row|column) labels for"):
        labelled_grid(cells, **options)


@pytest.mark.parametrize("shape", [(2, 2, 8, 8), (2, 2, 8, 8, 4), (0, 2, 8, 8, 3)])
def test_grid_refuses_other_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(OptionError, match="make no grid"):
        labelled_grid(np.zeros(shape, np.uint8))


def test_film_frames_differ_only_in_pictures_and_dot() -> None:
    composer = FrameComposer(3, (40, 40), caption="dim 3  x position", ends=("-2.5", "+2.5"))
    pictures = np.random.default_rng(0).integers(60, 100, (3, 40, 40, 3), np.uint8)
    left, middle, right = (composer.compose(pictures, position) for position in (-1.0, 0.0, 1.0))
    for picture in pictures:
        corner(left, picture)
    moved = np.argwhere((left != right).any(-1))
    assert moved[:, 0].min() > composer.top + 40
    dark = [np.argwhere(frame[composer.top + 40 :].max(-1) < 60)[:, 1].mean() for frame in (left, middle, right)]
    assert dark[1] == pytest.approx((dark[0] + dark[2]) / 2, abs=0.6)
    assert dark[0] < dark[1] < dark[2]
    np.testing.assert_array_equal(composer.compose(pictures, -7.0), left)


def test_film_frame_without_caption_and_marker_is_pictures_and_margin() -> None:
    composer = FrameComposer(2, (10, 20), marker=False)
    frame = composer.compose(np.zeros((2, 10, 20, 3), np.uint8))
    assert frame.shape == (26, 58, 3)
    with pytest.raises(OptionError):
        composer.compose(np.zeros((3, 10, 20, 3), np.uint8))
    with pytest.raises(OptionError):
        FrameComposer(0, (10, 20))


def test_texts_stand_under_their_pictures() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 40, 40, 4), np.uint8)
    for pictures in (frames, frames[..., :3].copy()):
        found = captioned(pictures, ["7", "70", "4294967295"])
        np.testing.assert_array_equal(found[:, :40], pictures)
        strips = found[:, 40:]
        assert (strips[..., 3:] == 255).all() and found.shape[1] == 56
        inked = [(strip[..., :3] != BACKGROUND).any(-1).any(0).sum() for strip in strips]
        assert 0 < inked[0] < inked[1] < inked[2] <= 40
