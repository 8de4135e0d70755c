"""DCGAN (Radford et al. 2015)."""

from __future__ import annotations

from orojar_cli.containers.state_dict import StateDicts
from orojar_cli.generators.dcgan import state_dict_reader
from orojar_cli.generators.dcgan.config import DCGANConfig
from orojar_cli.generators.family import Family, Reader

FAMILY = Family(
    name="DCGAN",
    config=DCGANConfig,
    network="DCGAN",
    readers=(Reader(StateDicts, state_dict_reader.recognise, state_dict_reader.read),),
)
