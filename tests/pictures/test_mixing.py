"""Style mixing: cells are mixed by hand, films of the table close, and what has no layers is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from orojar_cli import load_checkpoint
from orojar_cli.errors import OptionError
from orojar_cli.latents.points import seed_latents
from orojar_cli.media import to_uint8
from orojar_cli.pictures.loop import Material
from orojar_cli.pictures.mixing import Mix, Sources, draw_mix, mix_frames, mix_image_count, title
from orojar_cli.pictures.walk import Renderer

SIDE, GAP = 16, 2 + 8


def bare(**values: Any) -> Mix:
    quick = {"rows": (0, 1), "seeds": (4, 5, 6), "mixed": (0, 1), "size": SIDE, "caption": False, "leg": 1.0, "fps": 4.0}
    return Mix(**quick | values)


def both(generator: Any) -> Sources:
    return Sources(Material(generator), Material(generator))


def cell(picture: np.ndarray | Image.Image, row: int, column: int) -> np.ndarray:
    """A cell of the table, its first row and column numbered 0."""
    place = [index * (SIDE + 2) + (8 if index else 0) for index in (row, column)]
    return np.asarray(picture).astype(int)[place[0] : place[0] + SIDE, place[1] : place[1] + SIDE]


def image(generator: Any, ws: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        return to_uint8(generator.synthesis(ws.unsqueeze(0)))[0].astype(int)


def seed_ws(generator: Any, seed: int, class_index: Any = None, psi: float = 1.0) -> torch.Tensor:
    at = seed_latents(generator, (seed,), class_index, psi)
    with torch.no_grad():
        return generator.mapping(at.z, at.label, psi)[0].clone()


def test_a_cell_is_its_row_with_the_column_s_layers(tiny) -> None:
    generator = tiny.generator
    table = draw_mix(both(generator), bare(mixed=(0, 3), psi=0.7))
    assert table.size == (4 * SIDE + 3 * 2 + 8, 3 * SIDE + 2 * 2 + 8)
    for row, left in ((1, 0), (2, 1)):
        assert np.abs(cell(table, row, 0) - image(generator, seed_ws(generator, left, psi=0.7))).max() <= 1
        for column, top in ((1, 4), (3, 6)):
            ws = seed_ws(generator, left, psi=0.7)
            ws[[0, 3]] = seed_ws(generator, top, psi=0.7)[[0, 3]]
            assert np.abs(cell(table, row, column) - image(generator, ws)).max() <= 1
            assert np.abs(cell(table, 0, column) - image(generator, seed_ws(generator, top, psi=0.7))).max() <= 1
    assert (cell(table, 0, 0) == (250, 250, 249)).all()


@pytest.mark.parametrize("mixed", [tuple(range(6)), (5,)])
def test_all_layers_are_the_column_s_image(tiny, mixed: tuple[int, ...]) -> None:
    table = draw_mix(both(tiny.generator), bare(mixed=mixed))
    assert (np.abs(cell(table, 2, 3) - cell(table, 0, 3)).max() <= 1) == (len(mixed) == 6)


def test_photographs_may_stand_on_either_side(tiny) -> None:
    ws = torch.randn(2, 6, 16, generator=torch.Generator().manual_seed(0))
    sources = Sources(Material(tiny.generator, projected=ws), Material(tiny.generator))
    table = draw_mix(sources, bare())
    own = ws[1].clone()
    own[:2] = seed_ws(tiny.generator, 5)[:2]
    assert np.abs(cell(table, 2, 2) - image(tiny.generator, own)).max() <= 1
    assert sources.names(bare()) == (["picture 1", "picture 2"], ["seed 4", "seed 5", "seed 6"])


@pytest.mark.parametrize("pace", ["ease", "flow"])
def test_a_film_of_the_table_closes_and_every_column_goes_the_way_of_the_first(tiny, pace: str) -> None:
    film = np.stack(list(mix_frames(both(tiny.generator), bare(pace=pace)))).astype(int)
    assert len(film) == 12
    steps = np.abs(np.roll(film, -1, 0) - film).mean((1, 2, 3))
    assert steps[-1] <= steps[:-1].max() and np.abs(film[0] - film[4]).mean() > steps.max()
    table = draw_mix(both(tiny.generator), bare())
    assert np.abs(film[0] - np.asarray(table).astype(int)).max() <= 1
    for row in range(3):
        assert np.array_equal(cell(film[4], row, 1), cell(film[0], row, 2)) and np.array_equal(cell(film[4], row, 3), cell(film[0], row, 1))


def test_every_place_of_a_film_is_drawn_once(tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    original = Renderer.images
    monkeypatch.setattr(Renderer, "images", lambda self, ws, *rest: (drawn.append(len(ws)), original(self, ws, *rest))[1])
    for seeds, places in (((4, 5, 6), 12), ((4, 5), 5)):
        drawn.clear()
        film = list(mix_frames(both(tiny.generator), bare(seeds=seeds)))
        assert sum(drawn) == places * 3 + 2 == mix_image_count(both(tiny.generator), bare(seeds=seeds), True)
        assert len(film) == 4 * len(seeds)
    assert mix_image_count(both(tiny.generator), bare(), False) == 2 + 3 + 6


def test_chunks_of_z_and_classes_are_mixed(references: Path) -> None:
    generator = load_checkpoint(references / "biggan_pt_noshared_32.pth").generator
    assert generator.num_ws > 1
    table = draw_mix(both(generator), bare(class_index=1, size=32))
    ws = seed_ws(generator, 1, 1)
    ws[:2] = seed_ws(generator, 6, 1)[:2]
    place = [2 * 34 + 8, 3 * 34 + 8]
    shown = np.asarray(table).astype(int)[place[0] : place[0] + 32, place[1] : place[1] + 32]
    assert np.abs(shown - image(generator, ws)).max() <= 1


def test_what_cannot_be_mixed(tiny, references: Path) -> None:
    for values, words in (
        ({"mixed": (6,)}, "no layer 6: this network has layers 0-5"),
        ({"mixed": ()}, "no layer"),
        ({"size": 4096, "rows": tuple(range(9))}, "too large"),
        ({"class_index": 0}, "not conditional"),
    ):
        with pytest.raises(OptionError, match=words):
            draw_mix(both(tiny.generator), bare(**values))
    with pytest.raises(OptionError, match="one column goes nowhere"):
        next(mix_frames(both(tiny.generator), bare(seeds=(4,))))
    for name in ("fb_dcgan_64.pt", "genforce_pggan_32.pth"):
        with pytest.raises(OptionError, match="draws from one latent as a whole"):
            draw_mix(both(load_checkpoint(references / name).generator), bare(mixed=(0,)))


def test_the_title_says_which_layers(tiny) -> None:
    assert title(both(tiny.generator), bare(mixed=(0, 1, 2, 5))) == "layers 0-2,5 of the top row in the images at the left"
    captioned = draw_mix(both(tiny.generator), bare(caption=True))
    assert captioned.height > draw_mix(both(tiny.generator), bare()).height + 40
