"""The critic (discriminator) of StyleGAN2 and StyleGAN3."""

from __future__ import annotations

from orojar_cli.containers.module_tree import NetworkTree
from orojar_cli.containers.state_dict import StateDicts
from orojar_cli.containers.tensorflow import TensorFlowNetwork
from orojar_cli.generators.critic import named_reader, pickle_reader, state_dict_reader, tensorflow_reader
from orojar_cli.generators.critic.config import CriticConfig
from orojar_cli.generators.family import CRITIC, Family, Reader

FAMILY = Family(
    name=CRITIC,
    config=CriticConfig,
    network="Critic",
    readers=(
        Reader(NetworkTree, pickle_reader.recognise, pickle_reader.read),
        Reader(TensorFlowNetwork, tensorflow_reader.recognise, tensorflow_reader.read),
        Reader(StateDicts, state_dict_reader.recognise, state_dict_reader.read),
        Reader(StateDicts, named_reader.recognise, named_reader.read),
    ),
    has_pickle_form=True,
    role=CRITIC,
)
