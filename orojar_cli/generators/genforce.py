"""The mapping network in GenForce's state dictionaries of StyleGAN and StyleGAN2 (`mapping.dense0.weight`, `truncation.w_avg`)."""

from __future__ import annotations

from orojar_cli.containers.derived import PLAIN, Form
from orojar_cli.containers.records import TensorRecord
from orojar_cli.containers.state_dict import count, tensor_shape
from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.generators.mapping_config import MappingConfig

TRANSPOSED = Form(lambda shape: shape[::-1], lambda tensor: tensor.T.contiguous(), lambda tensor: tensor.T)


def mapping_config(tensors: dict[str, TensorRecord], num_ws: int, where: str) -> MappingConfig:
    """Sizes from the shapes, and the learning-rate multiplier 0.01 of all of GenForce's files.

    Raises DamagedCheckpointError, and UnsupportedCheckpointError for a mapping that makes another w for each layer.
    """
    depth = count(tensors, "mapping.dense{}.weight")
    hidden, inputs = tensor_shape(tensors, "mapping.dense0.weight", 2, where)
    w_dim, average = tensor_shape(tensors, f"mapping.dense{depth - 1}.weight", 2, where)[0], tensors.get("truncation.w_avg")
    if average is not None and average.numel == w_dim and w_dim % num_ws == 0 and _styles(tensors) == w_dim // num_ws:
        raise UnsupportedCheckpointError(f"not supported: {where} has a mapping network that makes another w for every layer")
    labels = "mapping.label_weight" in tensors
    c_dim, z_dim = tensor_shape(tensors, "mapping.label_weight", 2, where) if labels else (0, inputs)
    return MappingConfig(
        z_dim,
        c_dim,
        w_dim,
        num_ws,
        num_layers=depth,
        embed_features=z_dim if labels else None,
        layer_features=hidden if depth > 1 and hidden != w_dim else None,
        joint_label=labels,
    )


def mapping_rules(config: MappingConfig, bias: Form) -> dict[str, tuple[str, Form]]:
    """Where the mapping's tensors are; `bias` is the form of the biases."""
    rules: dict[str, tuple[str, Form]] = {"mapping.w_avg": ("truncation.w_avg", PLAIN)}
    if config.c_dim:
        rules["mapping.embed.weight"] = "mapping.label_weight", TRANSPOSED
    for index in range(config.num_layers):
        rules[f"mapping.fc{index}.weight"] = f"mapping.dense{index}.weight", PLAIN
        rules[f"mapping.fc{index}.bias"] = f"mapping.dense{index}.bias", bias
    return rules


def _styles(tensors: dict[str, TensorRecord]) -> int:
    """Width of the w that the first layer reads, 0 where that is not to be seen."""
    record = tensors.get("synthesis.layer0.style.weight")
    return record.shape[1] if record is not None and len(record.shape) == 2 else 0
