"""Generators without a mapping network behind the protocol of the style-based ones: w is z, and z feeds the first layer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from orojar_cli.errors import OptionError
from orojar_cli.generators.stylegan2.network import NOISE_MODES
from orojar_cli.generators.unmapped_config import IdentityMapping


def output_activation(image: Tensor, kind: str) -> Tensor:
    """What makes the last numbers of a network its image: nothing, tanh, or a sigmoid, whose [0, 1] is stretched to [-1, 1]."""
    return {"linear": lambda x: x, "tanh": torch.tanh, "sigmoid": lambda x: 2 * torch.sigmoid(x) - 1}[kind](image)


class UnmappedMapping(nn.Module):
    """z [N, z_dim] -> ws [N, 1, w_dim], unchanged, followed by the label where the network has classes.

    Truncation pulls z towards its mean, which is 0, and leaves the label.
    """

    w_avg: Tensor

    def __init__(self, config: IdentityMapping) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("w_avg", torch.zeros(config.z_dim + config.c_dim))

    def w(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """z itself; with classes [z, label].  Raises OptionError where the label is missing or of another width."""
        if not self.config.c_dim:
            return z
        if label is None or label.shape[-1] != self.config.c_dim:
            raise OptionError(f"this network needs a label of {self.config.c_dim} numbers for every z")
        return torch.cat((z, label.to(z)), -1)

    def broadcast(self, w: Tensor, psi: float = 1.0, cutoff: int | None = None) -> Tensor:
        """ws [N, 1, w_dim]: psi * z; `cutoff` 0 leaves it as it is."""
        if cutoff == 0 or psi == 1:
            return w.unsqueeze(1)
        z, label = w.split((self.config.z_dim, self.config.c_dim), -1)
        return torch.cat((psi * z, label), -1).unsqueeze(1)

    def forward(self, z: Tensor, label: Tensor | None = None, psi: float = 1.0, cutoff: int | None = None) -> Tensor:
        """ws [N, 1, w_dim] of z [N, z_dim]."""
        return self.broadcast(self.w(z, label), psi, cutoff)


class UnmappedSynthesis(nn.Module):
    """ws [N, 1, w_dim] -> images [N, C, R, R]; the families say what is computed at each resolution."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config

    def features(self, x: Tensor, index: int) -> Tensor:
        """Features of resolution number `index` from those of the one before (the latent [N, w_dim] for the first)."""
        raise NotImplementedError

    def image(self, x: Tensor) -> Tensor:
        """The image from the last features."""
        raise NotImplementedError

    def mixed_image(self, x: Tensor, before: Tensor) -> Tensor:
        """The image from the last features and those of the resolution before, which only a network still growing needs."""
        return self.image(x)

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
        x = before = ws[:, 0]
        for index, resolution in enumerate(self.config.feature_resolutions):
            before, x = x, self.features(x, index)
            if resolution == until < resolutions[-1]:
                return x, None
        return x, self.mixed_image(x, before)

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
        self.z_dim, self.c_dim, self.w_dim, self.num_ws = config.z_dim, config.c_dim, config.w_dim, 1
        self.img_resolution, self.img_channels = config.img_resolution, config.img_channels
        self.mapping = UnmappedMapping(config.mapping)
        self.synthesis = synthesis

    def forward(
        self, z: Tensor, label: Tensor | None = None, psi: float = 1.0, cutoff: int | None = None, noise_mode: str = "const"
    ) -> Tensor:
        """Images [N, C, R, R] of z [N, z_dim]."""
        return self.synthesis(self.mapping(z, label, psi, cutoff), noise_mode)
