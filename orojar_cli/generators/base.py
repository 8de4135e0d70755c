"""What generators of all families have in common: truncation under both of its names, sizes, where and what the network is."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from orojar_cli.generators.checks import truncation
from orojar_cli.generators.noise import Randomness


class BaseMapping(nn.Module):
    """z [N, z_dim] (and label [N, c_dim]) -> ws [N, num_ws, w_dim]; the families say how w is made and how it is spread."""

    w_avg: Tensor

    def w(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """The w [N, w_dim] before it is repeated per layer and truncated.  Raises OptionError for a z or label that does not fit."""
        raise NotImplementedError

    def spread(self, w: Tensor, psi: float, cutoff: int | None) -> Tensor:
        """ws [N, num_ws, w_dim]: w for each entry, the first `cutoff` entries (None: all) pulled towards the mean by psi."""
        raise NotImplementedError

    def towards(self, w: Tensor, psi: float, cutoff: int | None, label: Tensor | None) -> Tensor:
        """`spread`, for w of these labels: families whose mean depends on the class say how."""
        return self.spread(w, psi, cutoff)

    def broadcast(
        self,
        w: Tensor,
        psi: float | None = None,
        cutoff: int | None = None,
        *,
        truncation_psi: float | None = None,
        truncation_cutoff: int | None = None,
        label: Tensor | None = None,
    ) -> Tensor:
        """ws [N, num_ws, w_dim]: w per layer, in the first `cutoff` entries (all by default) w_avg + psi (w - w_avg).

        Networks with a mean for each class need the `label` of w, others do not look at it.  psi is 1 where it is not given;
        `truncation_psi` and `truncation_cutoff` are other names of `psi` and `cutoff`.  Raises OptionError where both names are given and
        differ, or psi is not finite.
        """
        return self.towards(w, *truncation(psi, cutoff, truncation_psi, truncation_cutoff), label)

    def forward(
        self,
        z: Tensor,
        label: Tensor | None = None,
        psi: float | None = None,
        cutoff: int | None = None,
        *,
        truncation_psi: float | None = None,
        truncation_cutoff: int | None = None,
    ) -> Tensor:
        """ws [N, num_ws, w_dim] of z [N, z_dim] (and label [N, c_dim]), truncated as in `broadcast`."""
        psi, cutoff = truncation(psi, cutoff, truncation_psi, truncation_cutoff)
        return self.towards(self.w(z, label), psi, cutoff, label)

    def renew_average(self, z: Tensor, label: Tensor | None) -> None:
        """Make `w_avg` the mean of the mapping's own w at these points."""
        self.w_avg.copy_(self.w(z, label).mean(0))


class BaseGenerator(nn.Module):
    """z -> mapping -> ws -> synthesis -> images.

    `identity` is the hash of the network's file, or a function that gives it when it is first asked for: hashing a large file takes
    longer than loading it.  Who changes weights sets it to "".  `fp16` asks those who draw pictures of it, never those who measure, to
    have what was trained in float16 computed in it.
    """

    identity: str | Callable[[], str] = ""
    fp16 = False
    mapping: Any
    synthesis: Any

    def __init__(self, config: Any, mapping: nn.Module, synthesis: nn.Module) -> None:
        super().__init__()
        self.config = config
        self.z_dim, self.c_dim, self.w_dim, self.num_ws = config.z_dim, config.c_dim, config.w_dim, config.num_ws
        self.image_shape: tuple[int, int, int] = config.image_shape
        self.img_channels, self.img_resolution, _ = self.image_shape
        self.mapping, self.synthesis = mapping, synthesis

    @property
    def device(self) -> torch.device:
        """Where the network computes, and where what is given to it must lie."""
        return next(self.parameters()).device

    @property
    def sha256(self) -> str:
        """SHA-256 of the file that the network was read from; "" for a network that was made or changed in memory."""
        return self.identity if isinstance(self.identity, str) else self.identity()

    def replace_mapping(self, mapping: Any) -> None:
        """Make the mapping, in place, a copy of another; its options, which may be of other sizes, become those of the network."""
        if mapping.config == self.mapping.config:
            self.mapping.load_state_dict(mapping.state_dict())
        else:
            self.mapping = copy.deepcopy(mapping).requires_grad_(False)
            self.config = replace(self.config, mapping=mapping.config)
        self.identity = ""

    def __getstate__(self) -> dict[str, Any]:
        """For copies, which cannot take an open file along: the hash itself."""
        return self.__dict__ | {"identity": self.sha256}

    def forward(
        self,
        z: Tensor,
        label: Tensor | None = None,
        psi: float | None = None,
        cutoff: int | None = None,
        noise_mode: str = "const",
        rng: Randomness = None,
        *,
        truncation_psi: float | None = None,
        truncation_cutoff: int | None = None,
    ) -> Tensor:
        """Images [N, C, H, W] in about [-1, 1] of z [N, z_dim] (and label [N, c_dim]); truncation as in `BaseMapping.broadcast`.

        `rng` gives the noise of mode "random": a seed for each image, or what they are drawn from.
        """
        psi, cutoff = truncation(psi, cutoff, truncation_psi, truncation_cutoff)
        images: Tensor = self.synthesis(self.mapping(z, label, psi, cutoff), noise_mode, rng=rng)
        return images
