"""StyleGAN3 (Karras et al. 2021)."""

from __future__ import annotations

from orojar_cli.containers.module_tree import NetworkTree
from orojar_cli.containers.state_dict import StateDicts
from orojar_cli.generators.family import Family, Reader
from orojar_cli.generators.stylegan3 import named_reader, pickle_reader
from orojar_cli.generators.stylegan3.config import StyleGAN3Config

FAMILY = Family(
    name="StyleGAN3",
    config=StyleGAN3Config,
    network="StyleGAN3",
    readers=(
        Reader(NetworkTree, pickle_reader.recognise, pickle_reader.read),
        Reader(StateDicts, named_reader.recognise, named_reader.read),
    ),
    has_pickle_form=True,
    critics=True,
)
