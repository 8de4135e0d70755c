"""The StyleGAN generator (Karras et al. 2019, "A Style-Based Generator Architecture", arXiv 1812.04948), our own implementation.

One form for all of its files: styles are the scale and the shift themselves, kernels lie as a convolution of the enlarged picture reads
them.  The readers bring other forms into this one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from orojar_cli.errors import OptionError
from orojar_cli.generators.base import BaseGenerator
from orojar_cli.generators.checks import check_noise_mode, check_ws, last_resolution
from orojar_cli.generators.mapping import Mapping
from orojar_cli.generators.noise import Randomness, layer_noise, noise_seeds
from orojar_cli.generators.options import LayerInfo
from orojar_cli.generators.primitives import FullyConnected, act_in_place, fast_layout, filter_2d, small_blur
from orojar_cli.generators.stylegan1.config import KERNEL, START, StyleGAN1Config, SynthesisConfig

StyleOffsets = dict[str, Tensor]
"""What is added to the styles of layers: by name ("b8.conv0") the scales, then the shifts, [N, 2 out_channels]."""


def adain(x: Tensor, scale: Tensor, shift: Tensor, epsilon: float) -> Tensor:
    """scale * the instance normalisation of x [N, C, H, W] + shift; scale and shift are [N, C].

    The normalisation divides by the root of the variance + epsilon.  All of it is one multiplication and one addition a number.
    """
    variance, mean = torch.var_mean(x, (2, 3), correction=0)
    factor = scale * (variance + epsilon).rsqrt()
    return torch.addcmul((shift - mean * factor)[:, :, None, None], x, factor[:, :, None, None])


class SynthesisLayer(nn.Module):
    """3x3 convolution (enlarging in the first layer of a resolution, none at the very start), noise, bias, leaky ReLU, AdaIN."""

    noise_const: Tensor

    def __init__(self, config: SynthesisConfig, layer: LayerInfo) -> None:
        super().__init__()
        self.config, self.name, self.resolution = config, layer.name, layer.resolution
        self.convolves, self.enlarges = layer.ws > 0, layer.ws > 0 and layer.name.endswith("conv0")
        if self.convolves:
            self.weight = nn.Parameter(torch.empty(layer.out_channels, layer.in_channels, KERNEL, KERNEL))
            self.weight_gain = math.sqrt(2) / (KERNEL * math.sqrt(layer.in_channels))
        self.bias = nn.Parameter(torch.empty(layer.out_channels))
        self.noise_strength = nn.Parameter(torch.empty(layer.out_channels))
        self.affine = FullyConnected(config.w_dim, 2 * layer.out_channels)
        if not config.shared_noise:
            self.register_buffer("noise_const", torch.empty(layer.resolution, layer.resolution))

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None, style_offset: Tensor | float = 0.0) -> Tensor:
        early = self.config.bias_before_blur and self.convolves
        if self.convolves:
            x = F.interpolate(x, scale_factor=2.0) if self.enlarges else x
            x = F.conv2d(x, fast_layout(self.weight * self.weight_gain), self.bias if early else None, padding=1)
            x = filter_2d(x, small_blur(x), (1, 1)) if self.enlarges else x
        added, strength = self.bias[:, None, None], self.noise_strength[:, None, None]
        if noise is not None:
            x = x + (noise * strength if early else torch.addcmul(added, noise, strength))
        elif not early:
            x = x + added
        scale, shift = (self.affine(w) + style_offset).chunk(2, 1)
        return adain(act_in_place(x, "lrelu", 1.0, None), scale, shift, self.config.epsilon)


class Head(nn.Module):
    """1x1 convolution to the image's channels, without a style."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.empty(out_channels, in_channels, 1, 1)), nn.Parameter(torch.empty(out_channels))
        self.weight_gain = 1 / math.sqrt(in_channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.weight_gain, self.bias)


