"""State dictionaries of DCGAN generators -> our configuration and tensors, deduced from the shapes in their order.

What is between the convolutions, the epsilon of the normalisations and the last activation do not show in tensors: they are the paper's
unless the layout or a configuration object says more, and named as assumed.
"""

from __future__ import annotations

import itertools

from orojar_cli.containers.derived import PLAIN, Form, constant, derive
from orojar_cli.containers.file import printable
from orojar_cli.containers.records import TensorRecord
from orojar_cli.containers.state_dict import StateDict, StateDicts
from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.generators.dcgan.config import ASSUMED, DCGANConfig
from orojar_cli.generators.family import Read
from orojar_cli.generators.transposed_config import KERNEL, MATRIX, NORM
from orojar_cli.generators.zoo_settings import ZooSettings

# The layout of pytorch_GAN_zoo, whose activations and epsilon are known and whose configuration object tells the rest.
_ZOO = "formatLayer.weight"


def recognise(file: StateDicts) -> StateDict | None:
    """A stack of 4x4 convolutions that could be a DCGAN's generator."""
    return file.generator(_is_stack)


def _is_stack(tensors: dict[str, TensorRecord]) -> bool:
    kernels = [record.shape for record in tensors.values() if len(record.shape) == 4]
    return len(kernels) >= 2 and all(shape[2:] == (KERNEL, KERNEL) for shape in kernels) and kernels[-1][1] <= 4


def read(stored: StateDict, where: str) -> Read:
    """Configuration and tensors of a generator; raises UnsupportedCheckpointError and DamagedCheckpointError.

    Weights do not tell strides: as in the paper's code, the first convolution sees one pixel and every other one doubles the size.
    """
    tensors = {name: record for name, record in stored.tensors.items() if not name.endswith("num_batches_tracked")}
    convolutions: list[str] = []
    norms: dict[int, str] = {}
    for name, record in tensors.items():
        module, _, part = name.rpartition(".")
        if part == "weight" and len(record.shape) == 4:
            convolutions.append(module)
        elif part == "running_mean":
            if not convolutions or len(convolutions) - 1 in norms:
                raise UnsupportedCheckpointError(f"not supported: {where} has a normalisation {printable(module)} without its convolution")
            norms[len(convolutions) - 1] = module
    shapes = [tensors[f"{module}.weight"].shape for module in convolutions]
    if any(before[1] != after[0] for before, after in itertools.pairwise(shapes)):
        raise UnsupportedCheckpointError(f"not supported: {where} has convolutions that do not follow each other")
    count = len(convolutions)
    output, c_dim = "tanh", 0
    assumed: tuple[str, ...] = tuple(name for name in ASSUMED if norms or name != "norm_epsilon")
    if _ZOO in tensors:
        settings = ZooSettings(stored.settings, where)
        output, c_dim, assumed = settings.output("DCGAN"), settings.c_dim(), tuple(settings.assumed)
    config = DCGANConfig(
        z_dim=shapes[0][0] - c_dim,
        channels=tuple(shape[1] for shape in shapes),
        norms=tuple(index in norms for index in range(count)),
        biases=tuple(f"{module}.bias" in tensors for module in convolutions),
        output=output,
        c_dim=c_dim,
        assumed=assumed,
    )
    rules: dict[str, tuple[str, Form]] = {}
    for index, module in enumerate(convolutions):
        ours = f"synthesis.{config.name(index)}"
        rules[f"{ours}.weight" if index else f"{ours}.affine.weight"] = f"{module}.weight", PLAIN if index else MATRIX
        if config.biases[index]:
            rules[f"{ours}.bias"] = f"{module}.bias", PLAIN
        if config.norms[index]:
            rules |= {f"synthesis.norm{index}.{part}": (f"{norms[index]}.{part}", PLAIN) for part in NORM}
    average = {"mapping.w_avg": constant((config.w_dim,), 0.0)}
    return config, derive(dict(tensors), config.shapes(), rules, where) | average
