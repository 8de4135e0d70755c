"""The direction that leads from some pictures to others."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from program import document

import orojar_cli
from orojar_cli.errors import OptionError
from orojar_cli.explore.choices import Choices
from orojar_cli.explore.view import View
from orojar_cli.latents.points import seed_latents
from orojar_cli.latents.projected import save_projected
from orojar_cli.measures.shapes_factors import measure_factors
from orojar_cli.pictures.recipe import direction_identity


def order(generator) -> list[int]:
    """150 seeds of the shapes world by how bright the red of their ground is, the darkest first."""
    with torch.no_grad():
        ground = measure_factors(generator(seed_latents(generator, range(150)).z))[:, 4]
    return ground.argsort().tolist()


def listed(seeds: list[int]) -> str:
    return ",".join(map(str, seeds))


@pytest.fixture
def tiny_path(references: Path) -> Path:
    return references / "sg2_from_sg3_repo_16.pkl"


def test_seeds_with_bright_ground_are_led_to(shapes, orojar) -> None:
    """From the command line to a run that other commands take; the direction does to pictures what was asked for."""
    generator = shapes.generator
    seeds = order(generator)
    bright, dark = seeds[-15:], seeds[:15]
    line = ("--examples", listed(bright), "--others", listed(dark), "--label", "bright ground", "--seeds", "0", "--device", "cpu")
    told = document(orojar("find", "demo", *line, "--json"))
    assert told["better_than_chance"] and told["auc"] > 0.9 and told["interval"][0] > 0.5 and (told["examples"], told["others"]) == (15, 15)
    first = told["weights"][0]
    assert first["label"] == "ground colour" and abs(first["weight"]) > 0.9 and first["kept"] == 1
    assert abs(sum(entry["weight"] ** 2 for entry in told["weights"]) - 1) < 1e-6 and len(told["weights"]) <= 5
    found = orojar_cli.load_directions(told["directions"])
    assert found.labels == ("bright ground",) and found.options["weights"] == told["weights"] and float(found.activeness[0]) > 0
    at = seed_latents(generator, range(200, 220))
    with torch.no_grad():
        less, more = (measure_factors(found.images(generator, at, "bright ground", strength))[:, 4] for strength in (-1.0, 1.0))
    assert float((more - less).mean()) > 0.2
    code, _, err = orojar("traverse", told["run"], "--dim", "bright ground", "--out", "walk.png", "--seeds", "0", "--steps", "3")
    assert code == 0, err
    assert {path.name for path in Path(told["run"]).iterdir()} == {"run.json", "directions.safetensors", "metrics.jsonl", "grid.png"}
    options = json.loads((Path(told["run"]) / "run.json").read_text())["options"]
    assert options["examples"] == bright and options["others"] == dark and options["weights"] == told["weights"]


def test_a_sigma_of_it_is_its_edits(shapes, rough: None) -> None:
    seeds = order(shapes.generator)
    found = orojar_cli.find("demo", None, seeds[-20:-1:2], num=3, seeds=[0])
    assert found.run is None and "run" not in found.to_dict() and found.counts == (10, 100)
    at = seed_latents(shapes.generator, range(3))
    moved = found.directions.apply(shapes.generator, at, 0, 2.0)
    ws = shapes.generator.mapping(at.z)
    for entry in found.weights():
        ws = found.within.apply(shapes.generator, ws, entry["dimension"], 2 * entry["weight"])
    torch.testing.assert_close(moved, ws, rtol=0, atol=1e-4)
    again = orojar_cli.find("demo", None, seeds[-20:-1:2], num=3, seeds=[0])
    assert torch.equal(found.directions.directions, again.directions.directions) and found.to_dict() == again.to_dict()
    assert "AUC" in repr(found) and "<table>" in found._repr_html_() and found.show().width > 100


def test_ws_in_files_are_the_seeds_they_are_of(tiny, tiny_path: Path, orojar, rough: None) -> None:
    generator = tiny.generator
    with torch.no_grad():
        ws = generator.mapping(seed_latents(generator, range(16)).z)
    for number in range(8):
        folder = Path("liked", f"{number:05d}-project-a")
        folder.mkdir(parents=True)
        save_projected(folder / "projected_w.npz", ws[number : number + 1])
        # The same picture once more, and what else such a run holds.
        save_projected(folder / "projected_w_plus.npz", ws[number : number + 1] + 1)
        Image.new("RGB", (4, 4)).save(folder / "target.png")
    save_projected("rest.npz", ws[8:])
    directions = orojar_cli.discover(tiny, "random", num=4, samples=8, seeds=(0,)).directions
    directions.save("random.safetensors")
    where = ("--network", tiny_path, "--directions", "random.safetensors", "--seeds", "0", "--device", "cpu", "--json")
    files = document(orojar("find", "--examples", "liked", "--others", "rest.npz", *where))
    seeds = document(orojar("find", "--examples", "0-7", "--others", "8-15", *where))
    for name in ("auc", "interval", "p"):
        assert files[name] == pytest.approx(seeds[name])
    assert [entry["weight"] for entry in files["weights"]] == pytest.approx([entry["weight"] for entry in seeds["weights"]], abs=1e-4)
    mixed = orojar_cli.find(tiny, directions, ws[:8], range(8, 16), seeds=[0])
    assert mixed.evidence.auc == pytest.approx(seeds["auc"])


def explored(run: Path, generator, directions, edits: dict[int, tuple[tuple[int, float], ...]]) -> None:
    """Mark seeds as the explorer does: even ones as liked."""
    choices = Choices(directions.checkpoint, run / "choices.json")
    for seed, moved in edits.items():
        at = seed_latents(generator, [seed])
        with torch.no_grad():
            ws = generator.mapping(at.z)
            for index, strength in moved if directions.space != "z" else ():
                ws = directions.apply(generator, ws, index, strength)
        view = View("own", (seed,), None, 1.0, None, moved)
        latents = {"directions": direction_identity(directions) if moved else None, "w": ws[0].tolist()}
        choices.put(view, "others" if seed % 2 else "liked", latents)


@pytest.mark.parametrize("space", ["w", "z"])
def test_marked_images_are_taken_with_their_edits(space: str, tiny, tiny_path: Path, orojar, rough: None) -> None:
    told = orojar_cli.discover(tiny_path, "random", space=space, num=4, samples=8, seeds=(0,), outdir="runs", device="cpu")
    directions, run = told.directions, told.run.path
    code, _, err = orojar("find", "--from", run)
    assert code == 1 and "mark images as liked in orojar explore" in err
    edits = {seed: ((2, -3.0 if seed % 2 else 3.0),) for seed in range(20)}
    explored(run, tiny.generator, directions, edits)
    found = document(orojar("find", "--from", run, "--seeds", "0", "--device", "cpu", "--outdir", "runs", "--json"))
    assert found["weights"][0]["dimension"] == 2 and found["weights"][0]["weight"] > 0.95 and found["better_than_chance"]
    assert Path(found["run"]).name.startswith("00001-find") and found["space"] == space
    document_ = json.loads((run / "choices.json").read_text())
    if space == "z":
        document_["liked"][0]["mix"] = {"seed": 1, "layers": [0]}
        (run / "choices.json").write_text(json.dumps(document_))
        code, _, err = orojar("find", "--from", run, "--seeds", "0", "--device", "cpu")
        assert code == 0 and "liked: 1 images left out" in err
    else:
        document_["liked"][0]["w"] = [[1.0, 2.0]]
        (run / "choices.json").write_text(json.dumps(document_))
        code, _, err = orojar("find", "--from", run)
        assert code == 1 and "mark them again" in err and err.strip().count("\n") == 0


def test_what_cannot_be_is_said_in_a_line(tiny_path: Path, orojar, rough: None) -> None:
    os.mkdir("empty")
    save_projected("narrow.npz", torch.zeros(5, 6, 7))
    save_projected("same.npz", torch.randn(1, 6, 16, generator=torch.Generator().manual_seed(0)).expand(6, -1, -1))
    Path("broken.npz").write_bytes(b"PK\x03\x04")
    lines = {
        ("--examples", "1-3"): (2, "3 of at least 4"),
        ("--examples", "1-9", "--others", "20-22"): (2, "--others: 3 of at least 4"),
        ("--examples", "1-9", "--others", "5-20"): (2, "on both sides"),
        ("--examples", "empty"): (1, "neither files with w"),
        ("--examples", "nowhere/"): (1, "nowhere"),
        ("--examples", "broken.npz"): (1, "broken.npz"),
        ("--examples", "narrow.npz"): (2, "narrow.npz holds latents of shape [5, 6, 7]"),
        ("--examples", "same.npz"): (2, "1 of at least 4"),
        ("--examples", "same.npz", "--others", "same.npz"): (2, "among the others"),
        ("--examples", "1-9", "--from", "empty"): (2, "name what is wanted"),
        ("--examples", "1-9", "--label", "3"): (2, "would be taken for a number"),
        (): (2, "name what is wanted"),
    }
    for line, (status, words) in lines.items():
        code, out, err = orojar("find", tiny_path, *line, "--seeds", "0", "--device", "cpu")
        assert (code, out) == (status, "") and words in err and "Traceback" not in err, (line, err)
        assert [one for one in err.splitlines() if one.lower().startswith("error")] == err.splitlines()[-1:], err
    assert not list(Path("orojar-runs").glob("*/*"))
    with pytest.raises(OptionError, match="neither seeds nor"):
        orojar_cli.find(tiny_path, None, 5, device="cpu")
    with pytest.raises(OptionError, match="whole number"):
        orojar_cli.find(tiny_path, None, range(9), num=0, device="cpu")


def test_pictures_are_projected_once(tiny, tiny_path: Path, orojar, rough: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was projected before an interruption is not projected again, and the w of all are kept."""
    from orojar_cli.operations import find

    calls: list[str] = []

    def project(picture, network, *, space, steps, **values):
        assert (space, steps) == ("w", 3)
        if len(calls) == 5 and not calls[-1].startswith("again"):
            calls.append("again")
            raise KeyboardInterrupt
        calls.append(picture.name)
        with torch.no_grad():
            w = network.generator.mapping(seed_latents(network.generator, [int(picture.stem)]).z)
        return type("Projected", (), {"w": w})

    monkeypatch.setattr(find, "project", project)
    for side, numbers in (("liked", range(4)), ("rest", range(4, 8))):
        os.mkdir(side)
        for number in numbers:
            Image.new("RGB", (4, 4), (number, 0, 0)).save(Path(side, f"{number}.png"))
    line = ("find", tiny_path, "--examples", "liked", "--others", "rest", "--steps", "3", "--seeds", "0", "--device", "cpu")
    code, _, err = orojar(*line)
    assert code == 130 and "projecting 8 pictures into w: about" in err and "--resume orojar-runs/00000-find" in err
    (run,) = Path("orojar-runs").iterdir()
    kept = Path("liked/0.png").read_bytes()
    Image.new("RGB", (4, 4), "white").save("liked/0.png")
    code, _, err = orojar(*line, "--resume", run)
    assert code == 2 and "belongs to other settings" in err
    Path("liked/0.png").write_bytes(kept)
    told = document(orojar(*line, "--resume", run, "--json"))
    assert calls == ["0.png", "1.png", "2.png", "3.png", "4.png", "again", "5.png", "6.png", "7.png"]
    assert told["run"] == str(run) and np.load(run / "examples_w.npz")["w"].shape == (4, 6, 16)
    assert not list(run.glob("partial*"))
    same = document(orojar("find", tiny_path, "--examples", run / "examples_w.npz", "--others", "4-7", "--seeds", "0", "--json"))
    assert same["auc"] == told["auc"]


@pytest.mark.slow
def test_pictures_of_the_network_s_own_are_led_to(shapes, orojar) -> None:
    """The whole way with a real projection of few steps: pictures of bright and dark ground, as files."""
    generator = shapes.generator
    seeds = order(generator)
    for name, side in (("bright", seeds[-4:]), ("dark", seeds[:4])):
        assert orojar("sample", "demo", "--seeds", listed(side), "--out", f"{name}/", "--device", "cpu")[0] == 0
    told = document(orojar("find", "demo", "--examples", "bright", "--others", "dark", "--steps", "20", "--seeds", "0", "--json"))
    assert told["weights"][0]["label"] == "ground colour" and told["auc"] > 0.9
