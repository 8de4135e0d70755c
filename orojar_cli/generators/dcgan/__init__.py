"""DCGAN (Radford et al. 2015)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orojar_cli.containers.state_dict import StateDicts
from orojar_cli.generators.dcgan import state_dict_reader
from orojar_cli.generators.dcgan.config import DCGANConfig
from orojar_cli.generators.family import Family, Reader

if TYPE_CHECKING:
    from torch import nn


def _network(config: DCGANConfig) -> nn.Module:
    from orojar_cli.generators.dcgan.network import DCGAN

    return DCGAN(config)


FAMILY = Family(
    name="DCGAN",
    config=DCGANConfig,
    network=_network,
    readers=(Reader(StateDicts, state_dict_reader.recognise, state_dict_reader.read),),
)
