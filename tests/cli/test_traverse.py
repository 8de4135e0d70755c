from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from paths import ROOT
from PIL import Image

import orojar_cli
from orojar_cli import discover, load_checkpoint, load_directions, save_directions
from orojar_cli.cli import main
from orojar_cli.errors import OptionError
from orojar_cli.latents.projected import load_projected, save_projected
from orojar_cli.media import read_metadata, to_uint8
from orojar_cli.operations.traverse import shared_name
from orojar_cli.pictures.dimensions import chosen_dimensions
from orojar_cli.pictures.scene import Still, Walk

DEMONSTRATION = ROOT / "checkpoints" / "shapes32-directions.safetensors"


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def traverse(capsys: pytest.CaptureFixture[str]):
    """Run orojar traverse in this process: (exit code, the JSON document or what was printed, stderr)."""

    def run(*arguments: object) -> tuple[int, dict, str]:
        with pytest.raises(SystemExit) as caught:
            main(["traverse", *(str(argument) for argument in arguments), "--json"])
        captured = capsys.readouterr()
        return int(caught.value.code or 0), json.loads(captured.out or "{}"), captured.err

    return run


@pytest.fixture
def labelled(somewhere: Path, shapes_path: Path) -> Path:
    """A network and a direction set with labels in this folder."""
    shutil.copy(shapes_path, "net.pkl")
    directions = load_directions(DEMONSTRATION).labelled(1, "x position").labelled(2, "ratio 1:2").labelled(3, "")
    save_directions(directions, "set.safetensors")
    return Path("set.safetensors")


@pytest.mark.parametrize(
    ("texts", "dimensions", "edits"),
    [
        (["3"], (3,), ()),
        (["0-2,5", "1", "7"], (0, 1, 2, 5, 7), ()),
        (["3:+2", "7:-1"], (), ((3, 2.0), (7, -1.0))),
        (["5", "3:+.5"], (5,), ((3, 0.5),)),
        (["X position"], (1,), ()),
        (["x position: +2", "ratio 1:2"], (2,), ((1, 2.0),)),
        (["ratio 1:2:-1.5"], (), ((2, -1.5),)),
        (["all"], tuple(range(10)), ()),
    ],
)
def test_dimensions_and_edits(labelled: Path, texts, dimensions, edits) -> None:
    assert chosen_dimensions(load_directions(labelled), texts) == (dimensions, edits)


@pytest.mark.parametrize("text", ["10", "-1", "y position", "y position:+2", "12:+2", "3:", "3:+two", ":2", "3:+1e5", "nan:1"])
def test_dimensions_there_are_not(labelled: Path, text: str) -> None:
    with pytest.raises(OptionError):
        chosen_dimensions(load_directions(labelled), [text])


def test_all_of_very_many_dimensions_are_those_that_do_something(shapes, traverse) -> None:
    few = load_directions(DEMONSTRATION)
    count = 70
    active = torch.zeros(count)
    active[3], active[5], active[40] = 1.0, 0.005, 0.02
    many = replace(
        few,
        directions=torch.randn(count, 64, generator=torch.Generator().manual_seed(0)),
        sigma=torch.ones(count),
        activeness=active,
        labels=("",) * count,
        scores={},
    )
    assert chosen_dimensions(many, ["all"]) == ((3, 40), ()) and chosen_dimensions(few, ["all"])[0] == tuple(range(len(few)))
    told: list[str] = []
    found = orojar_cli.traverse(shapes, many, "all", notice=told.append)
    assert found.values["dimensions"] == (3, 40) and told[0].startswith("68 of 70 dimensions")