class SynthesisBlock(nn.Module):
    """The two layers of one resolution: the features of the resolution below -> the features of this one."""

    noise_const: Tensor

    def __init__(self, config: SynthesisConfig, layers: Sequence[LayerInfo]) -> None:
        super().__init__()
        self.config, self.resolution = config, layers[0].resolution
        self.entries = [layer.ws for layer in layers]
        self.conv0, self.conv1 = (SynthesisLayer(config, layer) for layer in layers)
        if config.shared_noise:
            self.register_buffer("noise_const", torch.empty(self.resolution, self.resolution))
        if self.resolution == START:
            self.const = nn.Parameter(torch.empty(config.start_shape))
        self.torgb = Head(layers[0].out_channels, config.img_channels)

    def forward(
        self, x: Tensor | None, ws: Tensor, noise_mode: str, seeds: Sequence[int], style_offsets: StyleOffsets | None = None
    ) -> Tensor:
        offsets = style_offsets or {}
        x = self._start(ws) if x is None else x
        for layer, entry in zip((self.conv0, self.conv1), self.entries, strict=True):
            x = layer(x, ws[:, entry], self._noise(layer, noise_mode, seeds, ws), offsets.get(layer.name, 0.0))
        return x

    def _start(self, ws: Tensor) -> Tensor:
        """The first features [N, C, 4, 4]: the constant, or linear in the first entry of ws."""
        start = self.const.to(ws.dtype)
        if self.config.start_from_w:
            return torch.tensordot(ws[:, 0], start, 1)
        return fast_layout(start.expand(ws.shape[0], -1, -1, -1))

    def _noise(self, layer: SynthesisLayer, mode: str, seeds: Sequence[int], like: Tensor) -> Tensor | None:
        """One layer's noise, [r, r] or [N, 1, r, r]; where the layers share it, the resolution's."""
        if mode == "none":
            return None
        shared = self.config.shared_noise
        if mode == "const":
            return self.noise_const if shared else layer.noise_const
        return layer_noise(seeds, f"b{self.resolution}" if shared else layer.name, (self.resolution, self.resolution), like)


class Synthesis(nn.Module):
    """ws [N, num_ws, w_dim] -> images [N, C, R, R] in about [-1, 1]."""

    takes_style_offsets = takes_noise = True

    def __init__(self, config: SynthesisConfig) -> None:
        super().__init__()
        self.config = config
        last = len(config.channels) - 1
        layers = config.layers(last)
        for level in range(last + 1):
            self.add_module(f"b{START << level}", SynthesisBlock(config, layers[2 * level : 2 * level + 2]))

    def run(
        self,
        ws: Tensor,
        noise_mode: str = "const",
        until: int | None = None,
        rng: Randomness = None,
        style_offsets: StyleOffsets | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """(features, image) of the block of resolution `until` (the last by default); the image is None before the last.

        Raises OptionError for an unknown noise mode or resolution.
        """
        config, resolutions = self.config, self.config.resolutions
        check_noise_mode(noise_mode)
        until = last_resolution(until, resolutions)
        parameter = next(self.parameters())
        check_ws(ws, config.num_ws, config.w_dim, parameter.device, parameter.dtype)
        seeds = noise_seeds(rng, len(ws)) if noise_mode == "random" else []
        x = before = None
        for resolution in resolutions[: resolutions.index(until) + 1]:
            before, x = x, self.get_submodule(f"b{resolution}")(x, ws, noise_mode, seeds, style_offsets)
        assert x is not None
        if until != resolutions[-1]:
            return x, None
        image: Tensor = self.get_submodule(f"b{until}.torgb")(x)
        if config.fade:
            smaller = self.get_submodule(f"b{until // 2}.torgb")(before)
            image = torch.lerp(image, F.interpolate(smaller, scale_factor=2.0), config.fade)
        return x, image

    def forward(
        self,
        ws: Tensor,
        noise_mode: str = "const",
        resolution: int | None = None,
        rng: Randomness = None,
        style_offsets: StyleOffsets | None = None,
    ) -> Tensor:
        """The image; `rng` gives the noise of mode "random".  `style_offsets` are added to the scales and shifts [N, 2 channels].

        Raises OptionError for an unknown noise mode, and for a `resolution` other than the image's own: there are no images on the way.
        """
        if resolution not in (None, self.config.img_resolution):
            raise OptionError(f"a StyleGAN has no image at resolution {resolution}, only at {self.config.img_resolution}")
        _, image = self.run(ws, noise_mode, None, rng, style_offsets)
        assert image is not None
        return image


class StyleGAN1(BaseGenerator):
    """z -> mapping -> ws -> synthesis -> images."""

    def __init__(self, config: StyleGAN1Config) -> None:
        super().__init__(config, Mapping(config.mapping), Synthesis(config.synthesis))

    def z_columns(self) -> list[Tensor]:
        """The weights [rows, z_dim] that read z, as views: the first mapping layer's, without the label embedding's columns."""
        return [self.mapping.layers[0].weight[:, : self.z_dim]]
