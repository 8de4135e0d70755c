"""State dictionaries of BigGAN-PyTorch's generators (G_ema.pth) -> our configuration and tensors, all deduced from names and shapes.

What tensors do not show, the epsilons of the normalisations, is named as assumed.
"""

from __future__ import annotations

import math
import re

from orojar_cli.containers.derived import PLAIN, DerivedRecord, Form, constant, derive, unsqueezed
from orojar_cli.containers.file import printable
from orojar_cli.containers.records import TensorRecord
from orojar_cli.containers.state_dict import StateDict, StateDicts, small_values, tensor_shape
from orojar_cli.errors import DamagedCheckpointError, UnsupportedCheckpointError
from orojar_cli.generators.biggan.config import ATTENTION, BigGANConfig
from orojar_cli.generators.biggan.forms import ROW, TRANSPOSED, accumulated, class_first
from orojar_cli.generators.family import Read
from orojar_cli.generators.unmapped_config import START

# Entries of a log, further singular vectors, and counters: nothing that an image is computed from.
_UNUSED = re.compile(r"(.*\.)?(sv\d+|u[1-9]\d*|num_batches_tracked|accumulation_counter)\Z")
_BLOCK = re.compile(r"blocks\.(\d{1,3})\.0\.conv1\.weight\Z")
_NAMES = ("linear.weight", "blocks.0.0.conv1.weight", "output_layer.2.weight")
ASSUMED = ("norm_epsilon", "spectral_epsilon")


def recognise(file: StateDicts) -> StateDict | None:
    """A first layer, residual blocks and an output layer under their names of that code."""
    return file.generator(lambda tensors: all(name in tensors for name in _NAMES))


def read(stored: StateDict, where: str) -> Read:
    """Configuration and tensors of a generator; raises UnsupportedCheckpointError and DamagedCheckpointError."""
    tensors = stored.tensors
    _refuse_other_norms(tensors, where)
    config = _config(tensors, where)
    shapes = config.shapes()
    rules: dict[str, tuple[str, Form]] = {}

    def weight(ours: str, theirs: str, form: Form = PLAIN) -> None:
        rules[f"{ours}.weight"] = f"{theirs}.weight", form
        if f"{ours}.bias" in shapes:
            rules[f"{ours}.bias"] = f"{theirs}.bias", PLAIN
        if f"{ours}.u" in shapes:
            rules[f"{ours}.u"] = f"{theirs}.u0", unsqueezed(1)

    def statistics(ours: str, theirs: str) -> None:
        inner = f"{theirs}.bn" if f"{theirs}.bn.stored_mean" in tensors else theirs
        form = _statistics_form(tensors.get(f"{inner}.accumulation_counter"), f"{where}.{inner}")
        rules[f"{ours}.mean"], rules[f"{ours}.var"] = (f"{inner}.stored_mean", form), (f"{inner}.stored_var", form)

    conditional = class_first(config.y_dim) if config.shared else TRANSPOSED
    weight("synthesis.first", "linear", class_first(config.y_dim) if config.reads_class(0) else PLAIN)
    for block in range(config.blocks):
        ours, theirs = f"synthesis.block{block}", f"blocks.{block}.0"
        for index, (name, *_) in enumerate(config.convolutions(block)):
            weight(f"{ours}.{name}", f"{theirs}.{'conv_sc' if name == 'skip' else f'conv{index + 1}'}")
            if name != "skip":
                weight(f"{ours}.norm{index}.gain", f"{theirs}.bn{index + 1}.gain", conditional)
                weight(f"{ours}.norm{index}.offset", f"{theirs}.bn{index + 1}.bias", conditional)
                statistics(f"{ours}.norm{index}", f"{theirs}.bn{index + 1}")
        if block in config.attention:
            for name in ATTENTION:
                weight(f"synthesis.attention{block}.{name}", f"blocks.{block}.1.{name}")
            rules[f"synthesis.attention{block}.gamma"] = f"blocks.{block}.1.gamma", PLAIN
    rules["synthesis.norm.weight"], rules["synthesis.norm.bias"] = ("output_layer.0.gain", PLAIN), ("output_layer.0.bias", PLAIN)
    statistics("synthesis.norm", "output_layer.0")
    weight("synthesis.torgb", "output_layer.2")
    if config.shared:
        rules["mapping.embedding.weight"] = "shared.weight", TRANSPOSED
    used: dict[str, TensorRecord | float] = {name: record for name, record in tensors.items() if not _UNUSED.match(name)}
    average: dict[str, TensorRecord | DerivedRecord] = {"mapping.w_avg": constant((config.w_dim,), 0.0)}
    return config, derive(used, shapes, rules, where) | average


