"""Configuration -> network."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from orojar_cli.generators.critic.config import CriticConfig
from orojar_cli.generators.critic.network import Critic
from orojar_cli.generators.dcgan.config import DCGANConfig
from orojar_cli.generators.dcgan.network import DCGAN
from orojar_cli.generators.progan.config import ProGANConfig
from orojar_cli.generators.progan.network import ProGAN
from orojar_cli.generators.simplegan.config import SimpleGANConfig
from orojar_cli.generators.simplegan.network import SimpleGAN
from orojar_cli.generators.stylegan2.config import StyleGAN2Config
from orojar_cli.generators.stylegan2.network import StyleGAN2
from orojar_cli.generators.stylegan3.config import StyleGAN3Config
from orojar_cli.generators.stylegan3.network import StyleGAN3

_NETWORKS: dict[type, Any] = {
    StyleGAN2Config: StyleGAN2,
    StyleGAN3Config: StyleGAN3,
    ProGANConfig: ProGAN,
    DCGANConfig: DCGAN,
    SimpleGANConfig: SimpleGAN,
    CriticConfig: Critic,
}


def empty_network(config: Any) -> nn.Module:
    """The network of a configuration on the meta device: every tensor has its shape and no memory."""
    with torch.device("meta"):
        return _NETWORKS[type(config)](config)
