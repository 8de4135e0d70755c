"""StyleGAN-XL (Sauer et al. 2022): StyleGAN3's layers, grown by heads, behind a mapping with an embedding and a mean w for each class."""

from __future__ import annotations

from orojar_cli.containers.module_tree import NetworkTree
from orojar_cli.generators.family import Family, Reader
from orojar_cli.generators.styleganxl import pickle_reader
from orojar_cli.generators.styleganxl.config import StyleGANXLConfig

FAMILY = Family(
    name="StyleGAN-XL",
    config=StyleGANXLConfig,
    network="StyleGANXL",
    readers=(Reader(NetworkTree, pickle_reader.recognise, pickle_reader.read),),
)