@pytest.mark.parametrize(
    ("arguments", "name", "edits"),
    [
        (["--dim", "3"], "walk.gif", []),
        (["--dim", "3", "--by", "7"], "grid.png", []),
        (["--dim", "3:+2", "--dim", "7:-1"], "edit.png", [[3, 2.0], [7, -1.0]]),
        (["--dim", "3:+2", "--dim", "7:-1", "--out", "edit.gif"], "edit.gif", [[3, 2.0], [7, -1.0]]),
        (["--dim", "1", "--dim", "3:+2"], "walk.gif", [[3, 2.0]]),
    ],
)
def test_what_is_asked_for_chooses_the_picture(traverse, arguments, name: str, edits) -> None:
    code, told, err = traverse(*arguments, "--seeds", 0, "--frames", 4, "--steps", 2)
    assert code == 0, err
    assert told["out"] == name and told["edits"] == edits and os.listdir() == [name]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--dim", "0-1", "--out", "a.png", "--steps", "3", "--trunc", "0.7", "--layers", "0-3"],
        ["--dim", "1", "--by", "2", "--out", "a.png", "--steps", "2"],
        ["--dim", "1:-2", "--out", "a.png", "--no-caption", "--noise-mode", "random"],
        ["--dim", "1", "--dim", "2:+1", "--out", "a.gif", "--frames", "5", "--no-ease", "--columns", "1", "--no-marker"],
        ["--dim", "1", "--out", "a.apng", "--frames", "3", "--size", "32", "--fps", "9"],
    ],
)
def test_a_picture_is_made_again_pixel_for_pixel(traverse, arguments) -> None:
    assert traverse(*arguments, "--seeds", "2,9")[0] == 0
    first = Path(arguments[arguments.index("--out") + 1])
    code, told, err = traverse("--from", first, "--out", f"b{first.suffix}")
    assert code == 0, err
    assert Path(told["out"]).read_bytes() == first.read_bytes()


def test_options_on_the_line_go_before_those_of_the_picture(traverse) -> None:
    assert traverse("--dim", "0-1", "--out", "a.png", "--steps", 3, "--seeds", 2, "--range", 1)[0] == 0
    code, told, _ = traverse("--from", "a.png", "--seeds", "5", "--dim", 3)
    assert code == 0 and told["out"] == "again.png"
    scene = read_metadata("again.png")["scene"]
    assert (scene["seeds"], scene["dimensions"], scene["extent"], scene["steps"]) == ([5], [3], 1.0, 3)
    code, told, _ = traverse("--from", "a.png", "--out", "film.gif", "--frames", 2)
    assert code == 0 and read_metadata("film.gif")["scene"]["extent"] == 1.0


def test_a_picture_finds_its_files_beside_it_and_never_by_another_name(traverse, labelled: Path, somewhere: Path, monkeypatch) -> None:
    options = ("--directions", labelled, "--network", "net.pkl", "--dim", "x position", "--seeds", 0, "--steps", 2)
    assert traverse(*options, "--out", "a.png")[0] == 0
    names = read_metadata("a.png")
    assert names["checkpoint"]["name"] == "net.pkl" and names["directions"]["name"] == "set.safetensors"
    elsewhere = somewhere / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert traverse("--from", "../a.png", "--out", "b.png")[0] == 0
    assert Path("b.png").read_bytes() == Path("../a.png").read_bytes()
    shutil.copy("../a.png", "alone.png")
    code, _, err = traverse("--from", "alone.png", "--out", "c.png")
    assert code == 1 and "set.safetensors, which is not here" in err
    assert traverse("--from", "alone.png", "--out", "c.png", "--directions", "../set.safetensors", "--network", "../net.pkl")[0] == 0
    code, _, err = traverse(DEMONSTRATION, "--from", "alone.png", "--out", "d.png")
    assert code == 0, err
    save_directions(load_directions("../set.safetensors").select([1, 0]), "other.safetensors")
    code, _, err = traverse("--from", "alone.png", "--out", "e.png", "--directions", "other.safetensors", "--network", "../net.pkl")
    assert code == 1 and "other directions" in err and not Path("e.png").exists()


def test_names_that_are_shared_tell_no_folders(somewhere: Path) -> None:
    assert shared_name(somewhere / "runs" / "a.pkl") == "runs/a.pkl"
    assert shared_name("/home/somebody/secret/a.pkl") == "a.pkl"
    assert shared_name("../a.pkl") == "a.pkl"


