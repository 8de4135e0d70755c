"""The small generators of the OroJaR (Wei et al. 2021) and Hessian Penalty (Peebles et al. 2020) experiments."""

from __future__ import annotations

from orojar_cli.containers.state_dict import StateDicts
from orojar_cli.generators.family import Family, Reader
from orojar_cli.generators.simplegan import state_dict_reader
from orojar_cli.generators.simplegan.config import SimpleGANConfig

FAMILY = Family(
    name="SimpleGAN",
    config=SimpleGANConfig,
    network="SimpleGAN",
    readers=(Reader(StateDicts, state_dict_reader.recognise, state_dict_reader.read),),
)
