"""The StyleGAN3 generator (Karras et al. 2021, arXiv 2106.12423), configurations T and R, our own implementation.

Parameter and buffer names are those of the PyTorch-era checkpoints, so a file's tensors are loaded by name.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from orojar_cli.errors import OptionError
from orojar_cli.generators.base import BaseGenerator
from orojar_cli.generators.checks import check_noise_mode, check_ws
from orojar_cli.generators.mapping import Mapping
from orojar_cli.generators.noise import Randomness
from orojar_cli.generators.primitives import FullyConnected, bias_act, fast_layout, half_modulation, modulated_projection, tap_energies
from orojar_cli.generators.stylegan3.alias_free import filtered_rectifier
from orojar_cli.generators.stylegan3.config import AliasFreeConfig, AliasFreeLayer, StyleGAN3Config


class FourierInput(nn.Module):
    """w -> features: sinusoids of stored frequencies, rotated and translated by w, through a linear layer (appendix F)."""

    transform: Tensor
    freqs: Tensor
    phases: Tensor

    def __init__(self, config: AliasFreeConfig) -> None:
        super().__init__()
        self.band = config.bands[0]
        width = self.band.channels
        self.affine = FullyConnected(config.w_dim, 4)
        self.weight = nn.Parameter(torch.empty(width, width))
        self.register_buffer("transform", torch.empty(3, 3))
        self.register_buffer("freqs", torch.empty(width, 2))
        self.register_buffer("phases", torch.empty(width))

    def forward(self, w: Tensor) -> Tensor:
        """Features [N, C, size, size] of w [N, w_dim]."""
        cutoff, rate, size, width = self.band.cutoff, self.band.rate, self.band.size, self.band.channels
        pose = self.affine(w)
        cosine, sine, right, up = (pose / pose[:, :2].norm(dim=1, keepdim=True)).unbind(1)
        zero, one = torch.zeros_like(cosine), torch.ones_like(cosine)
        rotation = torch.stack([cosine, -sine, zero, sine, cosine, zero, zero, zero, one], 1).view(-1, 3, 3)
        translation = torch.stack([one, zero, -right, zero, one, -up, zero, zero, one], 1).view(-1, 3, 3)
        placement = rotation @ translation @ self.transform
        phases = self.phases + (self.freqs @ placement[:, :2, 2:]).squeeze(2)
        frequencies = self.freqs @ placement[:, :2, :2]
        # Frequencies that the user's transform pushes past the band limit would alias: they fade out towards half the rate.
        amplitudes = (1 - (frequencies.norm(dim=2) - cutoff) / (rate / 2 - cutoff)).clamp(0, 1)
        axis = (torch.arange(size, dtype=w.dtype, device=w.device) + 0.5 - size / 2) / rate
        # Channels last from the start: [N, 1, size, C] across and [N, size, 1, C] down the grid.
        across, down = (frequencies[:, None, :, direction] * axis[:, None] for direction in (0, 1))
        angles = across[:, None] + down[:, :, None] + phases[:, None, None]
        waves = torch.sin(2 * math.pi * angles) * amplitudes[:, None, None]
        features = (waves @ (self.weight / math.sqrt(width)).T).permute(0, 3, 1, 2)
        return features if features.device.type == "cpu" else features.contiguous()


class AliasFreeSynthesisLayer(nn.Module):
    """Modulated convolution over the margins too, bias, and the rectifier between its two filters; ToRGB has only the first two."""

    magnitude_ema: Tensor
    up_filter: Tensor
    down_filter: Tensor

    def __init__(self, config: AliasFreeConfig, layer: AliasFreeLayer) -> None:
        super().__init__()
        self.layer, self.clamp, self.fp16 = layer, config.conv_clamp, config.in_float16(layer)
        inputs, outputs = layer.source.channels, layer.target.channels
        self.affine = FullyConnected(config.w_dim, inputs)
        self.weight = nn.Parameter(torch.empty(outputs, inputs, layer.kernel, layer.kernel))
        self.bias = nn.Parameter(torch.empty(outputs))
        self.register_buffer("magnitude_ema", torch.empty(()))
        if layer.up_taps > 1:
            self.register_buffer("up_filter", torch.empty(layer.up_taps))
        if layer.down_taps > 1:
            self.register_buffer("down_filter", torch.empty((layer.down_taps,) * (2 if layer.radial else 1)))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        layer = self.layer
        styles, weight, gain = self.affine(w), self.weight, self.magnitude_ema.rsqrt()
        if layer.is_torgb:
            x = modulated_projection(x, weight, styles * (gain / math.sqrt(weight[0].numel())))
            return bias_act(F.pad(x, layer.padding * 2), self.bias, "linear", clamp=self.clamp)
        if x.dtype == torch.float16:
            half = half_modulation(weight, styles, gain)
            x = F.conv2d(x * half.styles, fast_layout(half.weight), padding=layer.kernel - 1)
            return self._rectify(torch.addcmul(self.bias.half()[:, None, None], x, half.factors))
        # Weight and styles are brought to unit size, so that the 1e-8 below is nothing.  The original divides the styles by their
        # size over the whole batch; it cancels, and per sample an image does not depend on its neighbours.
        energies = tap_energies(weight)
        size = (energies.mean(1) / layer.kernel**2).sqrt()
        styles = styles * styles.square().mean(1, keepdim=True).rsqrt()
        energy = styles.square() @ (energies.T / size.square())
        x = F.conv2d(x * styles[:, :, None, None], fast_layout(weight), padding=layer.kernel - 1)
        x = torch.addcmul(self.bias[:, None, None], x, ((energy + 1e-8).rsqrt() * (gain / size))[:, :, None, None])
        return self._rectify(x)

    def _rectify(self, x: Tensor) -> Tensor:
        layer = self.layer
        up_taps = self.up_filter if layer.up_taps > 1 else self.bias.new_ones(1)
        down_taps = self.down_filter if layer.down_taps > 1 else self.bias.new_ones(1)
        return filtered_rectifier(x, up_taps, down_taps, layer.up, layer.down, layer.padding, self.clamp)


class AliasFreeSynthesis(nn.Module):
    """ws [N, num_ws, w_dim] -> images [N, C, R, R] in about [-1, 1]."""

    def __init__(self, config: AliasFreeConfig) -> None:
        super().__init__()
        self.config = config
        self.input = FourierInput(config)
        self.layers = config.alias_free_layers()
        for layer in self.layers:
            self.add_module(layer.name, AliasFreeSynthesisLayer(config, layer))

    def run(
        self, ws: Tensor, noise_mode: str = "const", until: int | None = None, rng: Randomness = None, fp16: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """(features, image) behind the last layer of sampling rate `until`; features keep their margins, and the image is None
        before the end.  There is no noise: the mode is checked and has no effect.  With `fp16` layers that were trained in float16 are
        computed in it.  Raises OptionError for an unknown mode or rate.
        """
        check_noise_mode(noise_mode)
        rates = sorted({layer.target.rate for layer in self.layers})
        until = self.config.img_resolution if until is None else until
        if until not in rates:
            raise OptionError(f"no layer of sampling rate {until}; this network has {', '.join(map(str, rates))}")
        weight: Tensor = self.input.affine.weight
        check_ws(ws, self.config.num_ws, self.config.w_dim, weight.device, weight.dtype)
        x = self.input(ws[:, 0])
        for index, layer in enumerate(self.layers):
            if layer.target.rate > until:
                return x, None
            module = self.get_submodule(layer.name)
            following = module(x.to(torch.float16 if fp16 and module.fp16 else ws.dtype), ws[:, index + 1])
            if layer.is_torgb:
                return x, following * self.config.output_scale
            x = following
        raise AssertionError("the last layer is ToRGB")

    def forward(
        self, ws: Tensor, noise_mode: str = "const", resolution: int | None = None, rng: Randomness = None, fp16: bool = False
    ) -> Tensor:
        """The image; `fp16` as for `run`.  Raises OptionError for a `resolution` other than the image's own: none is on the way."""
        if resolution not in (None, self.config.img_resolution):
            raise OptionError(f"StyleGAN3 has no image at resolution {resolution}, only at {self.config.img_resolution}")
        _, image = self.run(ws, noise_mode, None, rng, fp16)
        assert image is not None
        return image


class StyleGAN3(BaseGenerator):
    """z -> mapping -> ws -> synthesis -> images."""

    def __init__(self, config: StyleGAN3Config) -> None:
        super().__init__(config, Mapping(config.mapping), AliasFreeSynthesis(config.synthesis))

    def z_columns(self) -> list[Tensor]:
        """The weights [rows, z_dim] that read z, as views: the first mapping layer's, without the label embedding's columns."""
        return [self.mapping.layers[0].weight[:, : self.z_dim]]
