"""The README's tables are what the committed figures render to; the command measures what is missing, and nothing twice."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

ROOT = Path(__file__).parents[2]
BENCHMARK = ROOT / "examples" / "benchmark"
PAGE = "before\n<!-- benchmark: shapes -->\nold\n<!-- /benchmark -->\nbetween\n<!-- benchmark: faces -->\n<!-- /benchmark -->\n"
PAGE += "<!-- benchmark: attributes -->\n<!-- /benchmark -->\n<!-- benchmark: biggan -->\n<!-- /benchmark -->\nafter\n"


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    for folder in ("faces", "worlds", "benchmark"):
        monkeypatch.syspath_prepend(str(ROOT / "examples" / folder))
    module = __import__("tables")
    monkeypatch.setattr(module.torch, "set_num_threads", lambda count: None)
    return module


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A page with room for the tables, and a small face GAN."""
    (tmp_path / "page.md").write_text(PAGE)
    torch.manual_seed(0)
    layers = nn.Sequential(nn.ConvTranspose2d(6, 8, 4), nn.ReLU(), nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Tanh())
    torch.save({f"main.{name}": tensor for name, tensor in layers.state_dict().items()}, tmp_path / "faces.pth")
    return tmp_path


def arguments(place: Path, *more: str) -> list[str]:
    return ["--faces", str(place / "faces.pth"), "--results", str(place / "results"), "--readme", str(place / "page.md"), *more]


