"""The small generator of the OroJaR and Hessian Penalty experiments (Wei et al. 2021, Peebles et al. 2020), for dSprites and CelebA."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from orojar_cli.generators.simplegan.config import LAST_KERNEL, SimpleGANConfig
from orojar_cli.generators.transposed import BatchNormalisation, FirstConvolution
from orojar_cli.generators.transposed_config import KERNEL
from orojar_cli.generators.unmapped import UnmappedGenerator, UnmappedSynthesis

_SLOPE = 0.2


class InstanceNormalisation(nn.Module):
    """Each channel of each picture brought to mean 0 and variance 1, then scaled and shifted."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.weight, self.bias = nn.Parameter(torch.empty(width)), nn.Parameter(torch.empty(width))

    def forward(self, x: Tensor) -> Tensor:
        x = x - x.mean((2, 3), keepdim=True)
        x = x * (x.square().mean((2, 3), keepdim=True) + self.epsilon).rsqrt()
        return x * self.weight[:, None, None] + self.bias[:, None, None]


class SimpleGANSynthesis(UnmappedSynthesis):
    """ws [N, 1, w_dim] -> images [N, C, R, R] in [-1, 1]."""

    def __init__(self, config: SimpleGANConfig) -> None:
        super().__init__(config)
        self.first = FirstConvolution(config.w_dim, config.channels[0], bias=True)
        for index, (inputs, outputs) in enumerate(zip(config.channels[:-1], config.channels[1:], strict=True), 1):
            self.add_module(f"conv{index}", nn.ConvTranspose2d(inputs, outputs, KERNEL, stride=2, padding=1, bias=False))
            norm = InstanceNormalisation(outputs, 1e-6) if config.norm == "instance" else BatchNormalisation(outputs, 1e-3)
            self.add_module(f"norm{index}", norm)
        self.last = nn.Conv2d(config.channels[-1], config.img_channels, LAST_KERNEL, padding=LAST_KERNEL // 2)

    def features(self, x: Tensor, index: int) -> Tensor:
        """The first layer; behind every other convolution a normalisation and a leaky ReLU."""
        if index == 0:
            return self.first(x)
        x = self.get_submodule(f"norm{index}")(self.get_submodule(f"conv{index}")(x))
        return F.leaky_relu(x, _SLOPE)

    def image(self, x: Tensor) -> Tensor:
        """The last convolution and tanh."""
        return torch.tanh(self.last(x))


class SimpleGAN(UnmappedGenerator):
    """z -> images through transposed convolutions."""

    def __init__(self, config: SimpleGANConfig) -> None:
        super().__init__(config, SimpleGANSynthesis(config))
