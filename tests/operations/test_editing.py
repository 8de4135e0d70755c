"""Edits as files: what each shows is drawn again by hand; tables of strengths; what cannot be is refused before anything is drawn."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import orojar_cli
from orojar_cli.directions import DirectionSet
from orojar_cli.errors import InputFileError, OptionError
from orojar_cli.latents.points import seed_latents
from orojar_cli.latents.projected import load_projected, projected_writer, save_projected
from orojar_cli.latents.spaces import space_dim, style_offsets
from orojar_cli.media import to_uint8
from orojar_cli.operations.editing import read_strengths, save_edits


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def some(generator, space: str = "w", count: int = 3) -> DirectionSet:
    rng = torch.Generator().manual_seed(1)
    rows = torch.linalg.qr(torch.randn(space_dim(generator, space, range(generator.num_ws)), count, generator=rng)).Q.T.contiguous()
    labels = ("", "smile", "")[:count]
    layers = tuple(range(generator.num_ws))
    sigma = torch.tensor([0.5, 2.0, 1.0])[:count]
    return DirectionSet(rows, sigma, torch.ones(count), "made", space, layers, generator.sha256, labels)


@pytest.mark.parametrize("space", ["z", "w", "w+", "s"])
@pytest.mark.parametrize("unit", ["sigma", "latent"])
def test_each_file_is_its_image_before_or_after_the_edits(tiny, space: str, unit: str, tmp_path: Path) -> None:
    generator, found = tiny.generator, some(tiny.generator, space)
    done = save_edits(tiny, found, ["smile:+2", "0:-1"], tmp_path / "new", seeds=[3, 1], unit=unit, psi=0.7)
    assert [image.number for image in done.images] == [3, 1] and done.to_dict()["images"][0]["strengths"] == {"smile": 2.0, "0": -1.0}
    length = found.sigma if unit == "sigma" else torch.ones(3)
    step = (2 * length[1] * found.directions[1] - length[0] * found.directions[0]).unsqueeze(0)
    at = seed_latents(generator, [3], psi=0.7)
    with torch.no_grad():
        ws = generator.mapping(at.z, psi=0.7)
        styles = None
        if space == "z":
            moved = generator.mapping(at.z + step, psi=0.7)
        elif space == "s":
            moved, styles = ws, style_offsets(generator, step, "s", found.layers)
        else:
            moved = ws + (step.unsqueeze(1) if space == "w" else step.unflatten(1, (6, 16)))
        after = to_uint8(generator.synthesis(moved, **({} if styles is None else {"style_offsets": styles})))[0]
        before = to_uint8(generator.synthesis(ws))[0]
    assert np.abs(pixels(done.images[0].original).astype(int) - before).max() <= 1
    assert np.abs(pixels(done.images[0].edited).astype(int) - after).max() <= 1
    assert not np.array_equal(before, after)
    names = ["seed0001-edited.png", "seed0001.png", "seed0003-edited.png", "seed0003.png"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == names


def test_what_is_kept_is_taken_out_of_each_images_own_edits(tiny, tmp_path: Path) -> None:
    generator, found = tiny.generator, some(tiny.generator)
    table = {3: {"0": 1.0}, 1: {"0": -0.5, "smile": 1.0}, 5: {"0": 1.0}}
    done = save_edits(tiny, found, [], tmp_path / "new", strengths=table, keep="smile", save_w=tmp_path / "w.npz")
    ws = load_projected(tmp_path / "w.npz", generator)
    at = seed_latents(generator, [3, 5])
    torch.testing.assert_close(ws[[0, 2]], found.apply(generator, at, 0, 1.0, keep=["smile"]), rtol=1e-4, atol=1e-5)
    plainly = found.apply(generator, seed_latents(generator, [1]), "smile", 1.0)
    torch.testing.assert_close(ws[[1]], found.apply(generator, plainly, 0, -0.5, keep=[1]), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(ws[[0]], found.apply(generator, at[:1], 0, 1.0), atol=1e-3)
    assert [image.number for image in done.images] == [3, 1, 5]
    with pytest.raises(OptionError, match="all that moves would be kept"):
        save_edits(tiny, found, ["smile:+1"], tmp_path / "no", keep=[1])


def test_a_painted_part_is_held_still_in_edits(tiny, tmp_path: Path) -> None:
    generator, found, mask = tiny.generator, some(tiny.generator), np.full((32, 32, 4), 255, np.uint8)
    mask[16:, :, 3] = 0  # opaque above
    Image.fromarray(mask).save(tmp_path / "region.png")
    save_edits(tiny, found, ["0:+1"], tmp_path / "new", seeds=[2, 5], keep_picture=tmp_path / "region.png", save_w=tmp_path / "w.npz")
    mask[..., 3] = 255
    mask[16:, :, :3] = 0  # white above
    Image.fromarray(mask).save(tmp_path / "white.png")
    save_edits(tiny, found, ["0:+1"], tmp_path / "same", seeds=[2, 5], keep_picture=tmp_path / "white.png", save_w=tmp_path / "same.npz")
    ws, plainly = load_projected(tmp_path / "w.npz", generator), found.apply(generator, seed_latents(generator, [2, 5]), 0, 1.0)
    assert torch.equal(ws, load_projected(tmp_path / "same.npz", generator))
    with torch.no_grad():
        still, moved, free = (generator.synthesis(each) for each in (generator.mapping(seed_latents(generator, [2, 5]).z), ws, plainly))
    assert float((moved - still)[:, :, :8].square().sum()) < 0.9 * float((free - still)[:, :, :8].square().sum())


def test_the_edited_w_comes_back_as_the_same_images(tiny, tmp_path: Path) -> None:
    found = some(tiny.generator)
    done = save_edits(tiny, found, "smile:1", tmp_path / "a", seeds=range(3), save_w=tmp_path / "w.npz")
    with np.load(tmp_path / "w.npz", allow_pickle=False) as file:
        assert list(file) == ["w"] and file["w"].shape == (3, 6, 16) and file["w"].dtype == np.float32
    again = save_edits(tiny, found, "smile:-1", tmp_path / "b", projected=tmp_path / "w.npz")
    assert [image.original.name for image in again.images] == ["picture0001.png", "picture0002.png", "picture0003.png"]
    for first, second in zip(done.images, again.images, strict=True):
        assert np.array_equal(pixels(first.edited), pixels(second.original))
        assert np.abs(pixels(first.original).astype(int) - pixels(second.edited)).max() <= 1
    save_projected(tmp_path / "same.npz", load_projected(tmp_path / "w.npz", tiny.generator))
    assert torch.equal(load_projected(tmp_path / "same.npz", tiny.generator), load_projected(tmp_path / "w.npz", tiny.generator))
    with pytest.raises(OptionError, match="no w holds"):
        save_edits(tiny, some(tiny.generator, "s"), "0:1", tmp_path / "c", save_w=tmp_path / "x.npz")
    assert not (tmp_path / "c").exists() and not (tmp_path / "x.npz").exists()


def test_a_failure_leaves_no_half_written_w(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), projected_writer(tmp_path / "w.npz", (2, 3, 4)) as write:
        write(torch.zeros(1, 3, 4))
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_memory_does_not_grow_with_the_number_of_images(tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numpy's arrays, in which images are written, are counted: 24 KiB for the two of a seed, of which only a record may stay."""
    monkeypatch.setattr("orojar_cli.operations.editing._AT_ONCE", 4)
    found, peaks = some(tiny.generator), []
    for count in (8, 32):
        tracemalloc.start()
        save_edits(tiny, found, "0:1", tmp_path / str(count), seeds=range(count), save_w=tmp_path / "w.npz", size=64)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 24 * 4000