def test_the_picture_is_never_written_over(traverse) -> None:
    assert traverse("--dim", 0, "--out", "a.png", "--steps", 2, "--seeds", 0)[0] == 0
    before = Path("a.png").read_bytes()
    code, _, err = traverse("--from", "a.png", "--out", "a.png", "--seeds", 1)
    assert code == 2 and "another --out" in err and Path("a.png").read_bytes() == before


def test_photographs_take_the_place_of_seeds(traverse, shapes, shapes_path: Path) -> None:
    ws = shapes.generator.mapping(torch.from_numpy(np.random.RandomState(5).randn(1, 64)).float())
    save_projected("mine.npz", ws)
    plain = ("--dim", "0-1", "--steps", 3, "--no-caption", "--size", 32)
    assert traverse(*plain, "--seeds", 5, "--out", "seed.png")[0] == 0
    assert traverse(*plain, "--projected-w", "mine.npz", "--out", "mine.png")[0] == 0
    with Image.open("seed.png") as seed, Image.open("mine.png") as mine:
        assert np.abs(np.asarray(seed).astype(int) - np.asarray(mine)).max() <= 1
    assert traverse("--from", "mine.png", "--out", "again.png")[0] == 0
    assert Path("again.png").read_bytes() == Path("mine.png").read_bytes()
    os.remove("mine.npz")
    code, _, err = traverse("--from", "mine.png", "--out", "b.png")
    assert code == 1 and "--projected-w" in err
    save_projected("other.npz", ws + 0.1)
    assert traverse("--from", "mine.png", "--projected-w", "other.npz", "--out", "b.png")[0] == 0
    found = load_directions(DEMONSTRATION)
    save_directions(found.__class__(**{**vars(found), "space": "z"}), "z.safetensors")
    code, _, err = traverse("--directions", "z.safetensors", "--network", shapes_path, "--projected-w", "other.npz")
    assert code == 2 and "no z" in err and not Path("walk.gif").exists()


def test_long_sets_go_over_several_pages(traverse) -> None:
    code, told, err = traverse("--dim", "all", "--rows", 4, "--out", "d.png", "--seeds", 0, "--steps", 1)
    assert code == 0 and told["pages"] == ["d.png", "d-2.png", "d-3.png"] and "3 pages" in err
    assert traverse("--from", "d-2.png", "--out", "b.png")[0] == 0
    assert Path("b.png").read_bytes() == Path("d-2.png").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--dim", "1", "--by", "2", "--out", "a.gif"], 2, ".png"),
        (["--dim", "1-2", "--by", "3"], 2, "exactly one --dim"),
        (["--dim", "1:+2", "--by", "3"], 2, "exactly one --dim"),
        (["--dim", "1:+2", "--dim", "1:+3"], 2, "twice"),
        (["--dim", "1", "--by", "99"], 2, "no dimension 99"),
        (["--range", "nan"], 2, "--range"),
        (["--trunc", "inf"], 2, "--trunc"),
        (["--from", "missing.png"], 1, "missing.png"),
        (["--projected-w", "missing.npz"], 1, "missing.npz"),
        (["--dim", "0", "--size", "4096", "--steps", "200", "--out", "a.png"], 2, "too many"),
    ],
)
def test_what_cannot_be_is_one_line(traverse, arguments, code: int, message: str) -> None:
    got, _, err = traverse(*arguments)
    assert got == code and message in err and "Traceback" not in err
    assert os.listdir() == []


def test_a_checkpoint_alone_is_shown_and_made_again(traverse, shapes_path: Path) -> None:
    shutil.copy(shapes_path, "net.pkl")
    assert traverse("net.pkl", "--dim", 2, "--out", "a.png", "--seeds", 0, "--steps", 2)[0] == 0
    assert read_metadata("a.png")["directions"]["name"] is None
    assert read_metadata("a.png")["checkpoint"]["sha256"] == load_checkpoint("net.pkl").sha256
    assert traverse("--from", "a.png", "--out", "b.png")[0] == 0
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()


