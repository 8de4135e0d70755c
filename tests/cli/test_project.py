from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from paths import REFERENCES
from PIL import Image

from orojar_cli import load_checkpoint
from orojar_cli.latents.projected import load_projected
from orojar_cli.media import to_uint8


@pytest.fixture
def photo(somewhere: Path) -> Path:
    path = somewhere / "my photo.png"
    Image.fromarray(np.random.RandomState(0).randint(0, 256, (30, 50, 3), np.uint8)).save(path)
    return path


def test_a_projection_is_a_run_that_traverse_shows(orojar, photo: Path, shapes_path: Path) -> None:
    assert orojar("sefa", shapes_path, "--num", 2, "--seeds", 0, "--outdir", "orojar-runs")[0] == 0
    code, out, err = orojar("project", photo, shapes_path, "--steps", 8, "--candidates", 100, "--starts", 2, "--save-video", "--json")
    assert code == 0, err
    told = json.loads(out)
    run = Path(told["run"])
    names = {"projected_w.npz", "projected_w_plus.npz", "target.png", "projected.png", "comparison.png", "progress.gif", "metrics.jsonl"}
    assert run.name == "00001-project-shapes32" and {file.name for file in run.iterdir()} == names | {"run.json"}
    with np.load(run / "projected_w_plus.npz") as arrays:
        assert list(arrays) == ["w"] and arrays["w"].shape == (1, 8, 64) and arrays["w"].dtype == np.float32
    generator = load_checkpoint(shapes_path).generator
    w = load_projected(run / "projected_w.npz", generator)
    assert torch.equal(w, w[:, :1].expand(-1, 8, -1))
    with Image.open(run / "projected.png") as drawn:
        again = generator.synthesis(load_projected(run / "projected_w_plus.npz", generator))
        assert np.array_equal(np.asarray(drawn), to_uint8(again)[0])
    with Image.open(run / "target.png") as target:
        assert target.size == (32, 32)
    assert list(told["psnr"]) == ["mean", "nearest sample", "w", "w+"] and told["psnr"]["w+"] > told["psnr"]["mean"]
    stages = [json.loads(line)["stage"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert stages == sorted(stages) and set(stages) == {"choosing a start", "w", "w+"}
    assert json.loads((run / "run.json").read_text())["options"]["seed"] == 0
    assert "00000-sefa" in told["traverse"]
    code, _, err = orojar(*told["traverse"].split()[1:-1], "walk.png", "--steps", 3)
    assert code == 0, err
    code, _, err = orojar("traverse", "--out", "newest.png", "--steps", 3, "--seeds", 0)
    assert code == 0 and "00000-sefa" in err


def test_one_space_one_file_and_the_same_again(orojar, photo: Path, shapes_path: Path) -> None:
    options = ("--space", "w", "--steps", 4, "--candidates", 20, "--starts", 1, "--detector", "critic")
    runs = []
    for _ in range(2):
        code, out, err = orojar("project", photo, "--network", shapes_path, *options)
        assert code == 0 and "projected_w.npz" in err and "w_plus" not in out
        assert f"orojar traverse {shapes_path} --projected-w" in out
        runs.append(sorted(Path("orojar-runs").iterdir())[-1])
    assert (runs[0] / "projected_w.npz").read_bytes() == (runs[1] / "projected_w.npz").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (("missing.png", "CKPT"), 1, "missing.png"),
        (("CKPT", "my photo.png"), 1, "no picture"),
        (("my photo.png",), 2, "checkpoint"),
        (("my photo.png", "CKPT", "--class", "0"), 2, "not conditional"),
        (("my photo.png", "CKPT", "--detector", "nonsense"), 1, "detector"),
        (("my photo.png", "CKPT", "--space", "z"), 2, "space"),
        (("my photo.png", "CKPT", "--candidates", "4"), 2, "--starts 8"),
    ],
)
def test_mistakes_are_told_and_leave_nothing(orojar, photo: Path, shapes_path: Path, arguments, status: int, told: str) -> None:
    code, out, err = orojar("project", *(str(shapes_path) if argument == "CKPT" else argument for argument in arguments))
    assert code == status and told in err and not out and "Traceback" not in err
    assert not list(Path("orojar-runs").glob("*"))


def test_a_conditional_network_is_searched_over_its_classes(orojar, photo: Path) -> None:
    checkpoint = REFERENCES / "sg2_cond_fp16_64.pkl"
    quick = ("--space", "w", "--steps", 1, "--candidates", 4, "--starts", 1)
    code, _, err = orojar("project", photo, checkpoint, *quick)
    assert code == 0 and "all classes" in err
    code, _, err = orojar("project", photo, checkpoint, "--class", 1, *quick)
    assert code == 0 and "all classes" not in err


def test_a_search_goes_on_from_a_w_that_traverse_or_project_wrote(orojar, run, shapes_path: Path) -> None:
    """The picture of an edit, from the w of the edit: it is there at the start, also where each layer has its own."""
    words = ("--dim", "0:+1", "--seeds", 3, "--no-caption")
    run("traverse", shapes_path, *words, "--out", "e.png", "--save-w", "w.npz")
    generator = load_checkpoint(shapes_path).generator
    Image.fromarray(to_uint8(generator.synthesis(load_projected("w.npz", generator)))[0]).save("picture.png")
    few = ("--steps", 2, "--candidates", 8, "--starts", 1)
    told = run("project", "picture.png", shapes_path, "--projected-w", "w.npz", *few)
    assert list(told["psnr"]) == ["mean", "start", "w", "w+"] and told["psnr"]["start"] > 40
    assert json.loads((Path(told["run"]) / "run.json").read_text())["options"]["projected"].endswith("w.npz")
    again = run("project", "picture.png", shapes_path, "--projected-w", Path(told["run"]) / "projected_w_plus.npz", *few)
    assert again["psnr"]["start"] == pytest.approx(told["psnr"]["w+"], abs=0.1)
    run("traverse", shapes_path, "--dim", "0-1", "--seeds", 3, "--steps", 2, "--out", "f.png", "--save-w", "many.npz")
    code, _, err = orojar("project", "picture.png", shapes_path, "--projected-w", "many.npz")
    assert code == 2 and "holds the w of 4 pictures" in err
