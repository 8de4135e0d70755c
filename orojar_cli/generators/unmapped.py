"""Generators without a mapping network behind the protocol of the style-based ones: w is z, and z feeds the first layer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from orojar_cli.generators.base import BaseGenerator, BaseMapping
from orojar_cli.generators.checks import check_latents, check_noise_mode, check_only_image, check_ws, last_resolution
from orojar_cli.generators.noise import Randomness
from orojar_cli.generators.primitives import normalise_second_moment
from orojar_cli.generators.unmapped_config import IdentityMapping


def output_activation(image: Tensor, kind: str) -> Tensor:
    """What makes the last numbers of a network its image: nothing, tanh, or a sigmoid, whose [0, 1] is stretched to [-1, 1]."""
    return {"linear": lambda x: x, "tanh": torch.tanh, "sigmoid": lambda x: 2 * torch.sigmoid(x) - 1}[kind](image)


class UnmappedMapping(BaseMapping):
    """z [N, z_dim] -> ws [N, 1, w_dim], unchanged or normalised, followed by the label where the network has classes.

    Truncation pulls z towards its mean, which is 0, and leaves the label.
    """

    def __init__(self, config: IdentityMapping) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("w_avg", torch.zeros(config.z_dim + config.c_dim))

    def w(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """z itself, or at unit second moment; with classes [z, label].  Raises OptionError for what does not fit."""
        check_latents(z, label, self.config.z_dim, self.config.c_dim, self.w_avg.device)
        z = normalise_second_moment(z) if self.config.normalised else z
        return z if not self.config.c_dim else torch.cat((z, label.to(z)), -1)  # type: ignore[union-attr]

    def spread(self, w: Tensor, psi: float, cutoff: int | None) -> Tensor:
        """psi * z in the one entry; `cutoff` 0 leaves it as it is."""
        if cutoff == 0 or psi == 1:
            return w.unsqueeze(1)
        z, label = w.split((self.config.z_dim, self.config.c_dim), -1)
        return torch.cat((psi * z, label), -1).unsqueeze(1)


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

    def run(self, ws: Tensor, noise_mode: str = "const", until: int | None = None, rng: Randomness = None) -> tuple[Tensor, Tensor | None]:
        """(features, image) of the layer of resolution `until`; the image is None before the last.

        There is no noise: the mode is checked and has no effect.  Raises OptionError for an unknown mode or resolution.
        """
        resolutions = self.config.resolutions
        check_noise_mode(noise_mode)
        until = last_resolution(until, resolutions, "layer")
        parameter = next(self.parameters())
        check_ws(ws, 1, self.config.w_dim, parameter.device, parameter.dtype)
        x = before = ws[:, 0]
        for index, resolution in enumerate(self.config.feature_resolutions):
            before, x = x, self.features(x, index)
            if resolution == until < resolutions[-1]:
                return x, None
        return x, self.mixed_image(x, before)

    def forward(self, ws: Tensor, noise_mode: str = "const", resolution: int | None = None, rng: Randomness = None) -> Tensor:
        """The image.  Raises OptionError for a `resolution` other than the image's own: there are no images on the way."""
        check_only_image(resolution, self.config.family, self.config.img_resolution)
        _, image = self.run(ws, noise_mode, None, rng)
        assert image is not None
        return image


class UnmappedGenerator(BaseGenerator):
    """z -> images, with the identity as mapping."""

    def __init__(self, config: Any, synthesis: UnmappedSynthesis) -> None:
        super().__init__(config, UnmappedMapping(config.mapping), synthesis)

    def z_columns(self) -> list[Tensor]:
        """The weights [rows, z_dim] that read z, as views: the first layer's."""
        first: Any = self.synthesis.first
        return [first.affine.weight[:, : self.z_dim]]
