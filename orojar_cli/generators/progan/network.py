"""The ProGAN generator (Karras et al. 2018, "Progressive Growing of GANs", arXiv 1710.10196)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from orojar_cli.generators.primitives import normalise_second_moment
from orojar_cli.generators.progan.config import KERNEL, ProGANConfig
from orojar_cli.generators.unmapped import UnmappedGenerator, UnmappedSynthesis, output_activation
from orojar_cli.generators.unmapped_config import START


def pixel_norm(x: Tensor) -> Tensor:
    """x [N, C, H, W] / sqrt(mean over the channels of x^2 + 1e-8) (section 4.2)."""
    return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


class _Equalised(nn.Module):
    """A weight of unit variance that is scaled by sqrt(2 / fan-in) whenever it is used (section 4.1), and a bias scaled with it or not."""

    def __init__(self, config: ProGANConfig, *shape: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.empty(shape)), nn.Parameter(torch.empty(shape[0]))
        self.weight_gain = math.sqrt(2 / math.prod(shape[1:])) if config.equalised else 1.0
        self.bias_gain = self.weight_gain if config.scaled_bias else 1.0

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.weight * self.weight_gain, self.bias * self.bias_gain
        return F.linear(x, weight, bias) if weight.ndim == 2 else F.conv2d(x, weight, bias, padding=int(weight.shape[-1]) // 2)


class _First(nn.Module):
    """The latent, normalised in most implementations, times a matrix: 4x4 pixels.

    The normalisation commutes with rotations of z, so a rotation can be folded into the matrix.  It is part of the synthesis, so
    edits of w are normalised too and truncation, which scales w, changes nothing where it is.
    """

    def __init__(self, config: ProGANConfig) -> None:
        super().__init__()
        self.normalised = config.normalised_latent
        self.affine = _Equalised(config, START * START * config.channels[0], config.w_dim)

    def forward(self, w: Tensor) -> Tensor:
        w = normalise_second_moment(w) if self.normalised else w
        return self.affine(w).unflatten(1, (-1, START, START))


class ProGANSynthesis(UnmappedSynthesis):
    """ws [N, 1, z_dim] -> images [N, C, R, R], about in [-1, 1]."""

    def __init__(self, config: ProGANConfig) -> None:
        super().__init__(config)
        self.first = _First(config)
        for resolution in config.resolutions:
            self.add_module(f"b{resolution}", nn.Module())
        for name, _, inputs, outputs in config.convolutions():
            block, _, layer = name.partition(".")
            self.get_submodule(block).add_module(layer, _Equalised(config, outputs, inputs, KERNEL, KERNEL))
        self.torgb = _Equalised(config, config.img_channels, config.channels[-1], 1, 1)
        if config.fade:
            self.torgb_before = _Equalised(config, config.img_channels, config.channels[-2], 1, 1)

    def _behind(self, x: Tensor) -> Tensor:
        """Leaky ReLU and pixel normalisation."""
        return pixel_norm(F.leaky_relu(x, self.config.slope))

    def features(self, x: Tensor, index: int) -> Tensor:
        """(first layer, or upsampling and convolution), convolution; leaky ReLU and pixel normalisation behind each layer."""
        block = self.get_submodule(f"b{self.config.resolutions[index]}")
        if index:
            x = self._behind(block.get_submodule("conv0")(F.interpolate(x, scale_factor=2.0)))
        else:
            x = self.first(x) if self.config.bare_start else self._behind(self.first(x))
        return self._behind(block.get_submodule("conv1")(x))

    def image(self, x: Tensor) -> Tensor:
        """The 1x1 convolution of the last resolution."""
        return output_activation(self.torgb(x), self.config.output)

    def mixed_image(self, x: Tensor, before: Tensor) -> Tensor:
        """While growing, a share of the image is the enlarged one of the resolution before."""
        if not self.config.fade:
            return self.image(x)
        smaller = F.interpolate(self.torgb_before(before), scale_factor=2.0)
        return output_activation(torch.lerp(self.torgb(x), smaller, self.config.fade), self.config.output)


class ProGAN(UnmappedGenerator):
    """z -> images through pixel-normalised blocks."""

    def __init__(self, config: ProGANConfig) -> None:
        super().__init__(config, ProGANSynthesis(config))
