"""The generator of lucidrains' stylegan2-pytorch, our own implementation from its description."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from orojar_cli.errors import OptionError
from orojar_cli.generators.base import BaseGenerator
from orojar_cli.generators.checks import check_ws
from orojar_cli.generators.lucidrains.config import START, BlocksConfig, LucidrainsConfig
from orojar_cli.generators.mapping import Mapping
from orojar_cli.generators.noise import Randomness, noise_seeds
from orojar_cli.generators.options import LayerInfo
from orojar_cli.generators.primitives import modulated_convolution, modulated_projection
from orojar_cli.generators.stylegan2.network import NOISE_MODES, StyleOffsets

_BLUR = (0.25, 0.5, 0.25)


class ModulatedLayer(nn.Module):
    """A convolution [out, in, k, k] whose inputs are scaled by an ordinary linear layer of w; 3x3 ones have a weight for the noise, a bias,
    demodulation and a rectifier."""

    def __init__(self, config: BlocksConfig, layer: LayerInfo) -> None:
        super().__init__()
        self.is_conv = "conv" in layer.name
        kernel = 3 if self.is_conv else 1
        self.weight = nn.Parameter(torch.empty(layer.out_channels, layer.in_channels, kernel, kernel))
        self.affine = nn.Linear(config.w_dim, layer.in_channels)
        if self.is_conv:
            self.noise_weight = nn.Parameter(torch.empty(layer.out_channels))
            self.bias = nn.Parameter(torch.empty(layer.out_channels))

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None, style_offset: Tensor | float = 0.0) -> Tensor:
        """`noise` [N or 1, 1, H, W], None for none."""
        styles = self.affine(w) + style_offset
        if not self.is_conv:
            return modulated_projection(x, self.weight, styles)
        x = modulated_convolution(x, self.weight, styles, self.bias)
        if noise is not None:
            x = x + noise * self.noise_weight[:, None, None]
        return F.leaky_relu(x, 0.2)


class LucidrainsSynthesis(nn.Module):
    """ws [N, blocks, w_dim] -> images [N, C, R, R] in about [-1, 1]."""

    takes_style_offsets = takes_noise = True
    noise_map: Tensor

    def __init__(self, config: BlocksConfig) -> None:
        super().__init__()
        self.config = config
        self.const = nn.Parameter(torch.empty(config.channels[0], START, START))
        self.initial = nn.Conv2d(config.channels[0], config.channels[0], 3, padding=1)
        self.register_buffer("noise_map", torch.empty(config.img_resolution, config.img_resolution))
        for index, resolution in enumerate(config.resolutions):
            block = nn.Module()
            for layer in config.block(index):
                block.add_module(layer.name.partition(".")[2], ModulatedLayer(config, layer))
            self.add_module(f"b{resolution}", block)

    def run(
        self,
        ws: Tensor,
        noise_mode: str = "const",
        until: int | None = None,
        rng: Randomness = None,
        style_offsets: StyleOffsets | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Features and image of the block of resolution `until` (the last by default); later blocks are not computed."""
        resolutions = self.config.resolutions
        if noise_mode not in NOISE_MODES:
            raise OptionError(f"unknown noise mode {noise_mode!r}; choose one of {', '.join(NOISE_MODES)}")
        until = resolutions[-1] if until is None else until
        if until not in resolutions:
            raise OptionError(f"no block of resolution {until}; this network has {', '.join(map(str, resolutions))}")
        check_ws(ws, self.config.num_ws, self.config.w_dim, self.const.device, self.const.dtype)
        offsets, maps = style_offsets or {}, self._maps(ws, noise_mode, rng)
        x = self.initial(self.const.expand(len(ws), -1, -1, -1))
        image: Tensor | None = None
        for index, resolution in enumerate(resolutions):
            block, w = self.get_submodule(f"b{resolution}"), ws[:, index]
            noise = None if maps is None else maps[..., :resolution, :resolution]
            if index:
                x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            for name in ("conv1", "conv2"):
                x = block.get_submodule(name)(x, w, noise, offsets.get(f"b{resolution}.{name}", 0.0))
            rgb = block.get_submodule("torgb")(x, w, None, offsets.get(f"b{resolution}.torgb", 0.0))
            image = rgb if image is None else image + rgb
            if resolution == until:
                break
            image = _enlarged(image)
        assert image is not None
        return x, 2 * image - 1

    def _maps(self, ws: Tensor, noise_mode: str, rng: Randomness) -> Tensor | None:
        """One map [N or 1, 1, R, R] for all layers, which take its corner; the layers read it turned over its diagonal."""
        if noise_mode == "none":
            return None
        if noise_mode == "const":
            return self.noise_map.T[None, None]
        size = self.noise_map.shape
        drawn = [torch.rand(size, generator=torch.Generator().manual_seed(seed)) for seed in noise_seeds(rng, len(ws))]
        return torch.stack(drawn).unsqueeze(1).to(ws)

    def forward(
        self,
        ws: Tensor,
        noise_mode: str = "const",
        resolution: int | None = None,
        rng: Randomness = None,
        style_offsets: StyleOffsets | None = None,
    ) -> Tensor:
        """The image; with `resolution` the smaller image accumulated by that block.  Raises OptionError as `run` does."""
        _, image = self.run(ws, noise_mode, resolution, rng, style_offsets)
        assert image is not None
        return image


def _enlarged(image: Tensor) -> Tensor:
    """Twice the size, bilinearly, then blurred with the border reflected."""
    image = F.interpolate(image, scale_factor=2, mode="bilinear", align_corners=False)
    line = image.new_tensor(_BLUR)
    kernel = torch.outer(line, line).expand(image.shape[1], 1, -1, -1)
    return F.conv2d(F.pad(image, (1, 1, 1, 1), mode="reflect"), kernel, groups=image.shape[1])


class Lucidrains(BaseGenerator):
    """z -> mapping -> ws -> synthesis -> images."""

    def __init__(self, config: LucidrainsConfig) -> None:
        super().__init__(config, Mapping(config.mapping), LucidrainsSynthesis(config.synthesis))

    def z_columns(self) -> list[Tensor]:
        """The weights [rows, z_dim] that read z, as views: the first mapping layer's."""
        return [self.mapping.layers[0].weight[:, : self.z_dim]]
