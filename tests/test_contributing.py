"""What CONTRIBUTING.md shows, followed to the letter in a copy of the package, works."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from paths import ROOT
from toys import alignment

import orojar_cli
from orojar_cli.directions import Settings

PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
FILES = re.findall(r"^`(orojar_cli/[\w/.]+)`:\n\n```python\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)
LINES = re.findall(r"^`(\w+)` in `(orojar_cli/[\w/.]+)` gets the line `([^`]+)` at its end", PAGE, re.MULTILINE)
PIXELS = torch.randn(3 * 16, 6, generator=torch.Generator().manual_seed(0)) / 3

# Several commands in one process, each as `python -m orojar_cli` runs it: torch is imported once.
PROGRAM = """
import json, runpy, sys
for words in json.load(sys.stdin):
    sys.argv = ["orojar", *words]
    try:
        runpy.run_module("orojar_cli", run_name="__main__")
    except SystemExit as end:
        assert not end.code, words
"""
HELP = """
import atexit, sys
from orojar_cli.cli import main

atexit.register(lambda: print("torch" in sys.modules))
main(["discover", "--help"])
"""
TOY = """
import torch
from toys import alignment, linear
from orojar_cli.directions import METHODS, Settings

matrix = torch.randn(16, 5, generator=torch.Generator().manual_seed(0))
found = METHODS["brightness"](linear(matrix), Settings(space="z", samples=4))
assert len(found) == 1 and found.method == "brightness"
assert alignment(found.directions, torch.nn.functional.normalize(matrix.mean(0, keepdim=True))) > 1 - 1e-5
"""
SHAPES = """
import torch
import orojar_cli
from orojar_cli.generators.smooth.config import SmoothConfig
from orojar_cli.generators.smooth.network import Smooth
from orojar_cli.latents.points import Latents
from orojar_cli.response.activeness import activeness
from orojar_cli.response.jacobian import Response

config = SmoothConfig(6, (3, 3, 3))
assert {name: tuple(tensor.shape) for name, tensor in Smooth(config).state_dict().items()} == config.shapes()
assert [layer.in_channels for layer in config.layers()] == [config.rows]
generator = orojar_cli.load("smooth.pt", device="cpu").generator
z = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
pixels = torch.load("smooth.pt", weights_only=True)["pixels"]
grid = (z @ pixels.T).unflatten(1, (3, 4, 4))
for _ in range(2):
    grid = torch.nn.functional.interpolate(grid, scale_factor=2, mode="bilinear")
images = generator(z)
assert images.shape == (4, 3, 16, 16)
torch.testing.assert_close(images, grid.tanh())
assert bool((activeness(Response(generator, "z"), Latents(z), torch.eye(6)) > 0).all())
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with the page's files at their places and its lines in the registries, and a file of the new family."""
    folder = tmp_path_factory.mktemp("house")
    package = Path(orojar_cli.__file__).parent
    shutil.copytree(package, folder / "orojar_cli", ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in FILES:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    for table, name, line in LINES:
        registry = folder / name
        after, count = re.subn(
            rf"^({table}\b[^\n]*[{{(]\n.*?)(?=^[}})]$)",
            lambda match, line=line: f"{match[1]}    {line}\n",
            registry.read_text(),
            flags=re.MULTILINE | re.DOTALL,
        )
        assert count == 1, f"{name} has no table {table}"
        registry.write_text(after)
    torch.save({"pixels": PIXELS}, folder / "smooth.pt")
    return folder


def python(house: Path, *arguments: str, given: str | None = None) -> str:
    """What Python prints in the house, whose package it imports."""
    path = os.pathsep.join((str(house), str(Path(__file__).parent)))
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=house, env=os.environ | {"PYTHONPATH": path}, input=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def documents(house: Path, *commands: str) -> list[dict]:
    """What each command prints with --json."""
    told = python(house, "-c", PROGRAM, given=json.dumps([[*command.split(), "--json"] for command in commands]))
    decoder, found = json.JSONDecoder(), []
    while told := told.lstrip():
        document, end = decoder.raw_decode(told)
        found.append(document)
        told = told[end:]
    assert len(found) == len(commands)
    return found


def test_the_page_names_every_file_and_both_lines() -> None:
    folders = "directions/brightness.py", "generators/smooth/config.py", "generators/smooth/network.py", "generators/smooth/__init__.py"
    assert [name for name, _ in FILES] == [f"orojar_cli/{name}" for name in folders]
    assert [(table, line) for table, _, line in LINES] == [("MODULES", '"brightness": "brightness",'), ("_FOLDERS", '"smooth",')]
    assert PAGE.count("```python") == len(FILES)
    for _, text in FILES:
        assert len([line for line in text.splitlines() if line]) < 40


def test_the_options_list_the_method_without_torch(house: Path) -> None:
    told = python(house, "-c", HELP)
    listed = re.search(r"--method \[([^\]]+)\]", told)
    assert listed is not None and "brightness" in re.sub(r"\s", "", listed[1]).split("|")
    assert told.splitlines()[-1] == "False"


def test_the_method_finds_what_brightens_a_toy_and_the_generator_draws_its_formula(house: Path) -> None:
    python(house, "-c", TOY + SHAPES)


@pytest.mark.slow
def test_discover_finds_the_direction_that_brightens_the_demonstration(house: Path) -> None:
    words = "discover demo --method brightness --space z --num 1 --samples 8 --seeds 0 --device cpu --json"
    document = json.loads(python(house, "-m", "orojar_cli", *words.split()))
    assert document["method"] == "brightness" and len(document["dimensions"]) == 1
    found = orojar_cli.load_directions(house / document["directions"])
    generator = orojar_cli.load("demo", device="cpu").generator
    z = Settings(space="z").latents(generator, 8, stream=90).z.requires_grad_()
    (gradients,) = torch.autograd.grad(generator(z).mean((1, 2, 3)).sum(), z)
    assert alignment(found.directions, torch.nn.functional.normalize(gradients.mean(0, keepdim=True))) > 1 - 1e-5


@pytest.mark.slow
def test_every_command_works_on_the_family(house: Path) -> None:
    seen, *_, sefa, orojar, brightness, walk, again = documents(
        house,
        "inspect smooth.pt",
        "sample smooth.pt --seeds 0-3 --device cpu",
        "convert smooth.pt smooth.safetensors",
        "sefa smooth.pt --num 3 --seeds 0 --device cpu",
        "discover smooth.pt --space z --num 3 --samples 8 --subspace 3 --seeds 0 --device cpu",
        "discover smooth.pt --method brightness --space z --samples 8 --seeds 0 --device cpu",
        "traverse smooth.pt --dim 0 --out grid.png --steps 3 --seeds 0 --device cpu",
        "inspect smooth.safetensors",
    )
    for info in (seen, again):
        assert (info["family"], info["z_dim"], info["img_resolution"], info["img_channels"]) == ("Smooth", 6, 16, 3)
    assert [len(run["dimensions"]) for run in (sefa, orojar, brightness)] == [3, 3, 1]
    found = orojar_cli.load_directions(house / sefa["directions"]).directions
    _, _, axes = torch.linalg.svd(torch.nn.functional.normalize(PIXELS))  # SeFa's rows are unit vectors
    assert alignment(found, axes[:3]) > 1 - 1e-5
    assert (house / "grid.png").is_file() and walk
