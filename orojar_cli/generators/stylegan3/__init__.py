"""StyleGAN3 (Karras et al. 2021)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orojar_cli.containers.module_tree import NetworkTree
from orojar_cli.generators.family import Family, Reader
from orojar_cli.generators.stylegan3 import pickle_reader
from orojar_cli.generators.stylegan3.config import StyleGAN3Config

if TYPE_CHECKING:
    from torch import nn

    from orojar_cli.generators.pickle_description import Describers


def _network(config: StyleGAN3Config) -> nn.Module:
    from orojar_cli.generators.stylegan3.network import StyleGAN3

    return StyleGAN3(config)


def _pickle_form() -> Describers:
    from orojar_cli.generators.stylegan3.pickle_form import DESCRIBERS

    return DESCRIBERS


FAMILY = Family(
    name="StyleGAN3",
    config=StyleGAN3Config,
    network=_network,
    readers=(Reader(NetworkTree, pickle_reader.recognise, pickle_reader.read),),
    pickle_form=_pickle_form,
    critics=True,
)