def scripted(tables: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Figures without measuring; returns the list of the runs that were asked for."""
    asked: list[tuple[str, int]] = []

    def shapes(generator, row, seed, yardstick) -> dict[str, float]:
        asked.append((row.name, seed))
        value = 0.1 + 0.01 * seed + (row.method == "orojar" and not row.whiten)
        return {"disentanglement": value, "completeness": 0.5, "best": -value, "seconds": 1.0, "evaluations": 1000}

    def faces(generator, row, seed, yardstick) -> dict[str, float]:
        asked.append((row.name, seed))
        return {"loss": 0.2 if row.method == "axes" else 0.1 + 0.01 * seed, "seconds": 2.0, "evaluations": 2000}

    monkeypatch.setattr(tables.shapes_world, "measure", shapes)

    def biggan(generator, row, seed, yardstick) -> dict[str, float]:
        asked.append((row.name, seed))
        return {"loss": 0.1, "steps": row.steps, "evaluations": 3000, "seconds": 3.0}

    def attributes(generator, row, seed, yardstick) -> dict[str, float]:
        asked.append((row.name, seed))
        scores = dict.fromkeys(("disentanglement", "completeness", "best"), 0.1)
        return scores | {"named": 2 + (row.method == "sefa"), "seconds": 4.0, "evaluations": 4000}

    monkeypatch.setattr(tables.faces, "measure", faces)
    monkeypatch.setattr(tables.face_attributes, "measure", attributes)
    monkeypatch.setattr(tables.biggan, "measure", biggan)
    return asked


@pytest.mark.parametrize("name", ["shapes", "faces", "attributes", "biggan"])
def test_the_readme_holds_what_the_committed_figures_render_to(tables, name: str) -> None:
    record = json.loads((BENCHMARK / "results" / f"{name}.json").read_text(encoding="utf-8"))
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    assert page == tables.replaced(page, name, tables.section(tables.WORLDS[name], record))


@pytest.mark.parametrize("name", ["shapes", "faces", "attributes", "biggan"])
def test_the_committed_figures_are_complete_and_of_the_present_settings(tables, name: str) -> None:
    record = json.loads((BENCHMARK / "results" / f"{name}.json").read_text(encoding="utf-8"))
    world = tables.WORLDS[name]
    bundled = hashlib.sha256((ROOT / "checkpoints" / "shapes32.pkl").read_bytes()).hexdigest()
    reference = hashlib.sha256((ROOT / "tests" / "references" / "biggan_pt_noshared_32.pth").read_bytes()).hexdigest()
    faces = __import__("face_weights").SHA256
    known = {"shapes": bundled, "faces": faces, "attributes": faces, "biggan": reference}
    assert record["subject"]["sha256"] == known[name]
    assert record["subject"]["yardstick"] == world.YARDSTICK
    assert {row: known["settings"] for row, known in record["rows"].items()} == {row.name: asdict(row) for row in world.ROWS}
    assert all([run["seed"] for run in known["runs"]] == list(tables.SEEDS) for known in record["rows"].values())


def test_what_the_page_says_of_the_papers_search_is_what_was_measured() -> None:
    rows = json.loads((BENCHMARK / "results" / "biggan.json").read_text(encoding="utf-8"))["rows"]
    (ours,) = (known["runs"] for known in rows.values() if known["settings"]["samples"] == 8)
    (search,) = (known["runs"] for known in rows.values() if known["settings"]["until"] == 8)
    there = [run["loss"] <= wanted["loss"] for run, wanted in zip(search, ours, strict=True)]
    assert there.count(False) == 2 and all(run["steps"] == 600 for run, reached in zip(search, there, strict=True) if not reached)
    assert "Two of the three searches were not there after 600" in " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())


@pytest.mark.slow
def test_the_command_runs_from_end_to_end(place: Path) -> None:
    command = [
        sys.executable,
        str(BENCHMARK / "tables.py"),
        *arguments(place, "--quick", "--rows", "SeFa", "--only", "shapes", "--only", "faces", "--only", "attributes"),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = (place / "page.md").read_text()
    assert page.startswith("before\n<!-- benchmark: shapes -->\n| directions | disentanglement |") and page.endswith("after\n")
    assert (
        "\n| w, SeFa | **0." in page
        and "\n| SeFa | **0." in page
        and "attributes named |" in page
        and "old" not in page
        and "<!-- benchmark: biggan -->\n<!--" in page
    )
    record = (place / "results" / "shapes.json").read_text()
    assert str(place) not in record and os.uname().nodename not in record
    assert set(json.loads(record)["subject"]) == {"sha256", "yardstick", "torch", "threads", "processor"}


def test_an_interrupted_measurement_goes_on_where_it_was(tables, place: Path, monkeypatch) -> None:
    asked = scripted(tables, monkeypatch)
    whole = tables.shapes_world.measure

    def interrupted(generator, row, seed, yardstick):
        if len(asked) == 4:
            raise KeyboardInterrupt
        return whole(generator, row, seed, yardstick)

    monkeypatch.setattr(tables.shapes_world, "measure", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tables.main(arguments(place))
    assert (place / "page.md").read_text() == PAGE
    monkeypatch.setattr(tables.shapes_world, "measure", whole)
    tables.main(arguments(place))
    every = [(row.name, seed) for world in tables.WORLDS.values() for row in world.ROWS for seed in tables.SEEDS]
    assert asked == every  # each once, in order
    tables.main(arguments(place))
    assert asked == every
    tables.main(arguments(place, "--again", "--only", "faces", "--rows", "SeFa"))
    assert asked[len(every) :] == [("SeFa", 0), ("SeFa", 1), ("SeFa", 2)]


def test_figures_of_another_network_or_other_settings_are_not_kept(tables, place: Path, monkeypatch) -> None:
    asked = scripted(tables, monkeypatch)
    tables.main(arguments(place, "--only", "faces"))
    path = place / "results" / "faces.json"
    record = json.loads(path.read_text())
    record["rows"]["SeFa"]["settings"]["samples"] = 7
    path.write_text(json.dumps(record))
    asked.clear()
    tables.main(arguments(place, "--only", "faces"))
    assert asked == [("SeFa", 0), ("SeFa", 1), ("SeFa", 2)]
    record["subject"]["sha256"] = "0" * 64
    path.write_text(json.dumps(record))
    asked.clear()
    tables.main(arguments(place, "--only", "faces", "--rows", "SeFa"))
    assert len(asked) == 3 and list(json.loads(path.read_text())["rows"]) == ["SeFa"]


def test_tables_show_spread_and_mark_the_best(tables, place: Path, monkeypatch) -> None:
    scripted(tables, monkeypatch)
    tables.main(arguments(place))
    page = (place / "page.md").read_text()
    assert "| w, orojar | **1.110 ± 0.010** | **0.500** | -1.110 ± 0.010 | 1.0 | 1,000 |" in page
    assert "| w, random | 0.110 ± 0.010 | **0.500** | **-0.110 ± 0.010** | 1.0 | 1,000 |" in page
    assert "| z axes, as trained | 0.2000 | 2.0 | 2,000 |" in page
    assert "| SeFa | **0.1100 ± 0.0100** | 2.0 | 2,000 |" in page
    assert "| SeFa | **0.100** | **0.100** | **0.100** | **3.0** | 4.0 | 4,000 |" in page
    (place / "page.md").write_text(PAGE)
    monkeypatch.setattr(tables, "measure", None)
    tables.main(arguments(place, "--write-only"))
    assert (place / "page.md").read_text() == page


@pytest.mark.slow
def test_what_cannot_work_is_said_in_one_line(tables, place: Path) -> None:
    def failed(*more: str, **environment: str) -> str:
        command = [sys.executable, str(BENCHMARK / "tables.py"), *more]
        done = subprocess.run(command, capture_output=True, text=True, cwd=place, env=os.environ | environment)
        assert done.returncode in (1, 2) and not done.stdout
        return done.stderr.strip().splitlines()[-1]

    elsewhere = arguments(place)[2:]
    offline = failed(*elsewhere, PIP_NO_INDEX="1", PIP_FIND_LINKS="")
    assert "pip could not download gan-face-generate" in offline and offline.endswith("or measure --only shapes")
    assert failed("--quick").endswith("name another --results and another --readme")
    assert failed(*elsewhere, "--write-only").endswith("run without --write-only first")
    (place / "page.md").write_text("no room")
    assert "put the lines <!-- benchmark: shapes -->" in failed(*elsewhere)
