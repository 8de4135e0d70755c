"""The StyleGAN2 generator (Karras et al. 2020, arXiv 1912.04958; ADA, arXiv 2006.06676), our own implementation.

Parameter and buffer names are those of the PyTorch-era checkpoints, so a file's tensors are loaded by name.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from orojar_cli.errors import OptionError
from orojar_cli.generators.base import BaseGenerator
from orojar_cli.generators.checks import check_noise_mode, check_ws, last_resolution
from orojar_cli.generators.mapping import Mapping
from orojar_cli.generators.noise import Randomness, layer_noise, noise_seeds
from orojar_cli.generators.options import LayerInfo
from orojar_cli.generators.primitives import (
    FullyConnected,
    act_in_place,
    activation_gain,
    bias_act,
    convolution,
    fast_layout,
    inner_gain,
    modulated_convolution,
    modulated_projection,
    one_weight_pays,
    tap_energies,
    upsample_2x,
)
from orojar_cli.generators.stylegan2.config import StyleGAN2Config, SynthesisConfig

StyleOffsets = dict[str, Tensor]
"""What is added to the styles of layers: by name ("b8.conv0") [N, in_channels]."""


class _Energies(NamedTuple):
    """The sums of squares [out, in] of a weight at one version, and its first output's numbers."""

    version: int
    first: Tensor
    sums: Tensor


class SynthesisLayer(nn.Module):
    """Modulated 3x3 convolution (optionally doubling the resolution), noise, bias, activation."""

    noise_const: Tensor
    resample_filter: Tensor

    def __init__(self, config: SynthesisConfig, layer: LayerInfo, resolution: int, up: int) -> None:
        super().__init__()
        self.config, self.name, self.resolution, self.up = config, layer.name, resolution, up
        self.affine = FullyConnected(config.w_dim, layer.in_channels)
        self.weight = nn.Parameter(torch.empty(layer.out_channels, layer.in_channels, 3, 3))
        self.bias = nn.Parameter(torch.empty(layer.out_channels))
        self.energies: _Energies | None = None
        self.register_buffer("resample_filter", torch.empty((len(config.resample_filter),) * 2))
        if config.use_noise:
            self.noise_strength = nn.Parameter(torch.empty(()))
            self.register_buffer("noise_const", torch.empty(config.size(resolution)))

    @property
    def shares_noise(self) -> bool:
        """Whether all images have the same constant noise; not where each has been given its own, as when a picture is projected."""
        return not self.config.use_noise or self.noise_const.ndim == 2

    def forward(
        self,
        x: Tensor,
        w: Tensor,
        noise_mode: str,
        gain: float = 1.0,
        seeds: Sequence[int] = (),
        style_offset: Tensor | float = 0.0,
    ) -> Tensor:
        config = self.config
        clamp = None if config.conv_clamp is None else config.conv_clamp * gain
        gain = activation_gain(config.activation) * gain
        inner = inner_gain(config.activation, gain)
        styles = self.affine(w) + style_offset
        x = modulated_convolution(
            x, self.weight, styles, self.bias * inner, self.resample_filter, up=self.up, gain=inner, energies=self.known_energies()
        )
        if config.use_noise and noise_mode == "const":
            x += (self.noise_const * (self.noise_strength * inner)).to(x.dtype)
        elif config.use_noise and noise_mode == "random":
            x += (layer_noise(seeds, self.name, (x.shape[2], x.shape[3]), styles) * (self.noise_strength * inner)).to(x.dtype)
        return act_in_place(x, config.activation, gain / inner, clamp)

    def arrange(self) -> None:
        """Lay the weight out in memory as its convolution reads it, so that images need not copy it; the numbers stay."""
        swap = self.up == 2
        weight = self.weight.data.transpose(0, 1) if swap else self.weight.data
        arranged = fast_layout(weight)
        if arranged is not weight:
            self.weight.data = arranged.transpose(0, 1) if swap else arranged
        self.energies = None
        if not self.weight.requires_grad:
            self.energies = _Energies(self.weight._version, self.weight[0].clone(), tap_energies(self.weight))

    def known_energies(self) -> Tensor | None:
        """What `arrange` has summed up, as long as the weight is the same: neither counted as changed, nor changed behind the count."""
        known, weight = self.energies, self.weight
        if weight.device.type != "cpu":  # where looking costs a wait for the device, and the sums next to nothing
            return None
        if known is None or weight.requires_grad or weight._version != known.version:
            return None
        if (weight.device, weight.dtype) != (known.sums.device, known.sums.dtype):
            return None
        return known.sums if torch.equal(weight[0], known.first) else None


