"""The measurement in examples/estimator_noise.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from paths import ROOT
from torch import nn

SCRIPT = ROOT / "examples" / "estimator_noise.py"


@pytest.fixture
def noise(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    return __import__("estimator_noise")


def test_signal_noise_and_cosine_of_made_up_draws(noise) -> None:
    """Mean (3, 4) against the reference (1, 0): signal 3, cosine 0.6; noise of variance 1/4 in each of 50 entries."""
    rng = torch.Generator().manual_seed(0)
    draws = torch.zeros(400, 50, dtype=torch.float64)
    draws[:, 0], draws[:, 1] = 3, 4
    draws += 0.5 * torch.randn(400, 50, generator=rng, dtype=torch.float64)
    item = noise.Estimator("made up", 8, None, seconds=80.0, gradients=list(draws))
    told = noise.row(item, torch.eye(50, dtype=torch.float64)[0])
    assert told["cosine"] == pytest.approx(0.6, abs=0.02)
    assert told["ratio"] == pytest.approx(9 / 12.5, rel=0.06)
    assert told["seconds_to_1"] == pytest.approx(0.2 / told["ratio"])
    assert "| made up | 8 |" in noise.table([told])


def test_drawing_the_whole_pool_gives_its_gradient(noise) -> None:
    """With and without probes, whose ratio is made from the exact numbers of every latent."""
    mapping = nn.Linear(3, 2)
    mapping.config = SimpleNamespace(z_dim=3)

    def energies(mapping: nn.Linear, z: torch.Tensor, rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        moved = mapping(z).square()
        return moved[:, 0], moved.sum(1) + 1

    exact = noise.Estimator("exact", 4, energies)
    pool = noise.Pool.of(exact, mapping, 12)
    for probes in (False, True):
        whole = noise.Estimator("whole", 12, energies, probes)
        whole.draw(mapping, pool, seed=3)
        assert torch.allclose(whole.gradients[0], pool.gradient, atol=1e-6)


@pytest.mark.slow
def test_the_script_prints_its_tables(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--quick", "--seconds", "0.1", "--latents", "8", "--out", str(tmp_path / "out.json")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("| estimator |") == 2 and (tmp_path / "out.json").is_file()
