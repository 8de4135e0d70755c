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

import orojar_cli

PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
FILES = re.findall(r"^`(orojar_cli/[\w/.]+)`:\n\n```python\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)
LINES = re.findall(r"^`(\w+)` in `(orojar_cli/[\w/.]+)` gets the line `([^`]+)`", PAGE, re.MULTILINE)
PIXELS = torch.randn(3 * 16, 6, generator=torch.Generator().manual_seed(0)) / 3


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
        before = (folder / name).read_text()
        after, count = re.subn(rf"^{table}\b(.*)[{{(]$", rf"{table}\g<1>@\n    {line}", before, flags=re.MULTILINE)
        opening = re.search(rf"^{table}\b.*([{{(])$", before, re.MULTILINE)
        assert count == 1 and opening is not None
        (folder / name).write_text(after.replace("@\n", f"{opening[1]}\n"))
    torch.save({"pixels": PIXELS}, folder / "smooth.pt")
    return folder


def run(house: Path, *arguments: object) -> str:
    """The program of the copy."""
    command = [sys.executable, "-m", "orojar_cli", *map(str, arguments)]
    done = subprocess.run(command, cwd=house, env=os.environ | {"PYTHONPATH": str(house)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_page_names_every_file_and_both_lines() -> None:
    assert [name.rpartition("/")[2] for name, _ in FILES] == ["brightness.py", "config.py", "network.py", "__init__.py"]
    assert [line for *_, line in LINES] == ['"brightness": "brightness",', '"smooth",']
    for _, text in FILES:
        assert len([line for line in text.splitlines() if line]) < 40


def test_the_method_finds_the_direction_that_brightens(house: Path) -> None:
    assert "brightness" in run(house, "discover", "--help")
    told = run(house, "discover", "smooth.pt", "--method", "brightness", "--space", "z", "--samples", 8, "--seeds", "0", "--json")
    document = json.loads(told)
    assert document["method"] == "brightness" and len(document["dimensions"]) == 1
    found = orojar_cli.load_directions(house / document["directions"]).directions[0]
    # Of a nearly linear network it is the mean row of the matrix, weighted by how far tanh is from its ends.
    expected = torch.nn.functional.normalize(PIXELS.mean(0), dim=0)
    assert float((found @ expected).abs()) > 0.9


@pytest.mark.slow
def test_every_command_works_on_the_family(house: Path) -> None:
    info = json.loads(run(house, "inspect", "smooth.pt", "--json"))
    assert (info["family"], info["z_dim"], info["img_resolution"]) == ("Smooth", 6, 16)
    run(house, "sample", "smooth.pt", "--seeds", "0-3")
    assert len(json.loads(run(house, "sefa", "smooth.pt", "--num", 3, "--seeds", "0", "--json"))["dimensions"]) == 3
    run(house, "traverse", "smooth.pt", "--dim", 0, "--out", "grid.png", "--steps", 3, "--seeds", "0")
    run(house, "convert", "smooth.pt", "smooth.safetensors")
    assert json.loads(run(house, "inspect", "smooth.safetensors", "--json"))["family"] == "Smooth"
