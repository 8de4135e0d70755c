"""What PyTorch-era files record of their networks, checked: options, classes of modules, the mapping's configuration."""

from __future__ import annotations

import math
import re
from typing import Any

from orojar_cli.containers.derived import DerivedRecord, resample_kernel
from orojar_cli.containers.file import printable
from orojar_cli.containers.module_tree import NetworkTree, check_tensors
from orojar_cli.containers.records import TensorRecord
from orojar_cli.containers.state_dict import small_values
from orojar_cli.errors import DamagedCheckpointError, UnsupportedCheckpointError
from orojar_cli.generators.mapping_config import MappingConfig
from orojar_cli.generators.options import Shapes

_MAPPING_OPTIONS = {"num_layers", "embed_features", "layer_features", "activation", "lr_multiplier", "w_avg_beta"}
# Speed and precision switches of the original code; they do not change what is computed in float32.
SPEED_OPTIONS = {"num_fp16_res", "fp16_channels_last", "channels_last", "use_fp16", "fused_modconv_default"}
_ROUNDING = {"float16": 1e-3, "bfloat16": 1e-2}
SIZES = ("c_dim", "img_resolution", "img_channels")


def options(
    tree: NetworkTree, where: str, sizes: tuple[str, ...], groups: tuple[str, ...]
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """(sizes and flat options, nested option groups) from the constructor arguments; the sizes must all be there."""
    flat = {key: value for key, value in tree.init_kwargs.items() if key not in groups}
    nested = {}
    for group in groups:
        nested[group] = tree.init_kwargs.get(group) or {}
        if type(nested[group]) is not dict:
            raise DamagedCheckpointError(f"damaged: {where}: {group} is not a dictionary")
    for key, value in [*flat.items(), *(pair for group in nested.values() for pair in group.items())]:
        if not _is_plain(value):
            raise UnsupportedCheckpointError(f"not supported: {where} has an option {printable(key)} that is neither a number nor a word")
    missing = [name for name in sizes if name not in flat]
    if missing:
        raise DamagedCheckpointError(f"damaged: {where} does not record its {missing[0]}")
    return flat, nested


def _is_plain(value: Any) -> bool:
    if type(value) in (list, tuple):
        return len(value) <= 64 and all(type(item) in (int, float) for item in value)
    return (
        value is None
        or type(value) in (bool, int, float)
        or (type(value) is str and re.fullmatch(r"\w{0,64}", value, re.ASCII) is not None)
    )


def refuse_unknown(given: Any, known: set[str], where: str) -> None:
    """Refuse options we do not know: they may change what the network computes."""
    unknown = sorted(set(given) - known)
    if unknown:
        raise UnsupportedCheckpointError(f"not supported: {where} has the option {printable(unknown[0])}, which orojar does not know")


def refuse_classes(tree: NetworkTree, known: set[str], where: str) -> None:
    """Refuse a network with modules of a class we do not know."""
    unknown = sorted(set(tree.classes.values()) - known)
    if unknown:
        raise UnsupportedCheckpointError(f"not supported: {where} contains a {printable(unknown[0])} module, which orojar does not know")


def mapping_config(
    tree: NetworkTree, given: dict[str, Any], *, z_dim: int, c_dim: int, w_dim: int, num_ws: int | None, where: str
) -> MappingConfig:
    """The mapping's options: what its modules record, then what the constructor was given, then StyleGAN2-ADA's defaults."""
    refuse_unknown(given, _MAPPING_OPTIONS, f"{where}.mapping")
    beta = tree.recorded("mapping", "w_avg_beta", (float,), given.get("w_avg_beta", 0.995)) if num_ws is not None else None
    multiplier = tree.recorded("mapping.fc0", "bias_gain", (float, int), given.get("lr_multiplier", 0.01))
    return MappingConfig(
        z_dim=z_dim,
        c_dim=c_dim,
        w_dim=w_dim,
        num_ws=num_ws,
        num_layers=tree.recorded("mapping", "num_layers", (int,), given.get("num_layers", 8)),
        embed_features=given.get("embed_features"),
        layer_features=given.get("layer_features"),
        activation=tree.recorded("mapping.fc0", "activation", (str,), given.get("activation", "lrelu")),
        lr_multiplier=_number(multiplier, f"{where}.mapping lr_multiplier"),
        w_avg_beta=beta,
    )


def said_start(given: dict[str, Any], where: str) -> tuple[int, int]:
    """Rows and columns that the options of a network say it begins with: 4 x 4 unless they name others.

    StyleGAN-Human's networks are half as wide as high (square=False); others name the size (init_res).
    """
    square, said = given.get("square", True), given.get("init_res", (4, 4) if given.get("square", True) else (4, 2))
    if type(square) is not bool or type(said) not in (list, tuple) or len(said) != 2 or any(type(side) is not int for side in said):
        raise UnsupportedCheckpointError(f"not supported: {where} has square = {printable(square)}, init_res = {printable(str(said))}")
    return said[0], said[1]


def _number(value: Any, what: str) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise DamagedCheckpointError(f"damaged: {what} is not a finite number")
    return float(value)


def checked_clamp(value: Any, where: str) -> float | None:
    if value is None:
        return None
    clamp = _number(value, f"{where} conv_clamp")
    if clamp <= 0:
        raise DamagedCheckpointError(f"damaged: {where} has conv_clamp {clamp}")
    return clamp


def with_used_filters(
    tensors: dict[str, TensorRecord], shapes: Shapes, used: str, taps: tuple[float, ...], where: str
) -> dict[str, TensorRecord | DerivedRecord]:
    """`tensors` with the network's own filter in the place of buffers that nothing reads.

    What does not resample keeps the usual [1, 3, 3, 1], whatever the option says; `used` matches the names of what does.  Checks all
    the others against `shapes`, as `check_tensors` does.
    """
    unused = {
        name
        for name, shape in shapes.items()
        if name.endswith("resample_filter") and not re.search(used, name) and name in tensors and tensors[name].shape == (4, 4) != shape
    }
    check_tensors(
        {name: record for name, record in tensors.items() if name not in unused},
        {name: shape for name, shape in shapes.items() if name not in unused},
        where,
    )
    return tensors | {name: resample_kernel(taps) for name in unused}


def stored_taps(record: TensorRecord | None, where: str) -> tuple[float, ...]:
    """The 1-D resample filter from its stored 2-D kernel, which must be the outer product of it with itself."""
    if record is None or len(record.shape) != 2 or record.shape[0] != record.shape[1] or not 1 <= record.shape[0] <= 32:
        raise DamagedCheckpointError(f"damaged: {where} has no usable resample_filter")
    size, values = record.shape[0], small_values(record)
    if values is None or (size > 1 and record.stride != (size, 1)):
        raise DamagedCheckpointError(f"damaged: {where} has a resample_filter that is not a plain table of numbers")
    if not all(map(math.isfinite, values)):
        raise DamagedCheckpointError(f"damaged: {where} has a resample_filter with numbers that are not finite")
    taps = tuple(math.fsum(values[row * size : (row + 1) * size]) for row in range(size))
    for index, value in enumerate(values):
        product = taps[index // size] * taps[index % size]
        if abs(value - product) > _ROUNDING.get(record.dtype, 1e-5):
            raise UnsupportedCheckpointError(f"not supported: {where} has a resample_filter that is not separable or not normalised")
    return taps
