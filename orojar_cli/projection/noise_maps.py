"""Noise inputs that are optimised beside w, so that w need not explain what the network leaves to chance."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from orojar_cli.generators.protocol import Generator

_SMALLEST = 8


class NoiseMaps:
    """One map [N, 1, h, w] per noise input of a synthesis that draws with noise; none for other families."""

    def __init__(self, maps: Mapping[str, Tensor]) -> None:
        self.maps = {name: noise.detach().clone().requires_grad_() for name, noise in maps.items()}

    @classmethod
    def of(cls, generator: Generator, count: int) -> NoiseMaps:
        """The network's own constant maps, for `count` pictures."""
        synthesis = generator.synthesis
        buffers = synthesis.named_buffers() if isinstance(synthesis, nn.Module) else ()
        # A network may have stages beyond those it draws with.
        used = {name: noise for name, noise in buffers if name.endswith(".noise_const") and noise.shape[-2] <= generator.img_resolution}
        return cls({name: noise.expand(count, 1, -1, -1) for name, noise in used.items()})

    def __getitem__(self, index: Tensor) -> NoiseMaps:
        return NoiseMaps({name: noise[index] for name, noise in self.maps.items()})

    def images(self, generator: Generator, ws: Tensor) -> Tensor:
        """Pictures of ws with these maps for noise."""
        if not self.maps:
            return generator.synthesis(ws, noise_mode="const")
        return functional_call(generator.synthesis, self.maps, (ws,), {"noise_mode": "const"})

    def structure(self) -> Tensor | float:
        """[N] squared correlations of neighbouring values, over all maps and their halvings down to 8 (Karras et al. 2020, eq. 12-13):
        0 for white noise, large where a map draws a picture."""
        total: Tensor | float = 0.0
        for noise in self.maps.values():
            while True:
                for axis in (2, 3):
                    total = total + (noise * noise.roll(1, axis)).mean((1, 2, 3)).square()
                if min(noise.shape[2:]) <= _SMALLEST:
                    break
                # The mean of four has half the deviation.
                noise = 2 * F.avg_pool2d(noise, 2)
        return total

    @torch.no_grad()
    def normalise(self) -> None:
        """Bring every map back to mean 0 and variance 1."""
        for noise in self.maps.values():
            noise -= noise.mean((1, 2, 3), keepdim=True)
            noise *= noise.square().mean((1, 2, 3), keepdim=True).clamp_min(1e-12).rsqrt()
