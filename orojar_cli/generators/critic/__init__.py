"""The critic (discriminator) of StyleGAN2 and StyleGAN3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orojar_cli.containers.module_tree import NetworkTree
from orojar_cli.containers.state_dict import StateDicts
from orojar_cli.containers.tensorflow import TensorFlowNetwork
from orojar_cli.generators.critic import pickle_reader, state_dict_reader, tensorflow_reader
from orojar_cli.generators.critic.config import CriticConfig
from orojar_cli.generators.family import CRITIC, Family, Reader

if TYPE_CHECKING:
    from torch import nn

    from orojar_cli.generators.pickle_description import Describers


def _network(config: CriticConfig) -> nn.Module:
    from orojar_cli.generators.critic.network import Critic

    return Critic(config)


def _pickle_form() -> Describers:
    from orojar_cli.generators.critic.pickle_form import DESCRIBERS

    return DESCRIBERS


FAMILY = Family(
    name=CRITIC,
    config=CriticConfig,
    network=_network,
    readers=(
        Reader(NetworkTree, pickle_reader.recognise, pickle_reader.read),
        Reader(TensorFlowNetwork, tensorflow_reader.recognise, tensorflow_reader.read),
        Reader(StateDicts, state_dict_reader.recognise, state_dict_reader.read),
    ),
    pickle_form=_pickle_form,
    role=CRITIC,
)
