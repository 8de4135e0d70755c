"""Axes of z that bend, and a mapping wide enough to hold them.

A mapping of leaky rectifiers is linear piece by piece: its Jacobian jumps, and no loss of Jacobians has a gradient in its biases.  And the
layers of a file are too narrow to follow even straight axes exactly.  So what is trained on Jacobians is smooth: coordinates T(z) in the
frame of the anchor, at first z itself; and what is written is a mapping with some more numbers a layer, which begins as the straight axes
to rounding, and is then regressed onto T.
"""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from orojar_cli.generators.base import BaseMapping
from orojar_cli.generators.mapping import Mapping
from orojar_cli.generators.protocol import Generator
from orojar_cli.tuning.anchor import Anchor

# Numbers of a layer of the mapping beside those that carry straight axes, and of T's two hidden layers.
_SPARE, _WIDTH = 192, 192
_DEPTH = 4
_SLOPE, _GAIN = 0.2, math.sqrt(2)
# Standard deviation of the spare numbers' biases, whose inputs have one of 1.
_SPREAD = 0.3
# Axes less active than this share of the most active one are not bent for their own sake; nor are more than so many.
_LEAST_ACTIVE, _MOST_BENT = 0.05, 12


def can_widen(generator: Generator) -> bool:
    """Whether `straight_mapping` makes a mapping for this network: no classes, z at least as large as w, leaky rectifiers."""
    network: Any = generator
    if type(network.mapping) is not Mapping or not any(field.name == "mapping" for field in fields(network.config)):
        return False
    config = network.mapping.config
    return config.c_dim == 0 and config.z_dim >= config.w_dim and config.activation == "lrelu"


def wide_config(generator: Generator) -> Any:
    """The options of `straight_mapping`'s mapping: four layers, each as wide as w and 192 numbers more."""
    config = generator.mapping.config
    return replace(config, num_layers=_DEPTH, layer_features=config.w_dim + _SPARE)


@torch.no_grad()
def straight_mapping(anchor: Anchor, seed: int) -> Mapping:
    """The mapping w = mean + z A of the anchor's frame A, exactly (but for rounding): z normalised as the network's mapping does.

    Two leaky rectifiers undo each other, x = lrelu(-5 lrelu(-x)), so layers in pairs carry straight axes; the spare numbers of every
    layer start at random and act on nothing yet.  For networks that `can_widen`.
    """
    generator = anchor.generator
    mapping = Mapping(wide_config(generator))
    dim, rng = generator.w_dim, torch.Generator().manual_seed(seed)
    for index, layer in enumerate(mapping.layers):
        outputs, inputs = layer.weight.shape
        weight, bias = torch.zeros(outputs, inputs, device="cpu"), torch.zeros(outputs, device="cpu")
        if index < _DEPTH - 1:
            weight[dim:] = torch.randn(outputs - dim, inputs, generator=rng) / math.sqrt(inputs)
            bias[dim:] = _SPREAD * torch.randn(outputs - dim, generator=rng)
        if index == _DEPTH - 2:
            weight[:dim, :dim], bias[:dim] = -anchor.frame.T.cpu() / _GAIN, -anchor.mean.cpu() / _GAIN
        else:
            weight[:dim, :dim] = torch.eye(dim, device="cpu") * (-1 if index % 2 == 0 else -1 / _SLOPE) / _GAIN
        layer.weight.copy_(weight / layer.weight_gain)
        layer.bias.copy_(bias / layer.bias_gain)
    if mapping.config.w_avg_beta is not None:
        mapping.w_avg.copy_(anchor.mean)
    return mapping.to(anchor.mean)


class Bend(BaseMapping):
    """z [N, z_dim] -> w = mean + T(z) A, a mapping without classes: T(z) = z, normalised, with something learnt added, at first nothing.

    `axes` of them, the first, are what its training is about.
    """

    def __init__(self, anchor: Anchor, seed: int) -> None:
        super().__init__()
        dim = len(anchor.frame)
        self.anchor, self.config, self.axes = anchor, anchor.generator.mapping.config, bent_axes(anchor)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)  # module initialisation takes no generator; the global state is restored
            self.first, self.second, self.last = (
                nn.Linear(inputs, outputs, device="cpu")
                for inputs, outputs in ((self.config.z_dim, _WIDTH), (_WIDTH, _WIDTH), (_WIDTH, dim))
            )
        for parameter in self.last.parameters():
            nn.init.zeros_(parameter)
        self.to(anchor.mean)

    def coordinates(self, z: Tensor, label: Tensor) -> Tensor:
        """T(z) [N, w_dim]."""
        z = self.anchor.generator.mapping.prepare(z)
        hidden = F.silu(self.first(z))
        return z[:, : len(self.anchor.frame)] + self.last(hidden + F.silu(self.second(hidden)))

    def w(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """As in the base."""
        return self.anchor.mean + self.coordinates(z, z[:, :0]) @ self.anchor.frame

    def spread(self, w: Tensor, psi: float, cutoff: int | None) -> Tensor:
        """As in the base."""
        ws: Tensor = self.anchor.generator.mapping.spread(w, psi, cutoff)
        return ws


def bent_axes(anchor: Anchor) -> int:
    """How many axes, the most active ones, are made orthogonal one as much as the other."""
    active = anchor.weights.square()
    return max(2, min(_MOST_BENT, int((active >= _LEAST_ACTIVE * active.max()).sum())))


def squared_cosines(columns: Tensor) -> Tensor:
    """Mean squared cosine between columns [N, K, P] of the same point: their OroJaR loss (Wei et al. 2021, eq. 4) at one length."""
    units = columns / columns.norm(dim=2, keepdim=True).clamp_min(1e-12)
    count = columns.shape[1]
    return ((units @ units.transpose(1, 2)).square().sum((1, 2)) - count).mean() / (count * (count - 1))


def volume_change(block: Tensor) -> Tensor:
    """Mean squared logarithm of |det| of Jacobians [N, K, K] of K coordinates in themselves: 0 where volumes stay.

    Without it axes come apart by moving what belongs to others.
    """
    # Not through LU: batched LU determinants are not reliable in every build of the linear algebra library.
    upper = torch.linalg.qr(block).R.diagonal(dim1=1, dim2=2)
    return upper.abs().clamp_min(1e-6).log().sum(1).square().mean()
