"""Generators without a mapping network behind the protocol of the style-based ones: w is z, and z feeds the first layer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from orojar_cli.errors import OptionError
from orojar_cli.generators.stylegan2.network import NOISE_MODES
from orojar_cli.generators.unmapped_config import IdentityMapping


class UnmappedMapping(nn.Module):
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


class UnmappedSynthesis(nn.Module):
    """ws [N, 1, z_dim] -> images [N, C, R, R]; the families say what is computed at each resolution."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config

    def features(self, x: Tensor, index: int) -> Tensor:
        """Features of resolution number `index` from those of the one before (the latent [N, z_dim] for the first)."""
        raise NotImplementedError

    def image(self, x: Tensor) -> Tensor:
        """The image from the last features."""
        raise NotImplementedError

    def run(
        self, ws: Tensor, noise_mode: str = "const", until: int | None = None, rng: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """(features, image) of the layer of resolution `until`; the image is None before the last.

        There is no noise: the mode is checked and has no effect.  Raises OptionError for an unknown mode or resolution.
        """
        resolutions = self.config.resolutions
        if noise_mode not in NOISE_MODES:
            raise OptionError(f"unknown noise mode {noise_mode!r}; choose one of {', '.join(NOISE_MODES)}")
        until = resolutions[-1] if until is None else until
        if until not in resolutions:
            raise OptionError(f"no layer of resolution {until}; this network has {', '.join(map(str, resolutions))}")
        x = ws[:, 0]
        for index, resolution in enumerate(self.config.feature_resolutions):
            x = self.features(x, index)
            if resolution == until < resolutions[-1]:
                return x, None
        return x, self.image(x)

    def forward(self, ws: Tensor, noise_mode: str = "const", resolution: int | None = None, rng: torch.Generator | None = None) -> Tensor:
        """The image.  Raises OptionError for a `resolution` other than the image's own: there are no images on the way."""
        if resolution not in (None, self.config.img_resolution):
            raise OptionError(
                f"a {self.config.family} has no image at resolution {resolution}, only at {self.config.img_resolution}; "
                "use an averaged image or a block's features"
            )
        _, image = self.run(ws, noise_mode, None, rng)
        assert image is not None
        return image


class UnmappedGenerator(nn.Module):
    """z -> images, with the identity as mapping."""

    def __init__(self, config: Any, synthesis: UnmappedSynthesis) -> None:
        super().__init__()
        self.config = config
        self.z_dim, self.c_dim, self.w_dim, self.num_ws = config.z_dim, 0, config.z_dim, 1
        self.img_resolution, self.img_channels = config.img_resolution, config.img_channels
        self.mapping = UnmappedMapping(config.mapping)
        self.synthesis = synthesis

    def forward(
        self, z: Tensor, label: Tensor | None = None, psi: float = 1.0, cutoff: int | None = None, noise_mode: str = "const"
    ) -> Tensor:
        """Images [N, C, R, R] of z [N, z_dim]."""
        return self.synthesis(self.mapping(z, label, psi, cutoff), noise_mode)
