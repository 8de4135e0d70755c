"""Moments in parts: those of all samples at once, whatever the parts and however long the mean."""

from __future__ import annotations

import pytest
import torch

from orojar_cli.errors import NumericalError
from orojar_cli.latents.moments import Moments


@pytest.mark.parametrize("size", [1, 7, 100, 1000])
@pytest.mark.parametrize("mean", [0.0, 1e4])
def test_moments_over_parts_are_those_of_all(size: int, mean: float) -> None:
    rng = torch.Generator().manual_seed(0)
    samples = mean + torch.randn(500, 6, generator=rng, dtype=torch.float64) @ torch.randn(6, 6, generator=rng, dtype=torch.float64)
    found = Moments.over(samples.split(size))
    torch.testing.assert_close(found.mean, samples.mean(0), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found.covariance, samples.T.cov(), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(found.covariance, found.covariance.T, rtol=0, atol=1e-12)
    whole = Moments.of(samples)
    torch.testing.assert_close(whole.covariance, found.covariance, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("samples", [torch.ones(5, 3), torch.full((5, 3), float("nan")), torch.ones(1, 3)])
def test_samples_that_do_not_vary_are_refused(samples: torch.Tensor) -> None:
    with pytest.raises(NumericalError, match="do not vary"):
        Moments.over(samples.split(2))
