"""How far pictures are from the one to be found: pixels at several resolutions, and features where there is a detector."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from orojar_cli.detectors.detector import Detector
from orojar_cli.errors import NumericalError, OptionError

_SMALLEST = 4


class PictureDistance:
    """Pictures [N, C, H, W] -> [N] distances to the target [1, C, H, W], differentiable; 1 is a typical picture of the network.

    The squared difference of the pixels, averaged over the picture and over resolutions down to 4 pixels, and with a `detector` the
    squared difference of its perceptual features: each is divided by its mean over pictures of the network (`calibrate`), then the two
    are averaged.
    """

    def __init__(self, target: Tensor, detector: Detector | None = None) -> None:
        """Raises OptionError where target and detector do not fit."""
        self.target, self.detector = target, detector
        self._pyramid = _pyramid(target)
        self._features = None
        if detector is not None:
            with torch.no_grad():
                self._features = detector.perceptual(target)
            if not bool(torch.isfinite(self._features).all()):
                raise OptionError(f"the detector {detector.name} gives numbers that are not finite for this picture; use another")
        self._typical = torch.ones(1 if detector is None else 2, device=target.device)

    def terms(self, images: Tensor) -> Tensor:
        """[N, 1 or 2] squared differences of pixels and of features."""
        levels = zip(_pyramid(images), self._pyramid, strict=True)
        terms = [torch.stack([(level - target).square().mean((1, 2, 3)) for level, target in levels]).mean(0)]
        if self.detector is not None and self._features is not None:
            terms.append((self.detector.perceptual(images) - self._features).square().sum(1))
        return torch.stack(terms, 1)

    def calibrate(self, terms: Tensor) -> None:
        """Take the mean of `terms` [N, 1 or 2] of typical pictures as 1.  Raises NumericalError where that is impossible."""
        typical = terms.mean(0)
        if not bool(torch.isfinite(typical).all()):
            raise NumericalError("the generator's pictures, or their features, are not finite; its weights may be damaged")
        self._typical = typical.clamp_min(1e-12)

    def scaled(self, terms: Tensor) -> Tensor:
        """[N] distances from `terms`."""
        return (terms / self._typical).mean(1)

    def __call__(self, images: Tensor) -> Tensor:
        return self.scaled(self.terms(images))


def _pyramid(images: Tensor) -> list[Tensor]:
    levels = [images]
    while min(levels[-1].shape[2:]) >= 2 * _SMALLEST:
        levels.append(F.avg_pool2d(levels[-1], 2))
    return levels


def decibels(images: Tensor, target: Tensor) -> Tensor:
    """[N] peak signal-to-noise ratios 10 log10(2^2 / mean squared error) of pictures in [-1, 1]; at most 100."""
    return 10 * torch.log10(4 / (images - target).square().mean((1, 2, 3)).clamp_min(4e-10))
