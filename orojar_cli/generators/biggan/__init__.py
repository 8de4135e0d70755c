"""BigGAN (Brock et al. 2019) in both layouts in circulation: BigGAN-PyTorch's G_ema.pth and pytorch-pretrained-biggan's folders."""

from __future__ import annotations

from orojar_cli.containers.state_dict import StateDicts
from orojar_cli.generators.biggan import folder_reader, state_dict_reader
from orojar_cli.generators.biggan.config import BigGANConfig
from orojar_cli.generators.family import Family, Reader

FAMILY = Family(
    name="BigGAN",
    config=BigGANConfig,
    network="BigGAN",
    readers=(
        Reader(StateDicts, state_dict_reader.recognise, state_dict_reader.read),
        Reader(StateDicts, folder_reader.recognise, folder_reader.read),
    ),
)
