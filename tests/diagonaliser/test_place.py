"""Where the diagonaliser works: on a device with float64 where that pays, with the processor's results up to rounding."""

from __future__ import annotations

import pytest
import torch
from paths import REFERENCES
from pretended import available, pretended
from test_diagonaliser import noisy, rng

from orojar_cli.checkpoint.checkpoint import load_checkpoint
from orojar_cli.diagonaliser import CRITERIA, FactoredGrams, joint_diagonalise, place
from orojar_cli.directions.settings import Settings
from orojar_cli.tuning.rotation import find_rotation

pytestmark = available


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is worth the way."""
    monkeypatch.setattr(place, "WORTH", 0)


def factors(count: int, seed: int) -> FactoredGrams:
    return FactoredGrams(torch.randn(count, 3, 12, dtype=torch.float64, generator=rng(seed)))


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("make", [lambda count, seed: noisy(count, 12, seed), factors], ids=["matrices", "factors"])
def test_a_device_finds_what_the_processor_finds(always, make, criterion: str) -> None:
    grams, held_out = make(30, 1), make(15, 2)
    here = joint_diagonalise(grams, held_out=held_out, criterion=criterion)
    with pretended() as traffic:
        there = joint_diagonalise(grams, held_out=held_out, criterion=criterion, device=torch.device("pretend"))
    assert sum(traffic.uploads.values()) == 2  # both sets, once
    assert sum(traffic.downloads.values()) < 60 * there.iterations
    assert there.rotation.device.type == "cpu" and there.iterations == here.iterations
    torch.testing.assert_close(there.rotation, here.rotation)


def test_matrices_that_lie_there_are_worked_on_there() -> None:
    grams = noisy(30, 12, 1)
    here = joint_diagonalise(grams)
    with pretended() as traffic:
        there = joint_diagonalise(grams.to("pretend"))
        assert there.rotation.device.type == "pretend" and sum(traffic.downloads.values()) > 20
        torch.testing.assert_close(there.rotation.cpu(), here.rotation)
    with pretended(float64=False) as traffic:
        there = joint_diagonalise(grams.float().to("pretend"))
        assert there.rotation.device.type == "cpu" and there.rotation.dtype == torch.float64 and sum(traffic.downloads.values()) == 1
    torch.testing.assert_close(there.loss, here.loss, rtol=1e-3, atol=0)


def test_what_does_not_pay_or_fit_stays_here(monkeypatch: pytest.MonkeyPatch) -> None:
    grams, device = noisy(30, 12, 1), torch.device("pretend")
    here = joint_diagonalise(grams)
    with pretended() as traffic:
        joint_diagonalise(grams, device=device)
    assert not traffic.uploads
    monkeypatch.setattr(place, "WORTH", 0)
    with pretended(float64=False) as traffic:
        joint_diagonalise(grams, device=device)
    assert not traffic.uploads
    with pretended() as traffic, monkeypatch.context() as patch:
        patch.setattr(place, "free_memory", lambda device: 1000)
        joint_diagonalise(grams, device=device)
    assert not traffic.uploads
    with pretended(memory=100) as traffic:  # as it turns out
        found = joint_diagonalise(grams, device=device)
    assert traffic.uploads and torch.equal(found.rotation, here.rotation)


def test_rotations_are_found_on_the_networks_device(always) -> None:
    path, settings = REFERENCES / "sg2_from_sg3_repo_16.pkl", Settings(space="z", samples=8)
    here = find_rotation(load_checkpoint(path).generator, settings)
    with pretended() as traffic:
        there = find_rotation(load_checkpoint(path, "pretend").generator, settings)
    assert any("quasinewton" in line for line in traffic.downloads)
    torch.testing.assert_close(there.matrix, here.matrix, rtol=0, atol=0.02)
