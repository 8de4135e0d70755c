"""StyleGAN, the first (Karras et al. 2019): GenForce's, the original TensorFlow and the widespread PyTorch files."""

from __future__ import annotations

from orojar_cli.containers.state_dict import StateDicts
from orojar_cli.containers.tensorflow import TensorFlowNetwork
from orojar_cli.generators.family import Family, Reader
from orojar_cli.generators.stylegan1 import genforce_reader, state_dict_reader, tensorflow_reader
from orojar_cli.generators.stylegan1.config import StyleGAN1Config

FAMILY = Family(
    name="StyleGAN",
    config=StyleGAN1Config,
    network="StyleGAN1",
    readers=(
        Reader(TensorFlowNetwork, tensorflow_reader.recognise, tensorflow_reader.read),
        Reader(StateDicts, genforce_reader.recognise, genforce_reader.read),
        Reader(StateDicts, state_dict_reader.recognise, state_dict_reader.read),
    ),
)