class ToRGB(nn.Module):
    """Modulated 1x1 convolution to the image's channels, without demodulation."""

    def __init__(self, config: SynthesisConfig, layer: LayerInfo) -> None:
        super().__init__()
        self.clamp = config.conv_clamp
        self.affine = FullyConnected(config.w_dim, layer.in_channels)
        self.weight = nn.Parameter(torch.empty(layer.out_channels, layer.in_channels, 1, 1))
        self.bias = nn.Parameter(torch.empty(layer.out_channels))
        self.weight_gain = 1 / math.sqrt(layer.in_channels)

    def forward(self, x: Tensor, w: Tensor, style_offset: Tensor | float = 0.0) -> Tensor:
        x = modulated_projection(x, self.weight, (self.affine(w) + style_offset) * self.weight_gain)
        return bias_act(x, self.bias, "linear", clamp=self.clamp)


class SkipConvolution(nn.Module):
    """The resnet architecture's 1x1 shortcut that doubles the resolution."""

    resample_filter: Tensor

    def __init__(self, config: SynthesisConfig, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.taps = config.resample_filter
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, 1, 1))
        self.register_buffer("resample_filter", torch.empty((len(config.resample_filter),) * 2))

    def forward(self, x: Tensor, gain: float) -> Tensor:
        return convolution(x, (self.weight * (gain / math.sqrt(self.weight.shape[1]))).to(x.dtype), self.resample_filter, up=2)


