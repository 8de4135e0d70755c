"""State dictionaries of critics in the names of NVIDIA's modules, which are ours too (`b64.conv0.weight`, `b4.out.weight`…).

Sizes and architecture are deduced from the tensors; what shows in none (clamping, groups of four images in the minibatch deviation) is that
of the usual networks.
"""

from __future__ import annotations

from orojar_cli.containers.state_dict import StateDict, StateDicts
from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.generators.critic.config import CriticConfig
from orojar_cli.generators.critic.pickle_reader import USED_FILTERS
from orojar_cli.generators.family import Read
from orojar_cli.generators.mapping_config import MappingConfig
from orojar_cli.generators.named_mapping import named_mapping, sizes
from orojar_cli.generators.pickle_options import stored_taps, with_used_filters
from orojar_cli.generators.stylegan2.state_dict_reader import channel_rule


def recognise(file: StateDicts) -> StateDict | None:
    """A critic's state dictionary with the last layers of NVIDIA's."""
    return file.critic(lambda tensors: "b4.out.weight" in tensors and "b4.conv.weight" in tensors)


def read(stored: StateDict, where: str) -> Read:
    """Configuration and tensors; raises UnsupportedCheckpointError and DamagedCheckpointError."""
    tensors = stored.tensors
    resolutions = [8 << power for power in range(8) if f"b{8 << power}.conv0.weight" in tensors]
    if resolutions != [8 << power for power in range(len(resolutions))] or not resolutions:
        raise UnsupportedCheckpointError(f"not supported: {where} has no block of 8x8 pixels, or blocks missing")
    last = resolutions[-1]
    widths = {size: sizes(tensors, f"b{size}.conv0.weight", 4, where)[1] for size in resolutions}
    widths[4] = sizes(tensors, "b4.conv.weight", 4, where)[0]
    base, largest = channel_rule(widths, where)
    skips = any(name.endswith(".skip.weight") for name in tensors)
    width, flat = sizes(tensors, "b4.fc.weight", 2, where)
    if flat != 16 * width:
        raise UnsupportedCheckpointError(f"not supported: {where} is a critic of images that are not square, of sizes that it does not say")
    mapping: MappingConfig | None = None
    if "mapping.embed.weight" in tensors:
        mapping = named_mapping(tensors, sizes(tensors, "b4.out.weight", 2, where)[0], None, None, where)
    config = CriticConfig(
        c_dim=mapping.c_dim if mapping else 0,
        img_resolution=last,
        img_channels=sizes(tensors, f"b{last}.fromrgb.weight", 4, where)[1],
        channel_base=base,
        channel_max=largest,
        architecture="resnet" if skips else "skip" if "b4.fromrgb.weight" in tensors else "orig",
        resample_filter=stored_taps(tensors.get(f"b{last}.resample_filter"), where),
        mbstd_num_channels=sizes(tensors, "b4.conv.weight", 4, where)[1] - widths[4],
        mapping=mapping,
    )
    return config, with_used_filters(tensors, config.shapes(), USED_FILTERS, config.resample_filter, where)
