"""What every detector offers."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


class Detector:
    """images [N, C, H, W] in [-1, 1] -> features [N, F] float32, differentiable in the images; every image on its own.

    `name` says which features they are, with the file's hash where there is a file; values measured with different detectors, or with
    the critics of different checkpoints, cannot be compared.
    """

    name: str

    def __call__(self, images: Tensor) -> Tensor:
        """Features [N, F]."""
        raise NotImplementedError

    def perceptual(self, images: Tensor) -> Tensor:
        """[N, F'] whose squared distances are this detector's perceptual distance; the features themselves by default."""
        return self(images)


def three_channels(images: Tensor) -> Tensor:
    """[N, 3, H, W] of grey or colour images; further channels, such as transparency, are left out."""
    return images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images[:, :3]


def perceptual_features(activations: Iterable[Tensor]) -> Tensor:
    """[N, F] of activations [N, C, H, W] of several layers, whose squared distance is the perceptual distance of Zhang et al. (CVPR
    2018, eq. 1, with all channel weights 1): activations of unit length at every pixel, differences averaged over pixels, summed over
    layers."""
    parts = []
    for activation in activations:
        units = activation / (activation.square().sum(1, keepdim=True) + 1e-10).sqrt()
        parts.append(units.flatten(1) / (activation.shape[2] * activation.shape[3]) ** 0.5)
    return torch.cat(parts, 1)
