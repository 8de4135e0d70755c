"""The generator of lucidrains' stylegan2-pytorch (MIT), our own implementation of what its files mean.

Styles are what the linear layers give plus one, and images lie in [-1, 1] here; the reader brings the files' numbers into this form.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from orojar_cli.generators.base import BaseGenerator
from orojar_cli.generators.checks import check_noise_mode, check_ws, last_resolution
from orojar_cli.generators.lucidrains.config import HEAD, HEADS, LucidrainsConfig, SynthesisConfig
from orojar_cli.generators.mapping import Mapping
from orojar_cli.generators.noise import Randomness, layer_noise, noise_seeds
from orojar_cli.generators.options import LayerInfo
from orojar_cli.generators.primitives import (
    FullyConnected,
    each_channel,
    fast_layout,
    modulated_convolution,
    modulated_projection,
    small_blur,
)
from orojar_cli.generators.stylegan2.network import StyleOffsets

_SLOPE = 0.2
_EPSILON = 1e-5


def enlarged(x: Tensor) -> Tensor:
    """x [N, C, H, W] at twice the resolution, bilinear between the centres of pixels."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def blurred(x: Tensor) -> Tensor:
    """Every channel under [1, 2, 1] x [1, 2, 1] / 16, with the picture reflected at its edges."""
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), each_channel(small_blur(x), x), groups=x.shape[1])


class SynthesisLayer(nn.Module):
    """Modulated 3x3 convolution, the noise with a strength and a bias for every channel, leaky ReLU."""

    def __init__(self, config: SynthesisConfig, layer: LayerInfo) -> None:
        super().__init__()
        self.affine = FullyConnected(config.w_dim, layer.in_channels)
        self.weight = nn.Parameter(torch.empty(layer.out_channels, layer.in_channels, 3, 3))
        self.bias = nn.Parameter(torch.empty(layer.out_channels))
        self.noise_strength = nn.Parameter(torch.empty(layer.out_channels))

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None, offset: Tensor | float) -> Tensor:
        x = modulated_convolution(x, self.weight, self.affine(w) + offset, self.bias)
        if noise is not None:
            x = x + noise * self.noise_strength[:, None, None]
        return F.leaky_relu(x, _SLOPE)


class ToRGB(nn.Module):
    """Modulated 1x1 convolution to the image's channels, neither demodulated nor with a bias."""

    def __init__(self, config: SynthesisConfig, layer: LayerInfo) -> None:
        super().__init__()
        self.affine = FullyConnected(config.w_dim, layer.in_channels)
        self.weight = nn.Parameter(torch.empty(layer.out_channels, layer.in_channels, 1, 1))

    def forward(self, x: Tensor, w: Tensor, offset: Tensor | float) -> Tensor:
        return modulated_projection(x, self.weight, self.affine(w) + offset)


