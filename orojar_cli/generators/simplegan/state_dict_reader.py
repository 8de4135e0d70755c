"""State dictionaries of the small GANs of the OroJaR and Hessian Penalty experiments (`layers.N.layers.conv`…) -> ours."""

from __future__ import annotations

import itertools

from orojar_cli.containers.derived import PLAIN, Form, constant, derive
from orojar_cli.containers.state_dict import StateDict, StateDicts
from orojar_cli.errors import DamagedCheckpointError, UnsupportedCheckpointError
from orojar_cli.generators.family import Read
from orojar_cli.generators.simplegan.config import LAST_KERNEL, NORMS, SimpleGANConfig
from orojar_cli.generators.transposed_config import MATRIX


def recognise(file: StateDicts) -> StateDict | None:
    """A generator of those experiments, also one that is refused for its spectral normalisation."""
    return file.generator(lambda tensors: "layers.0.layers.conv.weight" in tensors or "layers.0.layers.conv.weight_orig" in tensors)


def read(stored: StateDict, where: str) -> Read:
    """Configuration and tensors of a generator; raises UnsupportedCheckpointError and DamagedCheckpointError."""
    tensors = {name: record for name, record in stored.tensors.items() if not name.endswith("num_batches_tracked")}
    if any(name.endswith(("conv.weight_orig", "conv.weight_u", "conv.weight_v")) for name in tensors):
        raise UnsupportedCheckpointError(
            f"not supported: {where} keeps its weights in the form of spectral normalisation; remove_spectral_norm() and save it again"
        )
    count = next(index for index in itertools.count() if f"layers.{index}.layers.conv.weight" not in tensors)
    shapes = [tensors[f"layers.{index}.layers.conv.weight"].shape for index in range(count)]
    if any(len(shape) != 4 for shape in shapes):
        raise DamagedCheckpointError(f"damaged: {where} has a convolution with a wrong number of axes")
    if shapes[-1][2:] != (LAST_KERNEL, LAST_KERNEL):
        raise UnsupportedCheckpointError(f"not supported: {where} does not end with a convolution of {LAST_KERNEL}x{LAST_KERNEL}")
    norm = "batch" if "layers.1.layers.batchnorm.weight" in tensors else "instance"
    *doubling, last = shapes
    config = SimpleGANConfig(shapes[0][0], tuple(shape[1] for shape in doubling), last[0], norm)
    rules: dict[str, tuple[str, Form]] = {
        "synthesis.first.affine.weight": ("layers.0.layers.conv.weight", MATRIX),
        "synthesis.first.bias": ("layers.0.layers.conv.bias", PLAIN),
    }
    for index in range(1, count - 1):
        rules[f"synthesis.conv{index}.weight"] = f"layers.{index}.layers.conv.weight", PLAIN
        rules |= {f"synthesis.norm{index}.{part}": (f"layers.{index}.layers.{norm}norm.{part}", PLAIN) for part in NORMS[norm]}
    rules |= {f"synthesis.last.{part}": (f"layers.{count - 1}.layers.conv.{part}", PLAIN) for part in ("weight", "bias")}
    return config, derive(dict(tensors), config.shapes(), rules, where) | {"mapping.w_avg": constant((config.w_dim,), 0.0)}
