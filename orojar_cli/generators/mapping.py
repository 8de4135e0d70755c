"""The mapping network z -> w of the StyleGAN family (Karras et al. 2019, arXiv 1812.04948), our own implementation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from orojar_cli.generators.base import BaseMapping
from orojar_cli.generators.checks import check_label, check_latents
from orojar_cli.generators.mapping_config import MappingConfig
from orojar_cli.generators.primitives import FullyConnected, normalise_second_moment


class Mapping(BaseMapping):
    """z [N, z_dim] (and label [N, c_dim]) -> ws [N, num_ws, w_dim]."""

    def __init__(self, config: MappingConfig) -> None:
        super().__init__()
        self.config = config
        if config.c_dim:
            self.embed: nn.Module
            if config.joint_label:
                self.embed = nn.Linear(config.c_dim, config.embedding, bias=False)
            else:
                self.embed = FullyConnected(config.c_dim, config.embedding)
        for index, (inputs, outputs) in enumerate(zip(config.features[:-1], config.features[1:], strict=True)):
            self.add_module(f"fc{index}", FullyConnected(inputs, outputs, config.activation, config.lr_multiplier))
        if config.w_avg_beta is not None:
            self.register_buffer("w_avg", torch.zeros(config.w_dim))

    @property
    def layers(self) -> list[FullyConnected]:
        """fc0, fc1, … in order."""
        return [self.get_submodule(f"fc{index}") for index in range(self.config.num_layers)]  # type: ignore[misc]

    def prepare(self, z: Tensor | None, label: Tensor | None = None) -> Tensor:
        """The first layer's input: z and label embedding, normalised.  Raises OptionError for what does not fit."""
        config, weight = self.config, self.layers[0].weight
        joint = config.joint_label
        if config.z_dim:
            check_latents(z, label, config.z_dim, config.c_dim, weight.device, weight.dtype)  # type: ignore[arg-type]
        else:
            check_label(label, None, config.c_dim, weight.device)
        parts = []
        if self.config.z_dim:
            assert z is not None
            parts.append(z if joint or not config.normalize_z else normalise_second_moment(z))
        if self.config.c_dim:
            assert label is not None
            embedded = self.embed(label.to(weight.dtype))
            parts.append(embedded if joint else normalise_second_moment(embedded))
        x = torch.cat(parts, 1)
        return normalise_second_moment(x) if joint and config.normalize_z else x

    def w(self, z: Tensor | None, label: Tensor | None = None) -> Tensor:
        """The w [N, w_dim] before it is repeated per layer and truncated."""
        x = self.prepare(z, label)
        for layer in self.layers:
            x = layer(x)
        return x

    def spread(self, w: Tensor, psi: float, cutoff: int | None) -> Tensor:
        """As in the base; every entry has memory of its own, so that one may be edited in place."""
        num_ws = self.config.num_ws
        assert num_ws is not None
        cutoff = num_ws if cutoff is None else max(0, min(cutoff, num_ws))
        if psi == 1 or cutoff == 0:
            return w.unsqueeze(1).repeat(1, num_ws, 1)
        truncated = self.w_avg + psi * (w - self.w_avg)
        if cutoff == num_ws:
            return truncated.unsqueeze(1).repeat(1, num_ws, 1)
        return torch.cat([truncated.unsqueeze(1).expand(-1, cutoff, -1), w.unsqueeze(1).expand(-1, num_ws - cutoff, -1)], 1)
