"""The StyleGAN-XL generator (Sauer et al. 2022, arXiv 2202.00273), our own implementation on StyleGAN3's layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from orojar_cli.errors import OptionError
from orojar_cli.generators.base import BaseGenerator
from orojar_cli.generators.checks import check_latents
from orojar_cli.generators.mapping import Mapping
from orojar_cli.generators.primitives import FullyConnected, normalise_second_moment
from orojar_cli.generators.stylegan3.network import AliasFreeSynthesis
from orojar_cli.generators.styleganxl.config import ClassMappingConfig, StyleGANXLConfig

_AVERAGE = 512


class ClassMapping(Mapping):
    """z [N, z_dim] and label [N, c_dim] -> ws [N, num_ws, w_dim]; `w_avg` [c_dim, w_dim] has a row for each class.

    Of a label only its largest entry counts: embeddings are picked, not mixed.
    """

    config: ClassMappingConfig

    def __init__(self, config: ClassMappingConfig) -> None:
        super().__init__(config)
        if config.c_dim:
            self.embed = nn.Module()
            self.embed.register_buffer("weight", torch.empty(config.c_dim, config.class_features))
            self.embed_proj = FullyConnected(config.class_features, config.z_dim, "lrelu")
            self.register_buffer("w_avg", torch.zeros(config.c_dim, config.w_dim))

    def prepare(self, z: Tensor | None, label: Tensor | None = None) -> Tensor:
        """The first layer's input: z and the class's projected embedding, each normalised.  Raises OptionError for what does not fit."""
        config, weight = self.config, self.layers[0].weight
        check_latents(z, label, config.z_dim, config.c_dim, weight.device, weight.dtype)  # type: ignore[arg-type]
        assert z is not None
        x = normalise_second_moment(z)
        if not config.c_dim:
            return x
        assert label is not None
        embedded: Tensor = self.embed.weight[label.argmax(1)]  # type: ignore[index]
        return torch.cat([x, normalise_second_moment(self.embed_proj(embedded))], 1)

    def towards(self, w: Tensor, psi: float, cutoff: int | None, label: Tensor | None) -> Tensor:
        """As in the base, towards the mean of the label's class; raises OptionError where truncation needs a label and has none."""
        if not self.config.c_dim or psi == 1:
            return self.spread(w, psi, cutoff)
        if label is None:
            raise OptionError("truncation is towards the mean of a class here: give the label too")
        mean = self.w_avg[label.argmax(1)]
        pulled, whole = self.spread(mean + psi * (w - mean), 1, None), self.spread(w, 1, None)
        count = whole.shape[1] if cutoff is None else max(0, min(cutoff, whole.shape[1]))
        return torch.cat([pulled[:, :count], whole[:, count:]], 1)

    def renew_average(self, z: Tensor, label: Tensor | None) -> None:
        """Make each row of `w_avg` the mean w of its class at the first of these z."""
        if not self.config.c_dim:
            super().renew_average(z, label)
            return
        z = z[:_AVERAGE]
        for index in range(self.config.c_dim):
            one = torch.zeros(len(z), self.config.c_dim, device=z.device)
            one[:, index] = 1
            self.w_avg[index] = self.w(z, one).mean(0)


class StyleGANXL(BaseGenerator):
    """z -> mapping -> ws -> synthesis -> images."""

    def __init__(self, config: StyleGANXLConfig) -> None:
        assert isinstance(config.mapping, ClassMappingConfig)
        super().__init__(config, ClassMapping(config.mapping), AliasFreeSynthesis(config.synthesis))

    def z_columns(self) -> list[Tensor]:
        """The weights [rows, z_dim] that read z, as views: the first mapping layer's, without the embedding's columns."""
        return [self.mapping.layers[0].weight[:, : self.z_dim]]