class SynthesisBlock(nn.Module):
    """The layers of one resolution: features and image of the resolution below -> features and image of this one."""

    resample_filter: Tensor

    def __init__(self, config: SynthesisConfig, resolution: int) -> None:
        super().__init__()
        self.config, self.resolution = config, resolution
        self.register_buffer("resample_filter", torch.empty((len(config.resample_filter),) * 2))
        self.entries: dict[str, int] = {}
        if resolution == 4:
            self.const = nn.Parameter(torch.empty(config.channels(4), *config.start))
        elif config.architecture == "resnet":
            self.skip = SkipConvolution(config, config.channels(resolution // 2), config.channels(resolution))
        for layer in config.block(resolution):
            name = layer.name.partition(".")[2]
            self.entries[name] = layer.ws
            up = 2 if name == "conv0" else 1
            self.add_module(name, ToRGB(config, layer) if name == "torgb" else SynthesisLayer(config, layer, resolution, up))

    def forward(
        self,
        x: Tensor | None,
        image: Tensor | None,
        ws: Tensor,
        noise_mode: str,
        seeds: Sequence[int] = (),
        style_offsets: StyleOffsets | None = None,
        fp16: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """`fp16`: in float16 where it was trained so; the image is summed up in float32."""
        if x is not None:
            x = x.to(torch.float16 if fp16 and self.config.in_float16(self.resolution) else ws.dtype)

        def entry(name: str) -> Tensor:
            return ws[:, self.entries[name]]

        def convolve(name: str, x: Tensor, gain: float = 1.0) -> Tensor:
            return self.get_submodule(name)(x, entry(name), noise_mode, gain, seeds, offset(name))

        def offset(name: str) -> Tensor | float:
            return 0.0 if style_offsets is None else style_offsets.get(f"b{self.resolution}.{name}", 0.0)

        if x is None:
            x = fast_layout(self.const.to(ws.dtype).expand(ws.shape[0], -1, -1, -1))
            x = convolve("conv1", x)
        elif self.config.architecture == "resnet":
            shortcut = self.skip(x, math.sqrt(0.5))
            x = shortcut + convolve("conv1", convolve("conv0", x), math.sqrt(0.5))
        else:
            x = convolve("conv1", convolve("conv0", x))
        if image is not None:
            image = upsample_2x(image, self.resample_filter)
        if "torgb" in self.entries:
            rgb: Tensor = self.get_submodule("torgb")(x, entry("torgb"), offset("torgb")).to(ws.dtype)
            image = rgb if image is None else image + rgb
        return x, image


class Synthesis(nn.Module):
    """ws [N, num_ws, w_dim] -> images [N, C, H, W] in about [-1, 1]."""

    takes_style_offsets = True

    def __init__(self, config: SynthesisConfig) -> None:
        super().__init__()
        self.config, self.takes_noise = config, config.use_noise
        for resolution in config.resolutions:
            self.add_module(f"b{resolution}", SynthesisBlock(config, resolution))

    def run(
        self,
        ws: Tensor,
        noise_mode: str = "const",
        until: int | None = None,
        rng: Randomness = None,
        style_offsets: StyleOffsets | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Features and image of the block that makes `until` rows (the last by default); later blocks are not computed."""
        x, image = self._run(ws, noise_mode, until, rng, style_offsets, features=True)
        assert x is not None
        return x, image

    def _run(
        self,
        ws: Tensor,
        noise_mode: str,
        until: int | None,
        rng: Randomness,
        style_offsets: StyleOffsets | None,
        features: bool,
        fp16: bool = False,
    ) -> tuple[Tensor | None, Tensor | None]:
        """As `run`; large images one after another, without their `features` where these are not asked for."""
        check_noise_mode(noise_mode)
        heights = self.config.heights
        count = heights.index(last_resolution(until, heights)) + 1
        weight = next(self.parameters())
        check_ws(ws, self.config.num_ws, self.config.w_dim, weight.device, weight.dtype)
        seeds = noise_seeds(rng, len(ws)) if noise_mode == "random" and self.takes_noise else ()
        blocks: list[Any] = [self.get_submodule(f"b{resolution}") for resolution in self.config.resolutions[:count]]
        x = image = None
        for index, block in enumerate(blocks):
            if x is not None and len(ws) > 1 and block.conv1.shares_noise and one_weight_pays(x, block.conv1.weight, up=2):
                found = []
                for one in map(slice, range(len(ws)), range(1, len(ws) + 1)):
                    offsets = style_offsets and {name: offset[one] for name, offset in style_offsets.items()}
                    state = x[one], None if image is None else image[one]
                    for later in blocks[index:]:
                        state = later(*state, ws[one], noise_mode, seeds[one], offsets, fp16)
                    found.append(state)
                images = [image for _, image in found if image is not None]
                return torch.cat([x for x, _ in found]) if features else None, torch.cat(images) if images else None
            x, image = block(x, image, ws, noise_mode, seeds, style_offsets, fp16)
        return x, image

    def arrange(self) -> None:
        """Lay the weights out in memory for speed.  Not at loading, where it would be a quarter of the time; numbers stay the same, but
        images may differ in their last bits from those drawn before."""
        for module in self.modules():
            if isinstance(module, SynthesisLayer):
                module.arrange()

    def forward(
        self,
        ws: Tensor,
        noise_mode: str = "const",
        resolution: int | None = None,
        rng: Randomness = None,
        style_offsets: StyleOffsets | None = None,
        fp16: bool = False,
    ) -> Tensor:
        """The image; with `resolution` the smaller image that the skip architecture has accumulated by that block.

        `rng` gives the noise of mode "random", best a seed for each image (`generators/noise.py`).  `style_offsets` are added to the
        styles, behind each layer's affine.  With `fp16` blocks that were trained in float16 are computed in it.
        Raises OptionError for an unknown noise mode or resolution.
        """
        _, image = self._run(ws, noise_mode, resolution, rng, style_offsets, features=False, fp16=fp16)
        if image is None:
            raise OptionError(f"the {self.config.architecture} architecture has no image at resolution {resolution}, only at the last")
        return image


class StyleGAN2(BaseGenerator):
    """z -> mapping -> ws -> synthesis -> images."""

    def __init__(self, config: StyleGAN2Config) -> None:
        super().__init__(config, Mapping(config.mapping), Synthesis(config.synthesis))

    def z_columns(self) -> list[Tensor]:
        """The weights [rows, z_dim] that read z, as views: the first mapping layer's, without the label embedding's columns."""
        return [self.mapping.layers[0].weight[:, : self.z_dim]]
