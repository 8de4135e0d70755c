"""The DCGAN generator (Radford et al. 2015, arXiv 1511.06434) behind the protocol of the style-based ones: w is z."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from orojar_cli.errors import OptionError
from orojar_cli.generators.dcgan_config import KERNEL, DCGANConfig, IdentityMapping
from orojar_cli.generators.stylegan2 import NOISE_MODES

_EPSILON = 1e-5  # of the batch normalisation


class ProjectionMapping(nn.Module):
    """z [N, z_dim] -> ws [N, 1, z_dim], unchanged; truncation pulls towards the mean of z, which is 0."""

    w_avg: Tensor

    def __init__(self, config: IdentityMapping) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("w_avg", torch.zeros(config.z_dim))

    def w(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """z itself."""
        return z

    def broadcast(self, w: Tensor, psi: float = 1.0, cutoff: int | None = None) -> Tensor:
        """ws [N, 1, w_dim]: psi * w; `cutoff` 0 leaves it as it is."""
        return (w if cutoff == 0 else psi * w).unsqueeze(1)

    def forward(self, z: Tensor, label: Tensor | None = None, psi: float = 1.0, cutoff: int | None = None) -> Tensor:
        """ws [N, 1, z_dim] of z [N, z_dim]."""
        return self.broadcast(self.w(z, label), psi, cutoff)


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


class ProjectionSynthesis(nn.Module):
    """ws [N, 1, z_dim] -> images [N, C, R, R] in [-1, 1]."""

    def __init__(self, config: DCGANConfig) -> None:
        super().__init__()
        self.config = config
        self.first = _First(config)
        for index, (inputs, outputs) in enumerate(zip(config.channels[:-1], config.channels[1:], strict=True), 1):
            self.add_module(f"conv{index}", nn.ConvTranspose2d(inputs, outputs, KERNEL, stride=2, padding=1, bias=config.biases[index]))
        for index, norm in enumerate(config.norms):
            if norm:
                self.add_module(f"norm{index}", _Normalisation(config.channels[index]))

    def run(
        self, ws: Tensor, noise_mode: str = "const", until: int | None = None, rng: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """(features, image) of the layer of resolution `until`; the image is None before the last.

        There is no noise: the mode is checked and has no effect.  Raises OptionError for an unknown mode or resolution.
        """
        config = self.config
        if noise_mode not in NOISE_MODES:
            raise OptionError(f"unknown noise mode {noise_mode!r}; choose one of {', '.join(NOISE_MODES)}")
        until = config.img_resolution if until is None else until
        if until not in config.resolutions:
            raise OptionError(f"no layer of resolution {until}; this network has {', '.join(map(str, config.resolutions))}")
        x = ws[:, 0]
        for index, resolution in enumerate(config.resolutions[:-1]):
            x = self.get_submodule(config.name(index))(x)
            if config.norms[index]:
                x = self.get_submodule(f"norm{index}")(x)
            x = F.relu(x)
            if resolution == until:
                return x, None
        return x, torch.tanh(self.get_submodule(config.name(len(config.channels) - 1))(x))

    def forward(self, ws: Tensor, noise_mode: str = "const", resolution: int | None = None, rng: torch.Generator | None = None) -> Tensor:
        """The image.  Raises OptionError for a `resolution` other than the image's own: there are no images on the way."""
        if resolution not in (None, self.config.img_resolution):
            raise OptionError(f"a DCGAN has no image at resolution {resolution}, only at {self.config.img_resolution}")
        _, image = self.run(ws, noise_mode, None, rng)
        assert image is not None
        return image


class DCGAN(nn.Module):
    """z -> images, with the identity as mapping."""

    def __init__(self, config: DCGANConfig) -> None:
        super().__init__()
        self.config = config
        self.z_dim, self.c_dim, self.w_dim, self.num_ws = config.z_dim, 0, config.z_dim, 1
        self.img_resolution, self.img_channels = config.img_resolution, config.img_channels
        self.mapping = ProjectionMapping(config.mapping)
        self.synthesis = ProjectionSynthesis(config)

    def forward(
        self, z: Tensor, label: Tensor | None = None, psi: float = 1.0, cutoff: int | None = None, noise_mode: str = "const"
    ) -> Tensor:
        """Images [N, C, R, R] of z [N, z_dim]."""
        return self.synthesis(self.mapping(z, label, psi, cutoff), noise_mode)
