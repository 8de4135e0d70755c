"""Numbers that readers supply where a file does not hold them, the same at every reading; `assumptions.py` says how they are named."""

from __future__ import annotations

from typing import Any

from orojar_cli.containers.derived import DerivedRecord
from orojar_cli.containers.records import TensorRecord
from orojar_cli.generators.mapping_config import MappingConfig

LATENTS = 4096


def drawn_noise(size: tuple[int, int], seed: int) -> DerivedRecord:
    """Fixed noise for files that keep none: those networks draw it anew for every image."""

    def make(_: Any) -> Any:
        import torch

        return torch.randn(size, generator=torch.Generator().manual_seed(seed))

    return DerivedRecord(size, None, make)


def estimated_mean(config: MappingConfig, tensors: dict[str, TensorRecord | DerivedRecord]) -> DerivedRecord:
    """The mean w of a few thousand z, for files that keep none."""

    def make(_: Any) -> Any:
        import dataclasses

        import torch

        from orojar_cli.containers.tensors import stored_tensor
        from orojar_cli.generators.mapping import Mapping as MappingNetwork

        network = MappingNetwork(dataclasses.replace(config, w_avg_beta=None))
        network.load_state_dict({name.partition(".")[2]: stored_tensor(record).float() for name, record in tensors.items()})
        with torch.no_grad():
            return network.w(torch.randn(LATENTS, config.z_dim, generator=torch.Generator().manual_seed(0))).mean(0)

    return DerivedRecord((config.w_dim,), None, make)
