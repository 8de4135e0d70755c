"""State dictionaries of DCGAN generators -> our configuration and tensors, deduced from the shapes in their order."""

from __future__ import annotations

import itertools

from orojar_cli.containers.derived import PLAIN, DerivedRecord, Form, constant, derive
from orojar_cli.containers.file import printable
from orojar_cli.containers.records import TensorRecord
from orojar_cli.containers.state_dict import StateDict
from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.generators.dcgan.config import KERNEL, DCGANConfig

_NORM = ("weight", "bias", "running_mean", "running_var")
_MATRIX = Form(
    lambda shape: (shape[1], shape[0] // KERNEL**2, KERNEL, KERNEL),
    lambda tensor: tensor.flatten(1).T.contiguous(),
    lambda tensor: tensor.T.unflatten(1, (-1, KERNEL, KERNEL)),
)


def generator(stored: StateDict, where: str) -> tuple[DCGANConfig, dict[str, TensorRecord | DerivedRecord]]:
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
    config = DCGANConfig(
        z_dim=shapes[0][0],
        channels=tuple(shape[1] for shape in shapes),
        norms=tuple(index in norms for index in range(count)),
        biases=tuple(f"{module}.bias" in tensors for module in convolutions),
    )
    rules: dict[str, tuple[str, Form]] = {}
    for index, module in enumerate(convolutions):
        ours = f"synthesis.{config.name(index)}"
        rules[f"{ours}.weight" if index else f"{ours}.affine.weight"] = f"{module}.weight", PLAIN if index else _MATRIX
        if config.biases[index]:
            rules[f"{ours}.bias"] = f"{module}.bias", PLAIN
        if config.norms[index]:
            rules |= {f"synthesis.norm{index}.{part}": (f"{norms[index]}.{part}", PLAIN) for part in _NORM}
    average = {"mapping.w_avg": constant((config.z_dim,), 0.0)}
    return config, derive(dict(tensors), config.shapes(), rules, where) | average