def _refuse_other_norms(tensors: dict[str, TensorRecord], where: str) -> None:
    """Refuse, by name, the normalisations whose pictures cannot be those of training."""
    first = "blocks.0.0.bn1"
    if any(name.startswith(first) and name.endswith("running_mean") for name in tensors):
        raise UnsupportedCheckpointError(
            f"not supported: {where} has cross_replica batch normalisation, whose evaluation adds the gain instead of multiplying by it; "
            "convert the file to one without cross_replica"
        )
    if f"{first}.stored_mean" not in tensors and f"{first}.bn.stored_mean" not in tensors:
        raise UnsupportedCheckpointError(
            f"not supported: {where} has no batch statistics (norm_style gn or nonorm); networks with batch normalisation are read"
        )


def _config(tensors: dict[str, TensorRecord], where: str) -> BigGANConfig:
    def shape(name: str, axes: int) -> tuple[int, ...]:
        return tensor_shape(tensors, name, axes, where)

    count = len([name for name in tensors if _BLOCK.match(name)])
    deep = "blocks.0.0.conv4.weight" in tensors
    last = "conv4" if deep else "conv2"
    rows, first_inputs = shape("linear.weight", 2)
    if rows % START**2:
        raise DamagedCheckpointError(f"damaged: {where}.linear.weight has {rows} rows, which are no 4x4 pixels")
    channels = (rows // START**2, *(shape(f"blocks.{block}.0.{last}.weight", 4)[0] for block in range(count)))
    gain = shape("blocks.0.0.bn1.gain.weight", 2)
    shared = "shared.weight" in tensors
    c_dim, y_dim = shape("shared.weight", 2) if shared else gain[:1] * 2
    z_dim, latent = first_inputs, "first"
    if deep:
        z_dim, latent = first_inputs - y_dim, "everywhere"
        if not shared:
            raise UnsupportedCheckpointError(f"not supported: {where} is a BigGAN-deep without a shared embedding of classes")
    elif shared and gain[1] > y_dim:
        z_dim, latent = first_inputs * (count + 1), "chunks"
    if z_dim < 1:
        raise DamagedCheckpointError(f"damaged: {where}.linear.weight reads {first_inputs} numbers, no more than a class vector has")
    attention = tuple(block for block in range(count) if f"blocks.{block}.1.gamma" in tensors)
    spectral = "power" if any(name.endswith(".u0") for name in tensors) else "none"
    return BigGANConfig(
        z_dim=z_dim,
        y_dim=y_dim,
        c_dim=c_dim,
        channels=channels,
        doubling="01" * (count // 2) + "0" * (count % 2) if deep else "1" * count,
        deep=deep,
        latent=latent,
        shared=shared,
        attention=attention,
        spectral=spectral,
        assumed=ASSUMED if spectral == "power" else ASSUMED[:1],
    )


def _statistics_form(counter: TensorRecord | None, where: str) -> Form:
    """Standing statistics are sums over as many batches as their counter says; a counter of 0 belongs to running averages."""
    if counter is None:
        return ROW
    values = small_values(counter) if counter.numel == 1 else None
    if values is None or not math.isfinite(values[0]) or values[0] < 0:
        raise DamagedCheckpointError(f"damaged: {printable(where, 200)}.accumulation_counter is no count")
    return accumulated(values[0]) if values[0] else ROW
