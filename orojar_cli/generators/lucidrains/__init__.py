"""The StyleGAN2 of lucidrains' stylegan2-pytorch, a network of its own: one w a block, ordinary linear layers, one noise map for all."""

from __future__ import annotations

from orojar_cli.containers.state_dict import StateDicts
from orojar_cli.generators.family import Family, Reader
from orojar_cli.generators.lucidrains import state_dict_reader
from orojar_cli.generators.lucidrains.config import LucidrainsConfig

FAMILY = Family(
    name="StyleGAN2 (lucidrains)",
    config=LucidrainsConfig,
    network="Lucidrains",
    readers=(Reader(StateDicts, state_dict_reader.recognise, state_dict_reader.read),),
    beside=(state_dict_reader.SETTINGS,),
)
