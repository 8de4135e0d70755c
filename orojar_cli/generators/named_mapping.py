"""State dictionaries in the names of NVIDIA's modules, which are ours too: what their mapping networks tell of themselves."""

from __future__ import annotations

from orojar_cli.containers.file import printable
from orojar_cli.containers.records import TensorRecord
from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.generators.mapping_config import MappingConfig

# Options that no tensor shows; they are what both networks are trained with.
UNSEEN = "the options that show in no tensor (leaky ReLU, learning-rate multiplier 0.01, {}: those of the usual networks)"


def sizes(tensors: dict[str, TensorRecord], name: str, axes: int, where: str) -> tuple[int, ...]:
    """The shape of a tensor, which must have so many axes."""
    record = tensors.get(name)
    if record is None or len(record.shape) != axes:
        raise UnsupportedCheckpointError(f"not supported: {where}.{printable(name)} is missing or has another number of axes than {axes}")
    return record.shape


def named_mapping(tensors: dict[str, TensorRecord], w_dim: int, num_ws: int | None, w_avg_beta: float | None, where: str) -> MappingConfig:
    """The mapping network of `mapping.fc0.weight`, `mapping.embed.weight`…; raises UnsupportedCheckpointError."""
    depth = next(index for index in range(66) if f"mapping.fc{index}.weight" not in tensors or index == 65)
    hidden, inputs = sizes(tensors, "mapping.fc0.weight", 2, where)
    embedding, c_dim = sizes(tensors, "mapping.embed.weight", 2, where) if "mapping.embed.weight" in tensors else (0, 0)
    return MappingConfig(
        z_dim=inputs - embedding,
        c_dim=c_dim,
        w_dim=w_dim,
        num_ws=num_ws,
        num_layers=depth,
        embed_features=embedding if c_dim and embedding != w_dim else None,
        layer_features=hidden if depth > 1 and hidden != w_dim else None,
        w_avg_beta=w_avg_beta,
    )
