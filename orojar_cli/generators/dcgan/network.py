"""The DCGAN generator (Radford et al. 2015, arXiv 1511.06434)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from orojar_cli.generators.dcgan.config import KERNEL, DCGANConfig
from orojar_cli.generators.unmapped import UnmappedGenerator, UnmappedSynthesis

_EPSILON = 1e-5  # of the batch normalisation


class _First(nn.Module):
    """The first transposed convolution, whose input is one pixel: a matrix from z to 4x4 pixels."""

    def __init__(self, config: DCGANConfig) -> None:
        super().__init__()
        width = config.channels[0]
        self.affine = nn.Linear(config.z_dim, width * KERNEL * KERNEL, bias=False)
        self.bias = nn.Parameter(torch.empty(width)) if config.biases[0] else None

    def forward(self, w: Tensor) -> Tensor:
        x = self.affine(w).unflatten(1, (-1, KERNEL, KERNEL))
        return x if self.bias is None else x + self.bias[:, None, None]


class _Normalisation(nn.Module):
    """Batch normalisation with the statistics of training."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.empty(width)), nn.Parameter(torch.empty(width))
        self.register_buffer("running_mean", torch.empty(width))
        self.register_buffer("running_var", torch.empty(width))

    def forward(self, x: Tensor) -> Tensor:
        scale = self.weight * (self.running_var + _EPSILON).rsqrt()
        return x * scale[:, None, None] + (self.bias - self.running_mean * scale)[:, None, None]


class DCGANSynthesis(UnmappedSynthesis):
    """ws [N, 1, z_dim] -> images [N, C, R, R] in [-1, 1]."""

    def __init__(self, config: DCGANConfig) -> None:
        super().__init__(config)
        self.first = _First(config)
        for index, (inputs, outputs) in enumerate(zip(config.channels[:-1], config.channels[1:], strict=True), 1):
            self.add_module(f"conv{index}", nn.ConvTranspose2d(inputs, outputs, KERNEL, stride=2, padding=1, bias=config.biases[index]))
        for index, norm in enumerate(config.norms):
            if norm:
                self.add_module(f"norm{index}", _Normalisation(config.channels[index]))

    def features(self, x: Tensor, index: int) -> Tensor:
        """Convolution, normalisation if there is one, ReLU."""
        x = self.get_submodule(self.config.name(index))(x)
        if self.config.norms[index]:
            x = self.get_submodule(f"norm{index}")(x)
        return F.relu(x)

    def image(self, x: Tensor) -> Tensor:
        """The last convolution and tanh."""
        return torch.tanh(self.get_submodule(self.config.name(len(self.config.channels) - 1))(x))


class DCGAN(UnmappedGenerator):
    """z -> images through transposed convolutions."""

    def __init__(self, config: DCGANConfig) -> None:
        super().__init__(config, DCGANSynthesis(config))