@pytest.mark.parametrize(
    "scene",
    [
        Still(dimensions=(3, 1), edits=((2, -1.25),), extent=1.5, layers=(0, 1, 2), seeds=(7, 9), psi=0.5, cutoff=4, size=32, steps=2),
        Still(dimensions=(3,), by=5, seeds=(1,), columns=1, caption=False, steps=2, noise_mode="none"),
        Still(edits=((3, 2.0),)),
        Walk(dimensions=(0,), frames=2, fps=7.5, ease=False, marker=False, seeds=(4,)),
    ],
)
def test_a_scene_says_the_line_that_asks_for_it(traverse, scene) -> None:
    out = Path("a.gif" if isinstance(scene, Walk) else "a.png")
    code, _, err = traverse(*scene.arguments(), "--out", out)
    assert code == 0, err
    assert type(scene).from_dict(read_metadata(out)["scene"]) == scene


@pytest.mark.parametrize(
    ("arguments", "rows"),
    [
        (["--dim", "0-1", "--steps", "3", "--out", "a.png"], 12),
        (["--dim", "0", "--by", "1", "--steps", "2", "--center", "--out", "a.png"], 8),
        (["--dim", "0:+1", "--dim", "1:-1", "--out", "a.png"], 2),
        (["--dim", "0", "--dim", "1:+1", "--frames", "4", "--out", "a.gif"], 8),
        (["--dim", "2:+1", "--frames", "4", "--unit", "latent", "--out", "a.gif"], 8),
    ],
)
def test_the_w_of_the_pictures_are_those_that_are_drawn(traverse, shapes, arguments, rows: int) -> None:
    """In the order of the page: drawn again they are the cells of its picture."""
    plain = ("--seeds", "4,8", "--no-caption", "--no-marker", "--size", 32)
    code, told, err = traverse(*arguments, *plain, "--save-w", "w.npz")
    assert code == 0 and told["w"] == "w.npz", err
    ws = load_projected("w.npz", shapes.generator)
    assert ws.shape == (rows, 8, 64)
    drawn = to_uint8(shapes.generator.synthesis(ws))
    assert len({image.tobytes() for image in drawn}) > 1
    with Image.open(told["out"]) as picture:
        page = np.asarray(picture.convert("RGB")).astype(int)
    if arguments[-1] == "a.png":
        found = [
            any(
                np.abs(page[y : y + 32, x : x + 32] - image).max() <= 1
                for y in range(0, page.shape[0] - 31)
                for x in range(0, page.shape[1] - 31)
                if abs(int(page[y, x, 0]) - int(image[0, 0, 0])) <= 1 and np.abs(page[y, x : x + 32] - image[0]).max() <= 1
            )
            for image in drawn
        ]
        assert all(found)
    code, _, err = traverse("--projected-w", "w.npz", "--dim", 0, "--save-w", "w.npz", "--out", "b.png")
    assert code == 2 and "another --out" in err


def test_what_no_w_can_hold_is_said_before_anything_is_drawn(traverse, shapes_path: Path) -> None:
    code, _, err = traverse("--dim", 0, "--save-w", "w.txt")
    assert code == 2 and ".npz" in err and os.listdir() == []
    save_directions(discover(load_checkpoint(shapes_path), "random", space="s", num=2, seeds=(0,), samples=8).directions, "s.safetensors")
    words = ("--directions", "s.safetensors", "--network", shapes_path, "--dim", 0, "--seeds", 0, "--out", "a.png")
    code, _, err = traverse(*words, "--save-w", "w.npz")
    assert code == 2 and "which no w holds" in err and os.listdir() == ["s.safetensors"]
    code, _, err = traverse(*words, "--center")
    assert code == 2 and "--center takes away" in err


