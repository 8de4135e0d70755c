"""The noise of mode "random": numbers that belong to an image's seed and to the layer, whatever is drawn beside it and wherever."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from orojar_cli.errors import OptionError

Randomness = torch.Generator | Sequence[int] | None
"""What noise is drawn from: a seed for each image; or a generator, by default torch's own of the processor, from which seeds are drawn."""


def noise_seeds(rng: Randomness, count: int) -> list[int]:
    """The seeds of `count` images, one after another from a generator: batches of any size in turn get the same.

    Raises OptionError for another number of seeds.
    """
    if rng is None or isinstance(rng, torch.Generator):
        device = "cpu" if rng is None else rng.device
        drawn: list[int] = torch.randint(0, 2**62, (count,), generator=rng, device=device).tolist()
        return drawn
    if len(rng) != count:
        raise OptionError(f"{len(rng)} noise seeds for {count} images; give one for each")
    return [int(seed) for seed in rng]


def layer_noise(seeds: Sequence[int], layer: str, size: tuple[int, int], like: Tensor) -> Tensor:
    """Standard normal noise [N, 1, H, W] of the layer called `layer` for images of these seeds, with `like`'s dtype and device.

    Each image's is drawn on the processor by a generator of its own, once for all images of one seed.
    """
    places = {seed: place for place, seed in enumerate(dict.fromkeys(seeds))}
    drawn = torch.stack([torch.randn(1, *size, generator=torch.Generator().manual_seed(_mixed(seed, layer))) for seed in places])
    if len(places) == 1:
        return drawn.to(like).expand(len(seeds), -1, -1, -1)
    return drawn[[places[seed] for seed in seeds]].to(like)


def _mixed(seed: int, layer: str) -> int:
    """A seed for one layer of one image: neighbouring seeds and layers have nothing in common."""
    return int.from_bytes(hashlib.blake2b(f"{seed} {layer}".encode(), digest_size=8).digest(), "little")
