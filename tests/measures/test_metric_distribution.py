from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import poly_mmd
from toys import ToyGenerator

from orojar_cli.measures import MetricSettings
from orojar_cli.measures.distribution import distribution, energy, frechet, kernel
from orojar_cli.tuning.anchor import energy_distance

RNG = torch.Generator().manual_seed(0)
A = torch.randn(300, 6, generator=RNG, dtype=torch.float64)
B = 0.5 + torch.randn(300, 6, generator=RNG, dtype=torch.float64) @ torch.diag(torch.tensor([1.0, 2, 1, 0.5, 1, 1], dtype=torch.float64))


class Features(nn.Module):
    """Images that are their features."""

    num_features = 6

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)


def test_frechet_distance_agrees_with_torchmetrics() -> None:
    reference = FrechetInceptionDistance(feature=Features(), normalize=False, input_img_size=(1, 2, 3)).set_dtype(torch.float64)
    for features, real in ((A, True), (B, False)):
        reference.update(features.view(-1, 1, 2, 3), real=real)
    assert frechet(A, B).value == pytest.approx(float(reference.compute()), rel=1e-6)


def test_kernel_distance_agrees_with_torchmetrics() -> None:
    assert kernel(A, B).value == pytest.approx(float(poly_mmd(A, B)), rel=1e-9)


def test_energy_distance_agrees_with_that_of_training() -> None:
    assert energy(A, B).value == pytest.approx(float(energy_distance(A, B)), rel=1e-4)


def test_frechet_distance_of_known_gaussians() -> None:
    """Diagonal covariances: |m1 - m2|^2 + sum (s1 - s2)^2, with samples made to have these moments exactly."""
    white = A - A.mean(0)
    white = white @ torch.linalg.inv(torch.linalg.cholesky(white.T.cov()).T)
    first, second = torch.tensor([1.0, 2, 3, 1, 1, 0], dtype=torch.float64), torch.tensor([2.0, 2, 1, 1, 0.5, 0], dtype=torch.float64)
    shift = torch.tensor([0.0, 1, 0, 0, 0, 2], dtype=torch.float64)
    expected = float(shift.square().sum() + (first - second).square().sum())
    assert frechet(white * first, white * second + shift).value == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("measure", [frechet, kernel, energy])
def test_each_row_counts_as_the_jackknife_says(measure) -> None:
    a, b = A[:60], B[:60]
    found = measure(a, b)
    assert found.per_latent.mean() == pytest.approx(found.value)
    rows = torch.arange(60)
    without = np.array([measure(a[rows != row], b[rows != row]).value for row in range(60)])
    pseudo = 60 * found.value - 59 * without
    assert np.corrcoef(pseudo, found.per_latent)[0, 1] > 0.99
    assert found.per_latent.std() == pytest.approx(pseudo.std(), rel=0.1)


def test_fewer_images_than_features_are_no_trouble() -> None:
    found = frechet(A[:4], B[:4])
    assert found.value > 0 and np.isfinite(found.per_latent).all()


def noisy(shift: float) -> ToyGenerator:
    return ToyGenerator(lambda u: u + shift, 16, 4)


def test_a_shifted_generator_is_as_far_as_it_was_shifted() -> None:
    """The pixels of a 4x4 image over 4, so a shift of 1 is a squared distance of 1."""
    settings = MetricSettings(images=2000, subject="one", other="two")
    found = {measurement.metric: measurement for measurement in distribution(noisy(0), noisy(1), settings)}
    assert found["frechet_distance"].value == pytest.approx(1, abs=0.1)
    for measurement in found.values():
        assert measurement.interval[0] > 10 * abs(measurement.details["floor"])
        assert (measurement.subject, measurement.settings["against"], measurement.settings["detector"]) == ("two", "one", "pixels")
        assert "FID" not in str(measurement.to_dict())


def test_a_generator_is_not_far_from_itself() -> None:
    settings = MetricSettings(images=300)
    found = {measurement.metric: measurement for measurement in distribution(noisy(0), noisy(0), settings)}
    for name in ("kernel_distance", "energy_distance"):
        low, high = found[name].interval
        assert low < 0.002 and high > -0.002
    assert distribution(noisy(0), None, settings) == []
    # A single distance of 300 images scatters by a third; the mean of eight is as far from the floor's as chance allows.
    frechet = [distribution(noisy(0), noisy(0), MetricSettings(images=300, seed=seed))[0] for seed in range(8)]
    floors = [measurement.details["floor"] for measurement in frechet]
    assert np.mean([measurement.value for measurement in frechet]) == pytest.approx(np.mean(floors), rel=0.3)


@pytest.mark.parametrize("measure", [kernel, energy])
def test_of_one_distribution_the_distances_of_small_samples_are_not_biased(measure) -> None:
    rng = torch.Generator().manual_seed(3)
    found = np.array([measure(*torch.randn(2, 5, 2, generator=rng, dtype=torch.float64)).value for _ in range(2000)])
    assert abs(found.mean()) < 4 * found.std() / 2000**0.5


def test_networks_are_compared_at_independent_latents(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the two networks and of the floor: no picture of one network is the other's at the same latent."""
    drawn: list[torch.Tensor] = []
    latents = MetricSettings.latents

    def recorded(self, generator, count: int, stream: int):
        found = latents(self, generator, count, stream)
        drawn.append(found.z)
        return found

    monkeypatch.setattr(MetricSettings, "latents", recorded)
    distribution(noisy(0), noisy(1), MetricSettings(images=50))
    points = torch.cat(drawn)
    assert len(points) == 150 and len(points.unique(dim=0)) == 150
