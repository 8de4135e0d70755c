"""What holds a tuned mapping to the one it came from: samples of the frozen one, and differentiable distances to them."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from orojar_cli.devices import on_processor, sent
from orojar_cli.directions.settings import Settings
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.points import label_of, normal_latents
from orojar_cli.numbers import Classes
from orojar_cli.tuning.classes import random_labels
from orojar_cli.tuning.surrogate import Surrogate

# Draws of w, over all classes together, that their means are taken from.
_MEAN_SAMPLES = 32_768
# Numbers of the images that distances of images are given in.
_UNIT = 8 * 8 * 3
# Of the activeness; what is left moves images by a tenth of what all of it does.
_LEADING_SHARE, _FEWEST_LEADING = 0.99, 16


@dataclass(frozen=True)
class Anchor:
    """The frozen mapping seen in the frame: w = mean + c A, c = (w - mean) A^-1.

    `weights` [D] are the square roots of activeness along the frame.
    Where there are classes, `offsets` [c_dim, D] are the coordinates of their mean w, A whitens w inside a class, and samples are
    compared class by class: the mixture alone would let the mapping swap classes.  Labels are one-hot [N, c_dim], [N, 0] without.
    `generator` is the network with its mapping as it was; z is drawn as it takes it.  `images` [N, P] are coarse images of it.
    """

    mean: Tensor
    frame: Tensor
    inverse: Tensor
    weights: Tensor
    offsets: Tensor
    generator: Generator
    images: Tensor
    class_index: Classes | None = None

    @classmethod
    def of_network(
        cls,
        generator: Generator,
        settings: Settings,
        w: Tensor,
        label: Tensor | None,
        frame: Tensor,
        weights: Tensor,
        images: Tensor,
    ) -> Anchor:
        """The anchor of samples w [N, w_dim] with labels in the frame [w_dim, w_dim] of directions in w, and of some of their images."""
        mean, inverse = w.mean(0), torch.linalg.inv(on_processor(frame)).to(frame)
        offsets = frame.new_zeros(0, len(frame))
        if label is not None:
            means = _class_means(generator, settings)
            inside = on_processor((w - label @ means) @ inverse).T.cov()
            values, vectors = torch.linalg.eigh(inside)
            # The symmetric root turns the axes of the frame as little as can be.
            frame = (vectors * values.clamp_min(1e-8).sqrt() @ vectors.T).to(frame) @ frame
            inverse = torch.linalg.inv(on_processor(frame)).to(frame)
            offsets = (means - mean) @ inverse
        return cls(mean, frame, inverse, weights, offsets, generator, images, settings.class_index)

    @functools.cached_property
    def leading(self) -> int:
        """Of how many coordinates, the most active ones, images are taken to be functions when axes are compared."""
        shares = on_processor(self.weights).square().cumsum(0)
        return min(len(shares), max(_FEWEST_LEADING, int((shares < _LEADING_SHARE * shares[-1]).sum()) + 1))

    def of(self, w: Tensor) -> Tensor:
        """Coordinates [N, D] of w [N, w_dim]."""
        return (w - self.mean) @ self.inverse

    def target(self, z: Tensor, label: Tensor) -> Tensor:
        """Coordinates [N, D] that the frame gives z [N, z_dim]: z itself, around the mean of its class."""
        inside = z[:, : len(self.frame)]
        return F.pad(inside, (0, len(self.frame) - inside.shape[1])) + label @ self.offsets

    def draw(self, count: int, rng: torch.Generator, *, focused: bool = False) -> tuple[Tensor, Tensor]:
        """z and labels of random classes, or `focused` on the class that was chosen, if one was."""
        z = self._latents(count, rng)
        if focused and self.class_index is not None:
            return z, label_of(len(self.offsets), self.class_index).expand(count, -1).to(z)
        return z, random_labels(len(self.offsets), count, rng).to(z)

    def sample(self, count: int, surrogate: Surrogate, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(z, labels, coordinates [count, D] of the frozen mapping, coarse images of half as many): all of one random class.

        The images are the surrogate's, as those that they are compared with: it draws less varied ones than the generator, for which a
        mapping held to the generator's images would make up.
        """
        z = self._latents(count, rng)
        label = random_labels(len(self.offsets), 1, rng).expand(count, -1).to(z)
        with torch.no_grad():
            coordinates = self.of(self.generator.mapping.w(self._latents(count, rng), label))
            return z, label, coordinates, surrogate(coordinates[: count // 2])

    def _latents(self, count: int, rng: torch.Generator) -> Tensor:
        return normal_latents(self.generator, count, rng).to(self.mean)


def _class_means(generator: Generator, settings: Settings) -> Tensor:
    """[c_dim, w_dim] mean w of every class."""
    count = max(64, _MEAN_SAMPLES // generator.c_dim)
    rng = torch.Generator().manual_seed(settings.seed * 1000 + 51)
    means = []
    with torch.no_grad():
        for index in range(generator.c_dim):
            label = label_of(generator.c_dim, index).expand(count, -1).to(generator.mapping.w_avg)
            means.append(generator.mapping.w(normal_latents(generator, count, rng).to(label), label).mean(0))
    return torch.stack(means)


def sliced_wasserstein(a: Tensor, b: Tensor, projections: Tensor) -> Tensor:
    """Mean squared 2-Wasserstein distance of the samples a, b [N, D] along the columns of `projections` [D, P].

    In one dimension the optimal transport pairs the sorted values (Bonneel et al. 2015).
    """
    return (_ascending(a @ projections) - _ascending(b @ projections)).square().mean()


def _ascending(samples: Tensor) -> Tensor:
    """[P, N] every column of samples [N, P] from the smallest to the largest, differentiable.

    `torch.sort` on a processor takes several times as long as NumPy, which sorts in vector registers, but values only: where a gradient
    needs the places too, they ride in the lower half of 64-bit integers that are ordered as the floats are.
    """
    rows = samples.T.contiguous()
    if rows.device.type != "cpu" or rows.dtype != torch.float32:
        return rows.sort(dim=1, stable=True).values
    numbers = rows.detach().numpy()
    if not rows.requires_grad:
        return torch.from_numpy(np.sort(numbers, 1))
    # The bits of floats are ordered as integers are, but for those below zero, which are the other way round.
    bits = numbers.view(np.int32)
    keys = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).astype(np.int64) << 32
    keys |= np.arange(keys.shape[1])
    keys.sort(1)
    return rows.gather(1, torch.from_numpy(keys & 0xFFFFFFFF))


def random_projections(weights: Tensor, count: int, rng: torch.Generator, active: int = 12) -> Tensor:
    """Unit projections [D, 2 count]: half weighted by `weights` [D] over all dimensions, half inside the `active` first ones."""
    dim, active = len(weights), min(active, len(weights))
    everywhere, inside = torch.randn(dim, count, generator=rng), torch.zeros(dim, count, device="cpu")
    inside[:active] = 0.5 * torch.randn(active, count, generator=rng)
    inside[torch.randint(0, active, (count,), generator=rng), torch.arange(count, device="cpu")] += 1
    both = sent(torch.cat([everywhere, inside], 1), weights.device).to(weights)  # drawn on the processor
    both = torch.cat([both[:, :count] * weights.unsqueeze(1), both[:, count:]], 1)
    return both / both.norm(dim=0, keepdim=True).clamp_min(1e-12)


def energy_distance(a: Tensor, b: Tensor) -> Tensor:
    """Unbiased energy distance 2 E|a - b| - E|a - a'| - E|b - b'| of samples [N, P] and [M, P] (Székely & Rizzo 2013)."""
    count, other = len(a), len(b)
    within = _distances(a, a).sum() / (count * (count - 1)) + _distances(b, b).sum() / (other * (other - 1))
    return 2 * _distances(a, b).mean() - within


def image_distance(a: Tensor, b: Tensor) -> Tensor:
    """`energy_distance` of flat images [N, P] and [M, P], in that of 8x8 images with three channels: so it means the same at any size."""
    return energy_distance(a, b) * math.sqrt(_UNIT / a.shape[1])


def _distances(a: Tensor, b: Tensor) -> Tensor:
    # The gradient of a plain distance is not defined where two points meet, as on the diagonal.
    squares = a.square().sum(1, keepdim=True) + b.square().sum(1) - 2 * a @ b.T
    return squares.clamp_min(1e-12).sqrt()