class ChannelNorm(nn.Module):
    """Every pixel's channels to mean 0 and (biased) variance 1, times a weight, plus a bias."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width))
        self.bias = nn.Parameter(torch.empty(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x.movedim(1, -1), self.weight.shape, self.weight, self.bias, _EPSILON).movedim(-1, 1)


class Attention(nn.Module):
    """x [N, C, H, W] plus linear attention over all pixels, plus two pointwise layers of the sum.

    Queries are softmaxed over the channels of a head, keys over the pixels; what a head sees is q (k^T v), linear in the number of pixels.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = HEADS * HEAD
        self.norm, self.norm2 = ChannelNorm(width), ChannelNorm(width)
        self.query = nn.Conv2d(width, inner, 1, bias=False)
        self.near = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
        self.key_value = nn.Conv2d(width, 2 * inner, 1, bias=False)
        self.out = nn.Conv2d(inner, width, 1)
        self.widen = nn.Conv2d(width, 2 * width, 1)
        self.narrow = nn.Conv2d(2 * width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        normal = self.norm(x)
        key, value = self.key_value(self.near(normal)).chunk(2, 1)
        query, key, value = (each.unflatten(1, (HEADS, HEAD)).flatten(3) for each in (self.query(normal), key, value))
        context = torch.einsum("nhdp,nhep->nhde", key.softmax(3), value)
        seen = torch.einsum("nhdp,nhde->nhep", query.softmax(2) / HEAD**0.5, context)
        x = x + self.out(F.gelu(seen.flatten(1, 2).unflatten(2, x.shape[2:])))
        result: Tensor = x + self.narrow(F.leaky_relu(self.widen(self.norm2(x)), _SLOPE))
        return result


class Synthesis(nn.Module):
    """ws [N, num_ws, w_dim] -> images [N, C, R, R] in about [-1, 1]."""

    takes_style_offsets = takes_noise = True
    noise_const: Tensor

    def __init__(self, config: SynthesisConfig) -> None:
        super().__init__()
        self.config = config
        width = config.channels[0]
        self.const = nn.Parameter(torch.empty(config.shapes("")["const"]))
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.register_buffer("noise_const", torch.empty((config.img_resolution,) * 2))
        for resolution in config.resolutions:
            self.add_module(f"b{resolution}", nn.Module())
        for layer in config.layers():
            block, _, name = layer.name.partition(".")
            self.get_submodule(block).add_module(name, (ToRGB if name == "torgb" else SynthesisLayer)(config, layer))
        for number in config.attention:
            self.get_submodule(f"b{config.resolutions[number]}").attention = Attention(config.width_before(number))

    def run(
        self,
        ws: Tensor,
        noise_mode: str = "const",
        until: int | None = None,
        rng: Randomness = None,
        style_offsets: StyleOffsets | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Features and image of the block of resolution `until` (the last by default); later blocks are not computed.

        Raises OptionError for an unknown noise mode or resolution.
        """
        config, resolutions = self.config, self.config.resolutions
        check_noise_mode(noise_mode)
        until = last_resolution(until, resolutions)
        check_ws(ws, config.num_ws, config.w_dim, self.const.device, self.const.dtype)
        noise = self._map(noise_mode, noise_seeds(rng, len(ws)) if noise_mode == "random" else (), ws)
        offsets = style_offsets or {}
        x = self._start(ws)
        image: Tensor | None = None
        for level, resolution in enumerate(resolutions):
            block, w = self.get_submodule(f"b{resolution}"), ws[:, level]
            if level in config.attention:
                x = block.get_submodule("attention")(x)
            x = enlarged(x) if level else x
            # The corner lies on its side: theirs swaps height and width on the way to the features.
            corner = None if noise is None else noise[..., :resolution, :resolution].transpose(-1, -2)
            for name in ("conv1", "conv2"):
                x = block.get_submodule(name)(x, w, corner, offsets.get(f"b{resolution}.{name}", 0.0))
            rgb: Tensor = block.get_submodule("torgb")(x, w, offsets.get(f"b{resolution}.torgb", 0.0))
            image = rgb if image is None else blurred(enlarged(image)) + rgb
            if resolution == until:
                break
        assert image is not None
        return x, 2 * image - 1

    def _start(self, ws: Tensor) -> Tensor:
        """The first features [N, C, 4, 4]: the plain convolution of the constant, or of an image linear in the mean entry of ws."""
        start = self.const.to(ws.dtype)
        if self.config.start_from_w:
            features: Tensor = self.first(torch.tensordot(ws.mean(1), start, 1))
            return features
        return fast_layout(self.first(start[None]).expand(ws.shape[0], -1, -1, -1))

    def _map(self, mode: str, seeds: Sequence[int], like: Tensor) -> Tensor | None:
        """The network's one noise map, uniform in [0, 1): [R, R], or [N, 1, R, R] of these seeds."""
        if mode == "none":
            return None
        if mode == "const":
            return self.noise_const
        return torch.special.ndtr(layer_noise(seeds, "map", (self.config.img_resolution,) * 2, like))

    def forward(
        self,
        ws: Tensor,
        noise_mode: str = "const",
        resolution: int | None = None,
        rng: Randomness = None,
        style_offsets: StyleOffsets | None = None,
    ) -> Tensor:
        """The image; with `resolution` the smaller image accumulated by that block.

        `rng` gives the noise of mode "random"; `style_offsets` are added to the styles.  Raises OptionError for an unknown noise mode or
        resolution.
        """
        _, image = self.run(ws, noise_mode, resolution, rng, style_offsets)
        assert image is not None
        return image


class Lucidrains(BaseGenerator):
    """z -> mapping -> ws -> synthesis -> images."""

    def __init__(self, config: LucidrainsConfig) -> None:
        super().__init__(config, Mapping(config.mapping), Synthesis(config.synthesis))

    def z_columns(self) -> list[Tensor]:
        """The weights [rows, z_dim] that read z, as views: the first mapping layer's."""
        return [self.mapping.layers[0].weight]

    def style_weights(self, layers: Sequence[int]) -> list[Tensor]:
        """What SeFa factorises: the affine weights of both convolutions of the blocks that the entries `layers` drive."""
        blocks = [self.synthesis.get_submodule(f"b{self.config.synthesis.resolutions[entry]}") for entry in layers]
        return [block.get_submodule(name).affine.weight for block in blocks for name in ("conv1", "conv2")]
