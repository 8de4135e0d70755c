"""The benchmark's pieces run, and count right."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from orojar_cli.generators.dcgan import DCGAN
from orojar_cli.generators.dcgan_config import DCGANConfig
from orojar_cli.jacobian import Response, gram_matrices
from orojar_cli.spaces import Latents

BENCHMARK = Path(__file__).parent.parent / "examples" / "benchmark"


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    monkeypatch.syspath_prepend(str(BENCHMARK))
    return {name: __import__(name) for name in ("cost", "faces", "shapes_world")}


def random_faces() -> DCGAN:
    generator = DCGAN(DCGANConfig(6, (8, 4, 1), (False, False, False), (True, True, True)))
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=rng) * 0.3)
    return generator


def test_images_and_columns_are_counted(modules) -> None:
    generator, axes = random_faces(), torch.eye(6)
    at = Latents(torch.randn(3, 6, generator=torch.Generator().manual_seed(0)))
    with modules["cost"].measured(generator) as cost:
        generator(at.z)
        gram_matrices(Response(generator), at, axes)
    assert cost.evaluations == 3 + 3 * (6 + 1)
    with modules["cost"].measured(generator) as cost:
        gram_matrices(Response(generator), at, axes, method="central")
    assert cost.evaluations == 2 * 3 * 6
    assert cost.seconds > 0


def test_rotations_of_a_face_gan_are_compared(modules) -> None:
    rows = modules["faces"].measure(
        random_faces(), sample_counts=(8, 32), held_out_samples=16, marks=(1, 3), seconds=0, report=lambda line: None
    )
    losses = {row["name"]: row["loss"] for row in rows}
    assert len(rows) == 9 and all(0 <= loss < 1 for loss in losses.values())
    assert losses["joint diagonaliser, 32 samples (8 of them to stop)"] < losses["z axes, as trained"]
    sgd = [row for row in rows if "SGD" in row["name"]]
    assert [row["name"] for row in sgd] == ["the paper's SGD, 1 steps", "the paper's SGD, 3 steps"]
    assert [row["evaluations"] for row in sgd] == [96, 288]


def test_the_script_prints_a_table_and_writes_json(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCHMARK / "directions.py"), "--quick", "--only", "w, SeFa", "--out", str(tmp_path / "out.json")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith("| directions | disentanglement")
    assert done.stdout.splitlines()[2].startswith("| w, SeFa | 0.")
    (row,) = json.loads((tmp_path / "out.json").read_text())["results"]
    assert set(row["runs"][0]) == {"disentanglement", "completeness", "best", "seconds", "evaluations"}


@pytest.mark.slow
def test_every_row_of_the_benchmark_runs(modules, shapes) -> None:
    world = modules["shapes_world"]
    results = world.measure(shapes.generator, world.ROWS, range(1), quick=True, report=lambda line: None)
    assert len(results) == len(world.ROWS)
