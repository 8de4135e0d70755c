"""Where pictures go: sheets and folders, numbered frames, alpha; what cannot be written is known before anything is drawn."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from paths import REFERENCES
from PIL import Image

import orojar_cli
from orojar_cli.errors import OptionError
from orojar_cli.media import numbered, to_uint8
from orojar_cli.pictures.walk import Renderer

NETWORK = REFERENCES / "sg2_from_sg3_repo_16.pkl"


@pytest.fixture
def never_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn(*_: object, **__: object) -> None:
        raise AssertionError("something was drawn")

    monkeypatch.setattr(Renderer, "images", drawn)


@pytest.mark.parametrize("out", ["o/run_t0.7/", "there.d", ".", "plain", "a b/"])
def test_a_folder_gets_a_picture_for_each_seed(out: str, orojar) -> None:
    Path("there.d").mkdir()
    before = set(Path(out).glob("*")) if Path(out).is_dir() else set()
    code, told, err = orojar("sample", NETWORK, "--seeds", "3,12", "--out", out)
    assert code == 0 and "wrote" in told, err
    assert {path.name for path in set(Path(out).glob("*")) - before} == {"seed0003.png", "seed0012.png"}
    with Image.open(Path(out) / "seed0012.png") as picture:
        assert np.array_equal(np.asarray(picture), orojar_cli.sample(NETWORK, [12]).images[0])


def test_a_name_may_have_a_place_for_the_seed(orojar) -> None:
    assert orojar("sample", NETWORK, "--seeds", "3,12", "--out", "face_%03d.webp")[0] == 0
    assert sorted(os.listdir(".")) == ["face_003.webp", "face_012.webp"]
    with Image.open("face_012.webp") as picture:
        assert picture.format == "WEBP"


@pytest.mark.parametrize("name", ["%s.png", "%d_%d.png", "a%04dz.png", "%%04d.png", "100%.png", "%9999d.png", "a.%d"])
def test_a_name_with_no_clear_place_is_refused(name: str, tmp_path: Path, orojar, never_draws) -> None:
    with pytest.raises(OptionError, match=r"the number|one place"):
        numbered(tmp_path / name, "seed")
    assert orojar("sample", NETWORK, "--out", name)[0] == 2


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("sample", "--out", "nope/b.png"), 1, "cannot write nope/b.png: the folder nope does not exist"),
        (("sample", "--out", "b.bmp"), 2, "cannot write b.bmp: a picture's name ends in"),
        (("sample", "--out", "file/b/"), 1, "cannot make the folder file/b"),
        (("sample", "--seeds", "0-99999", "--size", "4096"), 2, "100000 pictures of 4096 pixels are too many for one sheet"),
        (("sample", "--seeds", "0-99999", "--size", "4096", "--json"), 2, "folder/"),
        (("traverse", "--dim", "all", "--out", "nope/b.png"), 1, "cannot write nope/b.png: the folder nope does not exist"),
        (("traverse", "--dim", "0", "--out", "nope/b.gif"), 1, "cannot write nope/b.gif: the folder nope does not exist"),
        (("traverse", "--dim", "0", "--out", "file/b/"), 1, "cannot make the folder file/b"),
        (("traverse", "--dim", "0", "--out", "."), 2, "cannot write .: it is a folder; name a file in it, or end it in a slash"),
        (("traverse", "--dim", "0", "--out", "b.bmp"), 2, "or in a slash for a folder of frames"),
        (("traverse", "--dim", "0", "--out", "f_%04d.gif"), 2, "frames one by one are pictures"),
        (("traverse", "--dim", "0", "--by", "1", "--out", "frames/"), 2, "make a grid, not a film"),
        (("finetune", "--outdir", "file/runs"), 1, "cannot make a run folder in file/runs: "),
        (("compare", "--outdir", "file/runs"), 1, "cannot make a run folder in file/runs: "),
        (("sefa", "--outdir", "file/runs"), 1, "cannot make a run folder in file/runs: "),
    ],
)
def test_what_cannot_be_written_is_refused_before_anything_is_drawn(words, code, told, orojar, never_draws, monkeypatch) -> None:
    Path("file").write_text("")
    monkeypatch.setattr("orojar_cli.operations.finetune.find_rotation", None)
    found, _, err = orojar(words[0], NETWORK, *words[1:])
    assert (found, told in err) == (code, True), err


def test_a_page_that_cannot_be_written_is_known_before_the_first_is_drawn(shapes, tmp_path: Path, never_draws) -> None:
    shown = orojar_cli.traverse(shapes, orojar_cli.load_directions(orojar_cli.resolve("demo").path), dims="0-3", rows=1)
    (tmp_path / "grid-3.png").mkdir()
    with pytest.raises(orojar_cli.errors.OutputFileError, match=r"grid-3\.png: it is a folder"):
        shown.save(tmp_path / "grid.png")


def test_images_of_their_own_are_written_as_they_are_drawn(tiny, tmp_path: Path, monkeypatch) -> None:
    draw, sizes = Renderer.images, []

    def counted(self: Renderer, ws: torch.Tensor, *more: object, **options: object) -> np.ndarray:
        sizes.append(len(ws))
        if len(sizes) == 3:
            raise KeyboardInterrupt
        return draw(self, ws, *more, **options)

    monkeypatch.setattr(Renderer, "images", counted)
    with pytest.raises(KeyboardInterrupt):
        orojar_cli.save_samples(tiny, range(100_000), tmp_path / "many")
    assert max(sizes) <= 64 and len(list((tmp_path / "many").iterdir())) == sum(sizes[:2])
    monkeypatch.setattr("orojar_cli.operations.sample._MOST_BYTES", 1024 * 4 * 16**2)
    with pytest.raises(OptionError, match="too many to hold"):
        orojar_cli.sample(tiny, range(1025))


def test_a_films_frames_are_numbered(orojar) -> None:
    run = Path(orojar("sefa", NETWORK, "--num", 2, "--seeds", 0, "--json") and next(Path("orojar-runs").iterdir()))
    film = ("traverse", run, "--dim", 1, "--seeds", 0, "--frames", 5)
    assert orojar(*film, "--out", "film.apng")[0] == 0
    code, told, err = orojar(*film, "--out", "frames/")
    assert code == 0 and "wrote frames/frame0000.png to frame0004.png" in told, err
    assert orojar(*film, "--out", "f_%02d.png")[0] == 0
    assert sorted(os.listdir("frames")) == [f"frame{number:04d}.png" for number in range(5)]
    with Image.open("film.apng") as whole:
        for number in range(5):
            whole.seek(number)
            for name in (f"frames/frame{number:04d}.png", f"f_{number:02d}.png"):
                with Image.open(name) as frame:
                    assert np.array_equal(np.asarray(frame.convert("RGB")), np.asarray(whole.convert("RGB")))
    assert orojar("traverse", "--from", "frames/frame0003.png", "--out", "again.apng")[0] == 0
    assert Path("again.apng").read_bytes() == Path("film.apng").read_bytes()


class Clear:
    """Draws with an alpha channel that grows from left to right; two channels are grey with alpha."""

    z_dim, identity = 3, "clear-1"

    def __init__(self, channels: int = 4) -> None:
        self.channels = channels

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        colour = torch.tanh(z).repeat(1, 2)[:, : self.channels - 1, None, None].expand(-1, -1, 8, 8)
        return torch.cat([colour, torch.linspace(-1, 1, 8).expand(len(z), 1, 8, 8)], 1)


@pytest.mark.parametrize("channels", [4, 2])
@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.apng", "each/", "s_%d.png"])
def test_an_alpha_channel_is_kept_where_the_format_has_one(channels: int, name: str, somewhere: Path) -> None:
    told: list[str] = []
    written = orojar_cli.save_samples(Clear(channels), [0, 1, 2], name, columns=2, notice=told.append)
    drawn = orojar_cli.sample(Clear(channels), [0, 1, 2])
    assert drawn.images.shape == (3, 8, 8, 4) and drawn.show(columns=2).mode == "RGBA" and not any("alpha" in line for line in told)
    with Image.open(written[0]) as picture:
        kept = np.asarray(picture.convert("RGBA")).astype(int)
    assert picture.mode == "RGBA" and (kept[0, :8, 3] == [0, 36, 73, 109, 146, 182, 219, 255]).all()
    if name.endswith("png"):
        assert np.array_equal(kept[:8, :8], drawn.images[0])
        # The missing fourth picture is transparent.
        assert len(written) > 1 or ((kept[24:, 8:, 3] == 0).all() and (kept[8:24, :, 3] == 255).all())


def test_where_there_is_none_it_is_laid_on_white_and_said_once(somewhere: Path, shapes) -> None:
    told: list[str] = []
    orojar_cli.save_samples(Clear(), [0, 1], "a.jpg", caption=False, notice=told.append)
    assert [line for line in told if "alpha" in line] == [
        ".jpg has no alpha channel: the images are laid on white; .png, .apng, .webp keep it"
    ]
    with Image.open("a.jpg") as picture:
        pixels = np.asarray(picture).astype(int)
    images = Clear().forward(torch.from_numpy(np.concatenate([np.random.RandomState(s).randn(1, 3) for s in (0, 1)])).float())
    wanted = np.concatenate(list(to_uint8(images)), 0 if pixels.shape[0] == 16 else 1).astype(int)
    assert pixels[0, 0].min() > 245 and np.abs(pixels - wanted).mean() < 6
    told.clear()
    grids = ["grids and films have no alpha channel: the images are laid on white; orojar sample keeps it"]
    found = orojar_cli.discover(Clear(), "random", space="z", num=2, samples=8, seeds=[0], notice=told.append)
    assert [line for line in told if "alpha" in line] == grids
    told.clear()
    orojar_cli.traverse(found.checkpoint, found, dims=0, seeds=[0], notice=told.append).show()
    assert [line for line in told if "alpha" in line] == grids
    told.clear()
    orojar_cli.finetune(Clear(), samples=8, seeds=[0], notice=told.append)
    assert [line for line in told if "alpha" in line] == grids
    told.clear()
    orojar_cli.save_samples(shapes, [0], "b.jpg", notice=told.append)
    orojar_cli.discover(shapes, "random", num=2, samples=8, seeds=[0], notice=told.append)
    assert not told


def test_one_image_alone_is_that_image(tiny: Any, tmp_path: Path) -> None:
    (file,) = orojar_cli.save_samples(tiny, [3], tmp_path / "one.png")
    with Image.open(file) as picture:
        assert picture.size == (16, 16)
    with Image.open(orojar_cli.save_samples(tiny, [3, 4], tmp_path / "two.png")[0]) as sheet:
        assert sheet.height > 16