CSV = "seed, smile, 0\n7, 2, \n\n9, , -1.5\n"
TABLE = {7: {"smile": 2.0}, 9: {"0": -1.5}}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", CSV),
        ("b.csv", "\ufeff" + CSV.replace("seed", "Picture").replace("\n", "\r\n")),
        ("c.json", '{"7": {"smile": 2}, "9": {"0": -1.5}}'),
        ("d.json", '[{"seed": 7, "smile": 2}, {"picture": "9", "0": -1.5}]'),
    ],
)
def test_tables_of_strengths(tiny, name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8", newline="")
    assert read_strengths(path) == TABLE
    done = save_edits(tiny, some(tiny.generator), "2:+1", tmp_path / "new", strengths=path)
    assert [(image.number, image.strengths) for image in done.images] == [(7, {"2": 1.0, "smile": 2.0}), (9, {"2": 1.0, "0": -1.5})]
    alone = save_edits(tiny, some(tiny.generator), strengths=TABLE, seeds=[9], out=tmp_path / "one")
    assert [image.number for image in alone.images] == [9]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.txt", CSV, "ends in .csv or .json"),
        ("a.csv", "", "first column must be called seed"),
        ("a.csv", "smile,seed\n1,2\n", "first column must be called seed"),
        ("a.csv", "seed,a,a\n1,2,3\n", "same name"),
        ("a.csv", "seed,a\n1\n", "line 2 has 1 cells, the header 2"),
        ("a.csv", "seed,a\n1,much\n", "line 2: 'much' is no strength"),
        ("a.csv", "seed,a\n1,nan\n", "line 2: 'nan' is no strength"),
        ("a.csv", "seed,a\n-1,2\n", "'-1' is no seed"),
        ("a.csv", "seed,a\n1,2\n01,2\n", "seed 1 is there twice"),
        ("a.csv", "seed,a\n", "holds no strengths"),
        ("a.csv", 'seed,a\n1,"2\n', "not readable as CSV"),
        ("a.json", "{", "not readable as JSON"),
        ("a.json", "[" * 100_000, "not readable as JSON"),
        ("a.json", "3", "must be"),
        ("a.json", "[3]", "entry 0 is no object"),
        ("a.json", '{"1": 3}', "no object of strengths"),
        ("a.json", '{"1": {"a": 1e9}}', "is no strength"),
        ("a.json", '{"1": {"a": true}}', "is no strength"),
        ("a.json", '[{"seed": 1.5, "a": 1}]', "1.5 is no seed"),
    ],
)
def test_what_is_no_table_is_refused_with_its_place(name: str, text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputFileError, match=words) as caught:
        read_strengths(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_what_does_not_fit_is_refused_before_anything_is_drawn(tiny, tmp_path: Path) -> None:
    found = some(tiny.generator)
    (tmp_path / "latin.csv").write_bytes("seed,größe\n1,2\n".encode("latin-1"))
    save_projected(tmp_path / "w.npz", torch.zeros(2, 6, 16))
    cases = [
        ({"dims": "1"}, "dimension 1 without a strength"),
        ({"dims": ()}, "nothing to change"),
        ({"dims": "0:0"}, "nothing to change"),
        ({"dims": "9:1"}, "no dimension 9"),
        ({"dims": ["0:1", "0:2"]}, "twice"),
        ({"dims": "smile:1", "strengths": {1: {"smile": 1}}}, "edited twice"),
        ({"strengths": {1: {"frown": 1}}}, "no dimension has the label 'frown'"),
        ({"strengths": {1: {"0": float("nan")}}}, "strength nan of dimension 0 of image 1"),
        ({"strengths": {1: {"0": 1}}, "seeds": [1, 2]}, "seed 2 has no strengths"),
        ({"dims": "0:1", "seeds": [-1]}, "seeds are whole numbers"),
        ({"dims": "0:1", "seeds": [1], "projected": tmp_path / "w.npz"}, "leave one out"),
        ({"strengths": {3: {"0": 1}}, "projected": tmp_path / "w.npz"}, "no picture 3: the file of --projected-w holds 2"),
        ({"dims": "0:1", "projected": tmp_path / "w.npz", "save_w": tmp_path / "w.npz"}, "another --save-w"),
        ({"dims": "0:1", "out": tmp_path / "new" / "f_%d.gif"}, "name ends in"),
        ({"dims": "0:1", "save_w": tmp_path / "w.npy"}, "ends in .npz"),
        ({"dims": "0:1", "unit": "mile"}, "--unit 'mile' is none of sigma, latent"),
        ({"dims": "0:1", "class_index": 1}, "not conditional"),
        ({"strengths": tmp_path / "latin.csv"}, "not readable as CSV"),
        ({"strengths": tmp_path / "none.csv"}, "cannot read"),
    ]
    for options, words in cases:
        with pytest.raises((OptionError, InputFileError), match=words):
            save_edits(tiny, found, **({"out": tmp_path / "new/"} | options))
        assert not list((tmp_path / "new").glob("*")) if (tmp_path / "new").exists() else True, words


def test_the_command_lists_its_files(run, orojar, references: Path) -> None:
    network = references / "sg2_from_sg3_repo_16.pkl"
    told = run("edit", network, "--seeds", "0-1", "--dim", "0:+2", "--dim", "1:-1", "--out", "folder/", "--save-w", "w.npz", "--size", 32)
    assert [image["edited"] for image in told["images"]] == ["folder/seed0000-edited.png", "folder/seed0001-edited.png"]
    assert told["w"] == "w.npz" and told["images"][0]["strengths"] == {"0": 2.0, "1": -1.0}
    assert all(pixels(Path(image[which])).shape == (32, 32, 3) for image in told["images"] for which in ("original", "edited"))
    Path("t.json").write_text(json.dumps({"2": {"0": 1}}))
    code, out, err = orojar("edit", network, "--projected-w", "w.npz", "--strengths", "t.json", "--out", "p_%02d.jpg")
    assert code == 0 and out == "wrote p_02.jpg and p_02-edited.jpg\n", err
    code, _, err = orojar("edit", network)
    assert code == 2 and "nothing to change" in err
    assert orojar_cli.save_edits is save_edits
