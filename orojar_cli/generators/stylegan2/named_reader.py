"""State dictionaries of StyleGAN2 in the names of NVIDIA's modules, which are ours too (`synthesis.b4.const`, `mapping.fc0.weight`…).

Sizes, depth and architecture are deduced from the tensors.
"""

from __future__ import annotations

from dataclasses import replace

from orojar_cli.containers.records import TensorRecord
from orojar_cli.containers.state_dict import StateDict, StateDicts
from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.generators.family import Read
from orojar_cli.generators.named_mapping import UNSEEN, named_mapping, sizes
from orojar_cli.generators.pickle_options import stored_taps, with_used_filters
from orojar_cli.generators.stylegan2.config import StyleGAN2Config, SynthesisConfig
from orojar_cli.generators.stylegan2.pickle_reader import USED_FILTERS
from orojar_cli.generators.stylegan2.state_dict_reader import channel_rule


def recognise(file: StateDicts) -> StateDict | None:
    """A state dictionary that begins with StyleGAN2's learned constant."""
    return file.generator(lambda tensors: "synthesis.b4.const" in tensors and "mapping.fc0.weight" in tensors)


def read(stored: StateDict, where: str) -> Read:
    """Configuration and tensors; raises UnsupportedCheckpointError and DamagedCheckpointError."""
    tensors = stored.tensors
    resolutions = [4 << power for power in range(9) if f"synthesis.b{4 << power}.conv1.weight" in tensors]
    last = max(resolutions, default=0)
    if resolutions != [4 << power for power in range(len(resolutions))] or not resolutions:
        raise UnsupportedCheckpointError(f"not supported: {where} has no block of 4x4 pixels, or blocks missing")
    widths = {size: sizes(tensors, f"synthesis.b{size}.conv1.weight", 4, where)[0] for size in resolutions}
    base, largest = channel_rule(widths, where)
    _, height, width = sizes(tensors, "synthesis.b4.const", 3, where)
    synthesis = SynthesisConfig(
        w_dim=sizes(tensors, "synthesis.b4.conv1.affine.weight", 2, where)[1],
        img_resolution=last,
        img_channels=sizes(tensors, f"synthesis.b{last}.torgb.weight", 4, where)[0],
        channel_base=base,
        channel_max=largest,
        architecture=_architecture(tensors, last),
        resample_filter=stored_taps(tensors.get("synthesis.b4.resample_filter"), where),
        use_noise="synthesis.b4.conv1.noise_strength" in tensors,
        start=(height, width),
    )
    config = StyleGAN2Config(named_mapping(tensors, synthesis.w_dim, synthesis.num_ws, 0.995, where), synthesis)
    filtered = with_used_filters(tensors, config.shapes(), USED_FILTERS, synthesis.resample_filter, where)
    return replace(config, substitutes=(UNSEEN.format("no clamping of layers"),)), filtered


def _architecture(tensors: dict[str, TensorRecord], last: int) -> str:
    if any(name.endswith(".skip.weight") for name in tensors):
        return "resnet"
    return "skip" if last == 4 or "synthesis.b4.torgb.weight" in tensors else "orig"
