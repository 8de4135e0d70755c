"""Points at which a generator is looked at: latents with their labels and truncation, drawn by numbered seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor

from orojar_cli.devices import sent
from orojar_cli.errors import OptionError
from orojar_cli.generators.protocol import Generator
from orojar_cli.numbers import Classes, as_classes, check_number, check_seeds

# Of truncation thresholds: one number in 125 lies below.
_LOWEST_LIMIT = 0.01


@dataclass(frozen=True)
class Latents:
    """Points at which a generator is looked at: z [N, z_dim], label [N, c_dim] or None, and the truncation used for their ws.

    `seeds` are those that the points were drawn by, where they were; random noise of their images is theirs too.
    """

    z: Tensor
    label: Tensor | None = None
    psi: float = 1.0
    cutoff: int | None = None
    seeds: tuple[int, ...] | None = None

    def __len__(self) -> int:
        return len(self.z)

    def __getitem__(self, index: slice | Tensor) -> Latents:
        label = None if self.label is None else self.label[index]
        return Latents(self.z[index], label, self.psi, self.cutoff, taken(self.seeds, index))

    def repeat(self, count: int) -> Latents:
        """All points `count` times, one whole round after another."""
        label = None if self.label is None else self.label.repeat(count, 1)
        return Latents(self.z.repeat(count, 1), label, self.psi, self.cutoff, self.seeds and self.seeds * count)

    def repeat_interleave(self, count: int) -> Latents:
        """Each point `count` times in a row."""
        label = None if self.label is None else self.label.repeat_interleave(count, 0)
        seeds = self.seeds and tuple(seed for seed in self.seeds for _ in range(count))
        return Latents(self.z.repeat_interleave(count, 0), label, self.psi, self.cutoff, seeds)


def taken(seeds: tuple[int, ...] | None, index: slice | Tensor) -> tuple[int, ...] | None:
    """The seeds at a slice, or at the places that a tensor numbers or marks."""
    if seeds is None:
        return None
    if isinstance(index, slice):
        return seeds[index]
    return tuple(np.asarray(seeds, object)[index.cpu().numpy()])


def one_hot(generator: Generator, class_index: Any, count: int) -> torch.Tensor | None:
    """Labels [count, c_dim] of one class, or of a mixture of some as `as_classes` takes them.

    Raises OptionError when the network needs a class or has no such class.
    """
    chosen = as_classes(class_index)
    if generator.c_dim == 0:
        if chosen is not None:
            raise OptionError("this network is not conditional: leave out --class")
        return None
    if chosen is None:
        raise OptionError(f"this network is conditional: give a class from 0 to {generator.c_dim - 1} (--class)")
    return label_of(generator.c_dim, chosen).repeat(count, 1).to(generator.device)


def label_of(c_dim: int, classes: Classes) -> Tensor:
    """The label [c_dim] of a class or mixture; raises OptionError for a class that there is not."""
    label = torch.zeros(c_dim, device="cpu")
    for index, weight in ((classes, 1.0),) if isinstance(classes, int) else classes:
        if not 0 <= index < c_dim:
            raise OptionError(f"this network is conditional: give a class from 0 to {c_dim - 1} (--class)")
        label[index] = weight
    return label


def within(generator: Generator, psi: float, z: Tensor, draw: Callable[[int], Tensor]) -> Tensor:
    """z [N, z_dim] of normal numbers with those drawn again, by `draw`, that lie beyond what the network is to be given.

    That is so for networks which say a `z_limit`: BigGAN's truncation cuts the distribution of z.  Others get z as it is.
    Raises OptionError for a threshold so low that numbers below it are hardly ever drawn.
    """
    limit = generator.z_limit(psi) if hasattr(generator, "z_limit") else None
    if limit is None:
        return z
    if not limit >= _LOWEST_LIMIT:
        raise OptionError(
            f"truncation {psi:g}: this network's z is drawn again beyond that threshold, which must be {_LOWEST_LIMIT} or more"
        )
    z = z.clone()
    while bool((outside := z.abs() > limit).any()):
        z[outside] = draw(int(outside.sum())).to(z)
    return z


def normal_latents(generator: Generator, count: int, rng: torch.Generator, psi: float = 1.0) -> Tensor:
    """z [count, z_dim] from `rng`, which is on the CPU, on the generator's device."""
    z = torch.randn(count, generator.z_dim, generator=rng)
    return sent(within(generator, psi, z, lambda number: torch.randn(number, generator=rng)), generator.device)


def seed_latents(
    generator: Generator, seeds: Sequence[int], class_index: Any = None, psi: float = 1.0, cutoff: int | None = None
) -> Latents:
    """The latents of numbered seeds as the StyleGAN tools draw them: numpy.random.RandomState(seed).randn(1, z_dim).

    What the network does not take of these (`within`) the same RandomState draws again.
    Raises OptionError for seeds, a class or a truncation that there cannot be.
    """
    check_number("trunc", psi, -100, 100)
    if cutoff is not None and (isinstance(cutoff, bool) or not isinstance(cutoff, Integral) or not 0 <= cutoff <= generator.num_ws):
        raise OptionError(f"--trunc-cutoff {cutoff!r:.60}: this network has {generator.num_ws} entries of ws, so it is from 0 to that")
    check_seeds(seeds)
    device = generator.device
    z = torch.cat([_of_seed(generator, seed, psi) for seed in seeds])
    return Latents(z.to(device, torch.float32), one_hot(generator, class_index, len(seeds)), psi, cutoff, tuple(seeds))


def _of_seed(generator: Generator, seed: int, psi: float) -> Tensor:
    """z [1, z_dim], float64."""
    state = np.random.RandomState(seed)
    return within(generator, psi, torch.from_numpy(state.randn(1, generator.z_dim)), lambda count: torch.from_numpy(state.randn(count)))
