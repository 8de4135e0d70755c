"""The checkpoint's critic as an opponent: its copy learns to tell the tuned network's images from training pictures."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from orojar_cli.devices import memory_budget
from orojar_cli.distributed import add_gradients, joined, own
from orojar_cli.errors import OptionError
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.points import normal_latents
from orojar_cli.response.jacobian import DEFAULT_BUDGET
from orojar_cli.response.outputs import Output
from orojar_cli.response.recomputation import graph_bytes, pieces, recomputed
from orojar_cli.tuning.dataset import TrainingPictures

_RATE, _BETAS = 0.002, (0.0, 0.99)
_R1_EVERY = 16
# Images that a critic judges at once; which of them it compares depends on that.
_JUDGED = 32


class Adversary:
    """Non-saturating GAN losses (Goodfellow et al. 2014) with lazy R1 (Mescheder et al. 2018; every 16 steps, Karras et al. 2020).

    R1's weight is 0.0002 x pixels / batch (Karras et al. 2020, arXiv 2006.06676, appendix C).  Processes share a batch by whole groups
    of the critic's minibatch deviation, so the numbers do not depend on how many there are.
    """

    def __init__(self, generator: Generator, critic: Any, pictures: TrainingPictures, batch: int = 16) -> None:
        """Raises OptionError for a network without a critic, and for one with classes, as the pictures' are not known."""
        if critic is None:
            raise OptionError("--data needs the checkpoint's critic (D), and this file has none; leave out --data")
        if generator.c_dim:
            raise OptionError("--data cannot be used with a conditional network: the pictures' classes are not known; leave it out")
        self.generator, self.pictures = generator, pictures
        self.critic = copy.deepcopy(critic)
        self.group = group_size(critic, batch)
        self.batch = batch - batch % self.group
        few = pieces(generator, (Output(),), 2 * self.batch)
        self.images_at_once = few and few[0]
        self.gamma = 0.0002 * math.prod(generator.image_shape[1:]) / self.batch
        self.parts: dict[str, tuple[nn.Module, torch.optim.Adam]] = {
            "critic.": (self.critic, torch.optim.Adam(self.critic.parameters(), _RATE, betas=_BETAS))
        }

    def images(self, mapping: Any, rng: torch.Generator) -> Tensor:
        """[n, group, C, H, W]: this process's groups of a batch of the tuned network's images."""
        z = normal_latents(self.generator, self.batch, rng).to(next(mapping.parameters()))
        draw = recomputed(lambda z: self.generator.synthesis(mapping(z)), self.images_at_once)
        return draw(self._own(z).flatten(0, 1)).unflatten(0, (-1, self.group))

    def _own(self, items: Tensor) -> Tensor:
        """[n, group, ...]: this process's groups of a batch."""
        return own(items.unflatten(0, (-1, self.group)))

    def _logits(self, groups: Tensor) -> Tensor:
        """[n, group] of images [n, group, C, H, W]; the critic's own groups are strided, so they are formed the same."""
        return self.critic(groups.transpose(0, 1).flatten(0, 1)).unflatten(0, (self.group, -1)).transpose(0, 1).squeeze(2)

    def _judged(self, groups: Tensor, penalised: bool = False) -> tuple[Tensor, Tensor]:
        """Logits [n, group] and, where R1 is due, the squared norms of their slopes (else zeros), few groups at a time."""

        def judge(groups: Tensor) -> tuple[Tensor, Tensor]:
            if not penalised:
                return (logits := self._logits(groups)), torch.zeros_like(logits)
            groups = groups.detach().requires_grad_(True)
            logits = self._logits(groups)
            (slope,) = torch.autograd.grad(logits.sum(), groups, create_graph=True)
            return logits, slope.square().sum((2, 3, 4))

        return recomputed(judge, self.images_at_once and max(1, self.images_at_once // self.group))(groups)

    def step(self, mapping: Any, step: int, rng: torch.Generator) -> dict[str, Tensor]:
        """One step of the critic: E softplus(D(fake)) + E softplus(-D(real)), and R1 at every 16th."""
        optimiser = self.parts["critic."][1]
        with torch.no_grad():
            fake = self.images(mapping, rng)
        chosen = torch.randint(0, len(self.pictures), (self.batch,), generator=rng)
        penalised = step % _R1_EVERY == 0
        real = self.pictures.batch(self._own(chosen).flatten()).to(fake).unflatten(0, (-1, self.group))
        self.critic.requires_grad_(True)
        fake_logits, _ = self._judged(fake)
        real_logits, slopes = self._judged(real, penalised)
        loss = (F.softplus(fake_logits).sum() + F.softplus(-real_logits).sum()) / self.batch
        loss = loss + self.gamma / 2 * _R1_EVERY * slopes.sum() / self.batch
        optimiser.zero_grad()
        loss.backward()
        add_gradients(self.critic.parameters())
        optimiser.step()
        self.critic.requires_grad_(False)
        real_logits, fake_logits = (self._joined(logits.detach()) for logits in (real_logits, fake_logits))
        return {"critic_real": real_logits.mean(), "critic_fake": fake_logits.mean()}

    def loss(self, mapping: Any, rng: torch.Generator) -> Tensor:
        """The mapping's part: E softplus(-D(image))."""
        return F.softplus(-self._joined(self._judged(self.images(mapping, rng))[0])).mean()

    def _joined(self, logits: Tensor) -> Tensor:
        """The logits of the whole batch."""
        return joined(logits, self.batch // self.group)


def group_size(critic: Any, most: int) -> int:
    """How many images a critic compares with each other: a batch must be a multiple of it."""
    if not critic.config.mbstd_num_channels:
        return 1
    return min(critic.config.mbstd_group_size or most, most)


@torch.no_grad()
def score_of(critic: Any, generator: Generator, w: Tensor, label: Tensor, budget: int | None = None) -> float:
    """`mean_score` of the images of w [N, w_dim], drawn as few at a time as the memory of `budget` bytes holds."""
    budget = memory_budget(generator.device, DEFAULT_BUDGET) if budget is None else budget
    group = group_size(critic, len(w))
    count = len(w) - len(w) % group
    at_once = max(1, min(_JUDGED, budget // graph_bytes(generator, (Output(),))) // group) * group
    total = 0.0
    for start in range(0, count, at_once):
        part = w[start : min(start + at_once, count)]
        images = generator.synthesis(part.unsqueeze(1).expand(-1, generator.num_ws, -1))
        total += mean_score(critic, images, label[start : start + len(part)]) * len(part)
    return total / count


@torch.no_grad()
def mean_score(critic: Any, images: Tensor, label: Tensor) -> float:
    """Mean logit of images [N, C, R, R], but for the few beyond the last whole group."""
    group = group_size(critic, len(images))
    count, at_once = len(images) - len(images) % group, max(1, _JUDGED // group) * group
    parts = zip(images[:count].split(at_once), label[:count].split(at_once), strict=True)
    return float(torch.cat([critic(*part) for part in parts]).mean())
