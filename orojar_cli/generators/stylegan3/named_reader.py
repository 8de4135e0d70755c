"""State dictionaries of StyleGAN3 in the names of NVIDIA's modules, which are ours too (`synthesis.L0_36_512.weight`…).

Names and shapes tell the sizes; of the rest the schedule of configurations T and R is tried, and must give the layers that are there.
"""

from __future__ import annotations

import re
from dataclasses import replace

from orojar_cli.containers.module_tree import check_tensors
from orojar_cli.containers.state_dict import StateDict, StateDicts
from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.generators.family import Read
from orojar_cli.generators.named_mapping import UNSEEN, named_mapping, sizes
from orojar_cli.generators.stylegan3.config import AliasFreeConfig, StyleGAN3Config

_LAYER = re.compile(r"synthesis\.(L(\d{1,2})_(\d{1,4})_(\d{1,4}))\.weight\Z")
_BASES = [1 << power for power in range(8, 20)]


def recognise(file: StateDicts) -> StateDict | None:
    """A state dictionary that begins with StyleGAN3's Fourier features."""
    return file.generator(lambda tensors: "synthesis.input.freqs" in tensors and "mapping.fc0.weight" in tensors)


def read(stored: StateDict, where: str) -> Read:
    """Configuration and tensors; raises UnsupportedCheckpointError and DamagedCheckpointError."""
    tensors = stored.tensors
    found = sorted((int(match[2]), int(match[3]), match[1]) for name in tensors if (match := _LAYER.match(name)))
    if len(found) < 2:
        raise UnsupportedCheckpointError(f"not supported: {where} has no layers of StyleGAN3")
    first, (_, resolution, last) = found[0][2], found[-1]
    kernel = sizes(tensors, f"synthesis.{first}.weight", 4, where)[2]
    names = [name for _, _, name in found]
    radial = any(name.endswith(".down_filter") and len(record.shape) == 2 for name, record in tensors.items())
    widest = max(sizes(tensors, f"synthesis.{name}.weight", 4, where)[1] for name in names)
    for base in _BASES:
        try:
            synthesis = AliasFreeConfig(
                w_dim=sizes(tensors, f"synthesis.{first}.affine.weight", 2, where)[1],
                img_resolution=resolution,
                img_channels=sizes(tensors, f"synthesis.{last}.weight", 4, where)[0],
                channel_base=base,
                channel_max=widest,
                num_layers=len(found) - 1,
                conv_kernel=kernel,
                use_radial_filters=radial,
            )
            fits = [layer.name for layer in synthesis.alias_free_layers()] == names
        except UnsupportedCheckpointError:
            continue
        if fits:
            config = StyleGAN3Config(named_mapping(tensors, synthesis.w_dim, synthesis.num_ws, 0.998, where), synthesis)
            check_tensors(tensors, config.shapes(), where)
            return replace(config, substitutes=(UNSEEN.format("the usual band limits"),)), tensors
    raise UnsupportedCheckpointError(f"not supported: {where} has StyleGAN3 layers of other band limits; pass the .pkl, which records them")
