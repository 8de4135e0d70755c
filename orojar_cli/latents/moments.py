"""Moments of a generator's latents: mean and covariance of w (or p), and the length of one standard deviation along a direction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from orojar_cli.devices import on_processor
from orojar_cli.errors import NumericalError
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.points import Latents
from orojar_cli.latents.spaces import pre_activation

_PART = 8192


@torch.no_grad()
def latent_samples(generator: Generator, at: Latents, space: str) -> Tensor:
    """The points' coordinates [N, D] in z, w (before truncation) or p."""
    if space == "z":
        return at.z
    if space == "p":
        return pre_activation(generator, at.z, at.label)
    return generator.mapping.w(at.z, at.label)


@dataclass(frozen=True)
class Moments:
    """mean [D] and covariance [D, D], float64."""

    mean: Tensor
    covariance: Tensor

    @classmethod
    def of(cls, samples: Tensor) -> Moments:
        """Moments of samples [N, D]; raises NumericalError where they do not vary."""
        return cls.over(samples.split(_PART))

    @classmethod
    def over(cls, parts: Iterable[Tensor]) -> Moments:
        """Moments of all rows of `parts` [n, D], of which one at a time is held; raises NumericalError where they do not vary.

        Sums in float64 around the first part's mean, so that little is lost where the mean is long (Chan, Golub & LeVeque 1983).
        """
        count, middle, total, products = 0, torch.zeros(0, device="cpu"), torch.zeros(0, device="cpu"), torch.zeros(0, device="cpu")
        for part in parts:
            rows = on_processor(part)
            if not count:
                middle = rows.mean(0)
                total, products = torch.zeros_like(middle), middle.new_zeros(len(middle), len(middle))
            rows = rows - middle
            count += len(rows)
            total += rows.sum(0)
            products += rows.T @ rows
        offset = total / count
        moments = cls(middle + offset, (products - count * offset[:, None] * offset) / (count - 1))
        if not bool(torch.isfinite(moments.covariance).all()) or not float(moments.covariance.trace()) > 0:
            raise NumericalError("the latents are not finite or do not vary; the mapping's weights may be damaged")
        return moments

    def sigma(self, directions: Tensor) -> Tensor:
        """[K] standard deviation of the latents along unit directions [K, D]."""
        directions = on_processor(directions)
        return (directions @ self.covariance * directions).sum(1).clamp_min(0).sqrt()

    def whitening(self) -> tuple[Tensor, Tensor]:
        """(S, variances): the columns of S [D, D] are one standard deviation along each principal axis, S S^T = covariance."""
        variances, axes = torch.linalg.eigh(self.covariance)
        variances = variances.flip(0).clamp_min(0)
        return axes.flip(1) * variances.sqrt(), variances
