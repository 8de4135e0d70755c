"""Interpolation and style mixing as operations and as commands."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import orojar_cli
from orojar_cli import load_checkpoint
from orojar_cli.directions import DirectionSet
from orojar_cli.errors import OptionError, OutputFileError
from orojar_cli.latents.projected import save_projected
from orojar_cli.operations.interpolate import interpolate
from orojar_cli.operations.mixing import mix
from orojar_cli.pictures.mixing import Mix
from orojar_cli.response.budget import arithmetic
from orojar_cli.response.outputs import Output

NETWORK = "sg2_from_sg3_repo_16.pkl"
FEW = {"leg": 0.5, "fps": 8.0, "size": 16}


def made(generator) -> DirectionSet:
    rows = torch.eye(16)[:3].contiguous()
    return DirectionSet(rows, torch.ones(3), torch.ones(3), "made", "w", tuple(range(6)), generator.sha256, ("", "smile", ""))


def test_a_notebook_shows_and_saves_a_loop(tiny, tmp_path: Path) -> None:
    film = orojar_cli.interpolate(tiny, [3, 17, 42], directions=made(tiny.generator), dims="smile:+2", **FEW)
    assert repr(film) == "<Interpolation of sg2_from_sg3_repo_16.pkl in w: seed 3, seed 17, seed 42>"
    assert film._repr_html_().startswith("<img") and film.show().height > 16
    for name, count in (("a.gif", 12), ("a.webp", 12), ("a.apng", 12)):
        (path,) = film.save(tmp_path / name)
        with Image.open(path) as picture:
            assert picture.n_frames == count and picture.size == (16, 16)
    written = film.save(tmp_path / "f_%03d.png")
    assert [path.name for path in written] == [f"f_{number:03d}.png" for number in range(12)]
    frames = list(film.frames())
    with Image.open(written[5]) as picture:
        assert np.array_equal(np.asarray(picture), frames[5])
    assert film.save(tmp_path / "still.png") and not list(tmp_path.glob("*.tmp"))
    told = film.to_dict(written)
    assert told["frames"] == told["files"] == 12 and told["edits"] == [[1, 2.0]] and told["images"] == ["seed 3", "seed 17", "seed 42"]


def test_a_notebook_shows_and_saves_a_table(tiny, tmp_path: Path) -> None:
    table = orojar_cli.mix(tiny, [0, 1], [4, 5, 6], "coarse", psi=0.7, **FEW)
    assert repr(table) == "<StyleMixing of sg2_from_sg3_repo_16.pkl: 2 rows, 3 columns, layers 0,1,2>"
    assert table._repr_html_().startswith("<img") and table.save(tmp_path / "mix.png") == [tmp_path / "mix.png"]
    (path,) = table.save(tmp_path / "mix.gif")
    with Image.open(path) as picture:
        assert picture.n_frames == 12
    assert table.to_dict()["columns"] == ["seed 4", "seed 5", "seed 6"]


def test_photographs_come_from_files(tiny, tmp_path: Path) -> None:
    save_projected(tmp_path / "w.npz", torch.randn(2, 6, 16, generator=torch.Generator().manual_seed(0)))
    assert interpolate(tiny, projected=tmp_path / "w.npz").to_dict()["images"] == ["picture 1", "picture 2"]
    several = interpolate(tiny, projected=[tmp_path / "w.npz", tmp_path / "w.npz"])
    assert several.to_dict()["images"] == [f"picture {number}" for number in range(1, 5)]
    assert mix(tiny, tmp_path / "w.npz", [4, 5]).to_dict()["rows"] == ["picture 1", "picture 2"]
    assert mix(tiny, [1], tmp_path / "w.npz").to_dict()["columns"] == ["picture 1", "picture 2"]


def test_networks_without_a_mapping_go_through_z(references: Path) -> None:
    without = load_checkpoint(references / "orojar_simplegan_64.pth")
    assert interpolate(without, [0, 1]).scene.space == "z" and interpolate(without, [0, 1], space="w").scene.space == "w"


@pytest.mark.parametrize(("share", "rows", "columns"), [(1.0, 4, 6), (0.7, 4, 4), (0.3, 3, 2), (0.0, 1, 2)])
def test_a_film_of_large_images_has_fewer_of_them(tiny, monkeypatch: pytest.MonkeyPatch, share: float, rows: int, columns: int) -> None:
    """Of 6 x 50 frames of five images each as many as fit; what somebody asks for stays, and so does a table."""
    image = arithmetic(tiny.generator, (Output(),))
    monkeypatch.setattr("orojar_cli.pictures.axes._FILM_MULTIPLICATIONS", share * image * 6 * round(Mix.leg * Mix.fps) * 5)
    lines: list[str] = []
    found = mix(tiny, film=True, notice=lines.append).scene
    assert (len(found.rows), len(found.seeds)) == (rows, columns)
    told = [f"large images: a film of {rows} rows and {columns} columns; --rows and --cols say otherwise"]
    assert lines == (told if share < 1 else [])
    for asked in ({"rows": [0, 1, 2], "columns": [4, 5, 6, 7], "film": True}, {}):
        scene = mix(tiny, **asked).scene
        assert (len(scene.rows), len(scene.seeds)) == ((3, 4) if asked else (4, 6))


def test_conditional_networks_show_the_first_class_unless_told(conditional) -> None:
    lines: list[str] = []
    assert interpolate(conditional, [0, 1], notice=lines.append).scene.class_index == 0 and "showing class 0" in lines[0]
    assert interpolate(conditional, [0], classes=[0, 1]).scene.classes == (0, 1)
    assert interpolate(conditional, [0, 1], classes=[1]).scene.class_index == 1
    with pytest.raises(OptionError, match="leave one out"):
        interpolate(conditional, [0, 1], classes=[1], class_index=0)


def test_large_networks_pass_fewer_seeds_unless_asked_and_say_how_long(tiny, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lines: list[str] = []
    monkeypatch.setattr("orojar_cli.pictures.axes.arithmetic", lambda *_: 2e12)
    monkeypatch.setattr("orojar_cli.operations.drawing.arithmetic", lambda *_: 2e12)
    monkeypatch.setattr("orojar_cli.operations.drawing.seconds_each", lambda *_: 2.0)
    film = interpolate(tiny, notice=lines.append, **FEW)
    assert film.scene.seeds == (0, 1) and lines == ["large images: passing 2 of the seeds 0 to 3; --seeds says otherwise"]
    assert interpolate(tiny, range(4)).scene.seeds == (0, 1, 2, 3)
    film.save(tmp_path / "a.gif")
    assert lines[1] == "5 images to draw: about 10 s"


def test_what_does_not_fit_is_refused_before_anything_is_drawn(tiny, tmp_path: Path) -> None:
    save_projected(tmp_path / "w.npz", torch.zeros(1, 6, 16))
    cases = [
        (interpolate, {"seeds": [1, 2], "dims": "1", "directions": made(tiny.generator)}, "dimension 1 without a strength"),
        (interpolate, {"seeds": [1, 2], "directions": made(tiny.generator)}, "directions without edits"),
        (interpolate, {"seeds": [1, 2], "projected": tmp_path / "w.npz"}, "leave one out"),
        (interpolate, {"projected": tmp_path / "w.npz"}, "one image goes nowhere"),
        (interpolate, {"seeds": [-1, 2]}, "seeds"),
        (interpolate, {"seeds": [1, 2], "extent": 3.0}, "a loop has no 'extent'"),
        (mix, {"layers": (7,)}, "no layer 7"),
        (mix, {"rows": []}, "at least one seed"),
        (mix, {"columns": []}, "at least one seed"),
        (mix, {"loops": 3}, "a table has no 'loops'"),
    ]
    for operation, options, words in cases:
        with pytest.raises(OptionError, match=words):
            operation(tiny, **options)
    film = interpolate(tiny, [1, 2], **FEW)
    for name, error in (("a.txt", OptionError), ("none/a.gif", OutputFileError), ("f_%d.gif", OptionError)):
        with pytest.raises(error):
            film.save(tmp_path / name)


def test_the_commands_write_what_they_are_asked_for(run, orojar, references: Path) -> None:
    network = references / NETWORK
    words = ("--seconds", 0.5, "--fps", 8, "--size", 16)
    told = run("interpolate", network, "--seeds", "3,17", *words, "--out", "frames/")
    assert told["out"] == "frames/frame0000.png" and told["files"] == 8 and len(list(Path("frames").iterdir())) == 8
    code, out, err = orojar("interpolate", network, "--seeds", "0-3", "--loops", 4, "--trunc", "0:1", *words, "--caption", "--out", "s.gif")
    assert code == 0 and out == "wrote s.gif\n", err
    told = run("mix", network, "--rows", "0-1", "--cols", "4-5", "--layers", "mid", "--trunc", 0.7)
    assert told == {"out": "mix.png", "files": 1, "rows": ["seed 0", "seed 1"], "columns": ["seed 4", "seed 5"]} | {
        "layers": [3, 4, 5],
        "edits": [],
        "checkpoint": str(network),
    }
    save_projected("w.npz", torch.randn(1, 6, 16, generator=torch.Generator().manual_seed(0)))
    assert run("interpolate", network, "--projected-w", "w.npz", "--projected-w", "w.npz", *words)["images"] == ["picture 1", "picture 2"]
    made = run("sefa", network, "--num", 2, "--seeds", 0)["run"]
    assert run("interpolate", made, "--seeds", "1,2", "--dim", "0:+2", *words)["edits"] == [[0, 2.0]]
    assert run("mix", made, "--rows", 0, "--cols", "4-5", "--dim", "1:-1", *words, "--out", "m.gif")["edits"] == [[1, -1.0]]
    assert run("interpolate", made, "--seeds", "1,2", *words, "--out", "again.png")["checkpoint"] == str(network)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("interpolate", "NET", "--out", "a.txt"), "its name must end in"),
        (("interpolate", "NET", "--trunc", "0:1:2"), "neither a number nor two"),
        (("interpolate", "NET", "--trunc", "0:nan"), "--trunc nan"),
        (("interpolate", "NET", "--trunc", "nan:1"), "--trunc nan"),
        (("interpolate", "NET", "--seeds", "1,2", "--class", 1), "not conditional"),
        (("interpolate", "NET", "--directions", "x.safetensors"), "--directions without edits"),
        (("interpolate", "NET", "--generator", "a:b"), "name two networks"),
        (("interpolate", "NET", "--hold", "-1"), "--hold -1.0 is not a number"),
        (("interpolate", "NET", "--fps", 100, "--out", "a.gif"), "cannot be shown in .gif"),
        (("mix", "NET", "--layers", "0-9"), "no layer 9: this network has layers 0-5"),
        (("mix", "NET", "--layers", "fine"), "no layers of 64 pixels"),
        (("mix", "NET", "--rows", "none.npz"), "none.npz"),
        (("mix", "NET", "--rows", "a-b"), "not a list"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_commands_refuse_in_a_sentence(words: tuple, told: str, orojar, somewhere: Path, references: Path) -> None:
    code, _, err = orojar(*(references / NETWORK if word == "NET" else word for word in words))
    assert code in (1, 2) and told in err and "Traceback" not in err, err
    assert not [path for path in somewhere.rglob("*") if path.is_file()]


def bytes_of(name: str) -> bytes:
    with Image.open(name) as picture:
        frames = []
        for number in range(getattr(picture, "n_frames", 1)):
            picture.seek(number)
            frames.append(picture.convert("RGB").tobytes())
    return b"".join(frames)


def test_films_and_tables_are_made_again_from_what_they_keep(run, orojar, references: Path) -> None:
    shutil.copy(references / NETWORK, NETWORK)
    made = run("sefa", NETWORK, "--num", 2, "--seeds", 0)["run"]
    words = ("--seconds", 0.5, "--fps", 8, "--size", 16)
    loop = ("interpolate", made, "--seeds", "1,2", "--trunc", "0.2:0.9", "--pace", "flow", "--dim", "0:+2", *words)
    table = ("mix", NETWORK, "--rows", "0-1", "--cols", "4-5", "--layers", "2", "--trunc", 0.7, *words)
    for command, name, again in ((loop, "a.gif", "b.gif"), (loop, "a.png", "b.png"), (table, "c.gif", "d.gif"), (table, "c.png", "d.png")):
        assert orojar(*command, "--out", name)[0] == 0
        code, _, err = orojar(command[0], "--from", name, "--out", again)
        assert code == 0, err
        assert bytes_of(name) == bytes_of(again)
    assert run("interpolate", "--from", "a.gif", "--seeds", "3,4,5", "--out", "e.gif")["frames"] == 12
    assert run("interpolate", "--from", "a.gif", "--trunc", 1, "--dim", "1:1", "--out", "e.gif")["edits"] == [[1, 1.0]]
    assert run("mix", "--from", "c.png", "--cols", "7", "--out", "e.png")["columns"] == ["seed 7"]
    code, _, err = orojar("traverse", "--from", "a.gif")
    assert code == 1 and "made by another command: orojar interpolate --from a.gif" in err
    code, _, err = orojar("interpolate", "--from", "c.gif")
    assert code == 1 and "orojar mix --from c.gif" in err
    code, _, err = orojar("interpolate", "--from", "a.gif", "--out", "a.gif")
    assert code == 2 and "is what the picture is made from" in err


def test_photographs_and_networks_are_the_ones_a_film_was_made_of(run, orojar, references: Path) -> None:
    shutil.copy(references / NETWORK, NETWORK)
    save_projected("w.npz", torch.randn(2, 6, 16, generator=torch.Generator().manual_seed(0)))
    run("interpolate", NETWORK, "--projected-w", "w.npz", "--fps", 4, "--seconds", 0.5, "--out", "a.gif")
    run("mix", NETWORK, "--rows", "w.npz", "--cols", "4", "--out", "m.png")
    for command, words in (("interpolate", ("--projected-w", "w.npz")), ("mix", ("--rows", "w.npz"))):
        picture, out = ("a.gif", "b.gif") if command == "interpolate" else ("m.png", "n.png")
        code, _, err = orojar(command, "--from", picture, "--out", out)
        assert code == 1 and "shows the projected w of w.npz" in err
        assert orojar(command, "--from", picture, *words, "--out", out)[0] == 0 and bytes_of(picture) == bytes_of(out)
    code, _, err = orojar("interpolate", references / "sg2_resnet_gray_16.pkl", "--from", "a.gif", "--seeds", "1,2")
    assert code == 1 and "another network" in err