def test_centered_rows_start_at_the_same_place_and_units_are_the_latents(traverse) -> None:
    options = ("--dim", 0, "--seeds", "4,8", "--steps", 3)
    assert traverse(*options, "--center", "--unit", "latent", "--range", 4, "--save-w", "c.npz", "--out", "c.png")[0] == 0
    found = load_directions(DEMONSTRATION)
    with np.load("c.npz") as file:
        places = file["w"][:, 0] @ found.directions[0].numpy()
    assert np.allclose(places[:3], places[3:], atol=1e-4) and np.allclose(np.diff(places[:3]), 4, atol=1e-4)
    assert traverse("--from", "c.png", "--out", "d.png")[0] == 0
    assert Path("d.png").read_bytes() == Path("c.png").read_bytes()
    scene = read_metadata("c.png")["scene"]
    assert scene["unit"] == "latent" and scene["center"] is True
    assert {"--unit", "latent", "--center"} <= set(Still.from_dict(scene).arguments())
    assert traverse(*options, "--save-w", "e.npz", "--out", "e.png")[0] == 0
    with np.load("e.npz") as file:
        plain = file["w"][:, 0] @ found.directions[0].numpy()
    assert not np.allclose(plain[:3], plain[3:], atol=0.01)
    assert np.allclose(np.diff(plain[:3]), 3 * float(found.sigma[0]), atol=1e-4)


def test_grids_that_nobody_described_have_round_strengths(traverse, labelled: Path) -> None:
    look = ("set.safetensors", "--network", "net.pkl", "--seeds", "1", "--dim", "0", "--out", "a.png")
    for words, steps in (((), 7), (("--range", 2), 5), (("--range", 2, "--steps", 4), 4)):
        assert traverse(*look, *words)[0] == 0
        kept = read_metadata("a.png")
        assert kept is not None and kept["scene"]["steps"] == steps


def test_what_is_kept_stands_in_the_picture_and_is_kept_again(traverse, labelled: Path) -> None:
    look = ("set.safetensors", "--network", "net.pkl", "--seeds", "1", "--steps", "3", "--range", "1")
    code, document, _ = traverse(*look, "--dim", "0", "--keep", "x position", "--keep", "4", "--out", "a.png")
    assert code == 0 and document["keep"] == [1, 4]
    kept = read_metadata("a.png")
    assert kept is not None and kept["scene"]["keep"] == [1, 4]
    assert traverse("--from", "a.png", "--out", "again.png")[0] == 0
    assert Path("again.png").read_bytes() == Path("a.png").read_bytes()
    assert traverse("--from", "a.png", "--keep", "3", "--out", "other.png")[1]["keep"] == [3]
    assert traverse(*look, "--dim", "0", "--out", "plain.png")[1]["keep"] == []
    assert not np.array_equal(np.asarray(Image.open("a.png"))[:, -40:], np.asarray(Image.open("plain.png"))[:, -40:])
    for words, told in ((("0:+2",), "what is kept is not moved"), (("0",), "all that moves would be kept"), (("12",), "no dimension 12")):
        code, _, err = traverse(*look, "--dim", "0", "--keep", *words)
        assert code == 2 and told in err
    assert Still(dimensions=(0,), keep=(1, 4)).arguments() == ["--dim", "0", "--keep", "1,4"]


def test_a_painted_part_is_held_still_and_again_from_the_picture(traverse, labelled: Path) -> None:
    mask = np.zeros((64, 64, 3), np.uint8)
    mask[:32] = 255
    Image.fromarray(mask).save("region.png")
    look = ("set.safetensors", "--network", "net.pkl", "--seeds", "1", "--steps", "2", "--range", "0.5", "--dim", "0")
    assert traverse(*look, "--keep-picture", "region.png", "--out", "a.png")[0] == 0
    kept = read_metadata("a.png")
    assert kept is not None and kept["scene"]["keep_picture"].startswith("32x32:ff")
    Path("region.png").unlink()
    assert traverse("--from", "a.png", "--out", "again.png")[0] == 0
    assert Path("again.png").read_bytes() == Path("a.png").read_bytes()
    assert traverse(*look, "--out", "plain.png")[0] == 0
    assert not np.array_equal(np.asarray(Image.open("a.png"))[-60:], np.asarray(Image.open("plain.png"))[-60:])
    code, _, err = traverse(*look, "--keep-picture", "nowhere.png")
    assert code == 1 and "nowhere.png" in err
