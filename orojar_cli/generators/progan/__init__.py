"""ProGAN (Karras et al. 2018)."""

from __future__ import annotations

from orojar_cli.containers.state_dict import StateDicts
from orojar_cli.containers.tensorflow import TensorFlowNetwork
from orojar_cli.generators.family import Family, Reader
from orojar_cli.generators.progan import genforce_reader, state_dict_reader, tensorflow_reader
from orojar_cli.generators.progan.config import ProGANConfig

FAMILY = Family(
    name="ProGAN",
    config=ProGANConfig,
    network="ProGAN",
    readers=(
        Reader(TensorFlowNetwork, tensorflow_reader.recognise, tensorflow_reader.read),
        Reader(StateDicts, state_dict_reader.recognise, state_dict_reader.read),
        Reader(StateDicts, genforce_reader.recognise, genforce_reader.read),
    ),
)
