"""What networks of transposed 4x4 convolutions have in common: the first layer, and normalisation by the statistics of training."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from orojar_cli.generators.unmapped_config import START


class FirstConvolution(nn.Module):
    """The first transposed convolution, whose input is one pixel: a matrix from w [N, w_dim] to 4x4 pixels, and a bias a channel."""

    def __init__(self, w_dim: int, width: int, bias: bool) -> None:
        super().__init__()
        self.affine = nn.Linear(w_dim, width * START**2, bias=False)
        self.bias = nn.Parameter(torch.empty(width)) if bias else None

    def forward(self, w: Tensor) -> Tensor:
        x = self.affine(w).unflatten(1, (-1, START, START))
        return x if self.bias is None else x + self.bias[:, None, None]


class BatchNormalisation(nn.Module):
    """Batch normalisation with the statistics of training."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.weight, self.bias = nn.Parameter(torch.empty(width)), nn.Parameter(torch.empty(width))
        self.register_buffer("running_mean", torch.empty(width))
        self.register_buffer("running_var", torch.empty(width))

    def forward(self, x: Tensor) -> Tensor:
        scale = self.weight * (self.running_var + self.epsilon).rsqrt()
        return x * scale[:, None, None] + (self.bias - self.running_mean * scale)[:, None, None]
