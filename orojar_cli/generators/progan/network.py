"""The ProGAN generator (Karras et al. 2018, "Progressive Growing of GANs", arXiv 1710.10196), fully grown."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from orojar_cli.generators.primitives import normalise_second_moment
from orojar_cli.generators.progan.config import KERNEL, ProGANConfig
from orojar_cli.generators.unmapped import UnmappedGenerator, UnmappedSynthesis
from orojar_cli.generators.unmapped_config import START


def pixel_norm(x: Tensor) -> Tensor:
    """x [N, C, H, W] / sqrt(mean over the channels of x^2 + 1e-8) (section 4.2)."""
    return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


class _Equalised(nn.Module):
    """A weight of unit variance that is scaled by sqrt(2 / fan-in) whenever it is used (section 4.1), and a bias that is not."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.empty(shape)), nn.Parameter(torch.empty(shape[0]))
        self.weight_gain = math.sqrt(2 / math.prod(shape[1:]))

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight * self.weight_gain
        return F.linear(x, weight, self.bias) if weight.ndim == 2 else F.conv2d(x, weight, self.bias, padding=weight.shape[-1] // 2)


class _First(nn.Module):
    """The normalised latent times a matrix: 4x4 pixels.

    The normalisation commutes with rotations of z, so a rotation can be folded into the matrix.  It is part of the synthesis, so
    edits of w are normalised too and truncation, which scales w, changes nothing.
    """

    def __init__(self, config: ProGANConfig) -> None:
        super().__init__()
        self.affine = _Equalised(START * START * config.channels[0], config.z_dim)

    def forward(self, w: Tensor) -> Tensor:
        return self.affine(normalise_second_moment(w)).unflatten(1, (-1, START, START))


class ProGANSynthesis(UnmappedSynthesis):
    """ws [N, 1, z_dim] -> images [N, C, R, R], about in [-1, 1]."""

    def __init__(self, config: ProGANConfig) -> None:
        super().__init__(config)
        self.first = _First(config)
        for resolution in config.resolutions:
            self.add_module(f"b{resolution}", nn.Module())
        for name, _, inputs, outputs in config.convolutions():
            block, _, layer = name.partition(".")
            self.get_submodule(block).add_module(layer, _Equalised(outputs, inputs, KERNEL, KERNEL))
        self.torgb = _Equalised(config.img_channels, config.channels[-1], 1, 1)

    def features(self, x: Tensor, index: int) -> Tensor:
        """(first layer, or upsampling and convolution), convolution; leaky ReLU and pixel normalisation behind each layer."""
        block = self.get_submodule(f"b{self.config.resolutions[index]}")
        x = block.get_submodule("conv0")(F.interpolate(x, scale_factor=2.0)) if index else self.first(x)
        x = pixel_norm(F.leaky_relu(x, 0.2))
        return pixel_norm(F.leaky_relu(block.get_submodule("conv1")(x), 0.2))

    def image(self, x: Tensor) -> Tensor:
        """The linear 1x1 convolution of the last resolution."""
        return self.torgb(x)


class ProGAN(UnmappedGenerator):
    """z -> images through pixel-normalised blocks."""

    def __init__(self, config: ProGANConfig) -> None:
        super().__init__(config, ProGANSynthesis(config))
