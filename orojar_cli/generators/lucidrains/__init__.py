"""Networks of lucidrains' stylegan2-pytorch: `model_N.pt` beside `.config.json`."""

from __future__ import annotations

from orojar_cli.containers.state_dict import StateDicts
from orojar_cli.generators.family import Family, Reader
from orojar_cli.generators.lucidrains import state_dict_reader
from orojar_cli.generators.lucidrains.config import LucidrainsConfig

FAMILY = Family(
    name="lucidrains",
    config=LucidrainsConfig,
    network="Lucidrains",
    readers=(Reader(StateDicts, state_dict_reader.recognise, state_dict_reader.read, trained=state_dict_reader.trained),),
    beside=(state_dict_reader.SETTINGS,),
)
