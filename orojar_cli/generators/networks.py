"""Configuration -> network."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from orojar_cli.generators.critic import Critic
from orojar_cli.generators.critic_config import CriticConfig
from orojar_cli.generators.dcgan import DCGAN
from orojar_cli.generators.dcgan_config import DCGANConfig
from orojar_cli.generators.progan import ProGAN
from orojar_cli.generators.progan_config import ProGANConfig
from orojar_cli.generators.stylegan2 import StyleGAN2
from orojar_cli.generators.stylegan2_config import StyleGAN2Config
from orojar_cli.generators.stylegan3 import StyleGAN3
from orojar_cli.generators.stylegan3_config import StyleGAN3Config

_NETWORKS: dict[type, Any] = {
    StyleGAN2Config: StyleGAN2,
    StyleGAN3Config: StyleGAN3,
    ProGANConfig: ProGAN,
    DCGANConfig: DCGAN,
    CriticConfig: Critic,
}


def empty_network(config: Any) -> nn.Module:
    """The network of a configuration on the meta device: every tensor has its shape and no memory."""
    with torch.device("meta"):
        return _NETWORKS[type(config)](config)
