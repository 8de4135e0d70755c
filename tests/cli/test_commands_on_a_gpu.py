"""Every command on the pretended GPU (`pretended.py`) gives the processor's numbers and pictures, to 2 %."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paths import REFERENCES
from PIL import Image
from pretended import available, pretended

from orojar_cli.explore.studio import Studio, Take
from orojar_cli.explore.view import View
from orojar_cli.operations.resolve import resolve

TINY = REFERENCES / "sg2_from_sg3_repo_16.pkl"
RULES = {"CUDA": {"tf32": True}, "MPS": {"float64": False}, "both": {"tf32": True, "float64": False}}
_MEASURES = ("orthogonality", "hessian", "path_length", "activeness", "direction_length", "predictability")
# What each prints with --json is compared; those that take a run take that of `sefa`.
SMALL = {
    "sample": ("sample", TINY, "--seeds", "0-2", "--noise-mode", "random", "--out", "samples.png"),
    "sefa": ("sefa", TINY, "--num", "3", "--seeds", "0"),
    "ganspace": ("discover", TINY, "--method", "ganspace", "--num", "2", "--seeds", "0"),
    "w+": ("discover", TINY, "--space", "w+", "--num", "2", "--samples", "8", "--seeds", "0"),
    "s": ("discover", TINY, "--space", "s", "--num", "2", "--samples", "8", "--seeds", "0"),
    "orojar-sgd": ("discover", TINY, "--method", "orojar-sgd", "--num", "2", "--set", "steps=4", "--seeds", "0"),
    "finetune": ("finetune", TINY, "--samples", "8", "--seeds", "0"),
    "mapping": (
        *("finetune", TINY, "--mode", "mapping", "--steps", "4", "--images", "2000", "--watch-every", "2", "--refine-steps", "2"),
        *("--data", "data", "--max-shift", "100", "--seeds", "0"),
    ),
    "traverse": ("traverse", "--dim", "0", "--steps", "3", "--seeds", "0-1", "--out", "walk.png"),
    "keep": ("traverse", "--dim", "0", "--keep", "1", "--range", "1", "--frames", "4", "--seeds", "0-1", "--out", "walk.gif"),
    "center": ("traverse", "--dim", "0", "--by", "1", "--center", "--steps", "3", "--seeds", "0", "--out", "walk.png"),
    "edit": ("edit", "--dim", "0:+2", "--seeds", "0-1", "--out", "edited/"),
    "keep picture": ("edit", "--dim", "0:+1", "--keep-picture", "mask.png", "--seeds", "0", "--out", "edited/"),
    "projected": ("edit", "--dim", "0:+1", "--keep", "1", "--projected-w", "w.npz", "--save-w", "edited.npz", "--out", "edited/"),
    "metrics": ("metrics", "--samples", "8", "--images", "100", *(part for name in _MEASURES for part in ("--metric", name))),
    "against": ("metrics", "--samples", "8", "--images", "100", "--metric", "distribution", "--against", TINY),
    "compare": ("compare", TINY, "--quick", "--num", "2", "--samples", "8", "--steps", "3", "--seeds", "0", "--out", "page.html"),
    "find": ("find", "--examples", "0-4", "--others", "5-9", "--num", "2", "--seeds", "0"),
    "find pictures": ("find", "--examples", "data", "--others", "5-9", "--num", "2", "--steps", "3", "--seeds", "0"),
    "label": ("label", "--auto", "--samples", "32"),
    "import": ("import", "array.npy", "--network", TINY, "--space", "w", "--seeds", "0"),
    "interpolate": ("interpolate", TINY, "--seeds", "0,1", "--steps", "3", "--out", "between.png"),
    "loop": ("interpolate", "--dim", "0:+1", "--seeds", "0,1", "--seconds", "0.2", "--fps", "10", "--out", "between.gif"),
    "mix": ("mix", TINY, "--rows", "0,1", "--cols", "2", "--out", "mixed.png"),
    "project": ("project", "photo.png", TINY, "--steps", "4", "--candidates", "16", "--save-video"),
}  # fmt: skip
OF_A_RUN = (
    "traverse",
    "keep",
    "center",
    "edit",
    "keep picture",
    "projected",
    "metrics",
    "against",
    "find",
    "find pictures",
    "label",
    "loop",
)
QUICK = ("sample", "sefa", "traverse", "edit")


def numbers(document: object, path: str = "") -> dict[str, float]:
    """The numbers of a JSON document by where they stand."""
    if isinstance(document, dict):
        return {name: value for key, part in document.items() for name, value in numbers(part, f"{path}.{key}").items()}
    if isinstance(document, list):
        return {name: value for key, part in enumerate(document) for name, value in numbers(part, f"{path}.{key}").items()}
    return {path: float(document)} if isinstance(document, (int, float)) and not isinstance(document, bool) else {}


def drawn() -> dict[str, float]:
    """A few pixels of the pictures in this folder, in units that 2 % of are two steps of 256."""
    paths = [path for path in sorted(Path().rglob("*.*")) if path.suffix in (".png", ".gif") and "orojar-runs" not in path.parts]
    parts = []
    for path in paths:
        with Image.open(path) as picture:
            parts.append(np.asarray(picture.convert("RGB"))[::7, ::7].ravel())
    pixels = np.concatenate(parts)
    return {f"pixel {place}": 100 + float(value) for place, value in enumerate(pixels[:2000])}


def given() -> None:
    """The files that the commands are given."""
    rng = np.random.default_rng(0)
    Image.new("RGB", (16, 16), (200, 100, 50)).save("photo.png")
    mask = np.zeros((16, 16), np.uint8)
    mask[:, 8:] = 255
    Image.fromarray(mask).save("mask.png")
    Path("data").mkdir()
    for number in range(5):
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(f"data/{number}.png")
    np.save("array.npy", rng.standard_normal((2, 16)).astype(np.float32))
    np.savez("w.npz", w=rng.standard_normal((2, 6, 16)).astype(np.float32))


def same_numbers(command: str, rules: str, run) -> None:
    given()
    if command in OF_A_RUN:
        run("sefa", TINY, "--num", "2", "--seeds", "0")
        # What is made of the run does not become the one that is taken next.
        asked = (SMALL[command][0], "orojar-runs/00000-sefa-sg2_from_sg3_repo_16", *SMALL[command][1:])
    else:
        asked = SMALL[command]
    here = numbers(run(*asked)) | drawn()
    with pretended(**RULES[rules]) as traffic:
        there = numbers(run(*asked, "--device", "pretend"))
    there |= drawn()
    assert sum(traffic.uploads.values()) > 50  # the network's weights at least: it was there
    assert here.keys() == there.keys()
    for name, value in here.items():
        if "seconds" not in name:
            assert there[name] == pytest.approx(value, rel=0.02, abs=1e-4), name


def explored(device: str) -> list[np.ndarray]:
    """What the explorer's page shows of a run, on a device: views, ways between them, thumbnails, films, and with sliders locked."""
    source = resolve("orojar-runs/00000-sefa-sg2_from_sg3_repo_16", device=device)
    studio = Studio(source.checkpoint.generator, source.directions, name="tiny")
    view = View("own", (0, 1), None, 0.8, None, ((0, 1.0),))
    mixed = replace(view, mix=(3, (2, 4)), noise_mode="random")
    kept = replace(view, edits=((0, 0.5),), keep=(1,))
    shown = [studio.pictures(each) for each in (view, mixed, kept)]
    shown += [studio.between(view, mixed, 0.3), finished(studio.thumbnails(kept, 0)), finished(studio.tiles([view, mixed], 8))]
    for take in (Take(0, 2.0, 4), Take(0, 2.0, 4, center=True), Take(0, 2.0, 4, to=mixed)):
        shown += list(finished(studio.film(view, take)))
    rows = studio.latents(replace(mixed, seeds=(1,)))["w"]
    return [*shown, 100 + 100 * np.array(rows)]


def finished(steps: Any) -> Any:
    """What a generator of steps returns at its end."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


@available
def test_the_explorers_pictures_are_the_processors(run, rough, capsys) -> None:
    run("sefa", TINY, "--num", "2", "--seeds", "0")
    here = explored("cpu")
    with pretended(**RULES["both"]):
        there = explored("pretend")
    for one, other in zip(here, there, strict=True):
        assert one.shape == other.shape and float(np.abs(one.astype(float) - other).max()) <= 2


@available
@pytest.mark.parametrize("rules", ["CUDA", "MPS"])
@pytest.mark.parametrize("command", QUICK)
def test_commands_give_the_processors_numbers(command: str, rules: str, run, rough, little_training, capsys) -> None:
    same_numbers(command, rules, run)


@available
@pytest.mark.slow
@pytest.mark.parametrize("rules", ["both"])
@pytest.mark.parametrize("command", [name for name in SMALL if name not in QUICK])
def test_all_commands_give_the_processors_numbers(command: str, rules: str, run, rough, little_training, capsys) -> None:
    same_numbers(command, rules, run)
