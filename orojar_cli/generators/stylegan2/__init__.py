"""StyleGAN2 (Karras et al. 2020) and StyleGAN2-ADA."""

from __future__ import annotations

from orojar_cli.containers.module_tree import NetworkTree
from orojar_cli.containers.state_dict import StateDicts
from orojar_cli.containers.tensorflow import TensorFlowNetwork
from orojar_cli.generators.family import Family, Reader
from orojar_cli.generators.stylegan2 import genforce_reader, named_reader, pickle_reader, state_dict_reader, tensorflow_reader
from orojar_cli.generators.stylegan2.config import StyleGAN2Config

FAMILY = Family(
    name="StyleGAN2",
    config=StyleGAN2Config,
    network="StyleGAN2",
    readers=(
        Reader(NetworkTree, pickle_reader.recognise, pickle_reader.read, also=("StyleGAN2-ADA",)),
        Reader(TensorFlowNetwork, tensorflow_reader.recognise, tensorflow_reader.read),
        Reader(StateDicts, state_dict_reader.recognise, state_dict_reader.read),
        Reader(StateDicts, genforce_reader.recognise, genforce_reader.read),
        Reader(StateDicts, named_reader.recognise, named_reader.read),
    ),
    has_pickle_form=True,
    critics=True,
)
