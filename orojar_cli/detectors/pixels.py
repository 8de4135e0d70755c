"""The pixels themselves as features, at several resolutions: no network, always there."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from orojar_cli.detectors.detector import Detector

_LARGEST, _SMALLEST = 32, 4


class Pixels(Detector):
    """Images averaged down to 32, 16, 8 and 4 pixels along the shorter side (those they reach), each divided by the root of its count.

    The squared distance of two images is the sum over resolutions of their mean squared error.
    """

    name = "pixels"

    def __call__(self, images: Tensor) -> Tensor:
        side, (height, width) = _LARGEST, images.shape[2:]
        shorter = min(height, width)
        parts = []
        while side >= _SMALLEST:
            if side <= shorter:
                averaged = F.adaptive_avg_pool2d(images, (height * side // shorter, width * side // shorter)).flatten(1)
                parts.append(averaged / averaged.shape[1] ** 0.5)
            side //= 2
        if not parts:
            parts.append(images.flatten(1) / images[0].numel() ** 0.5)
        return torch.cat(parts, 1)
