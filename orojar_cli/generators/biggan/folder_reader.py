"""Folders of pytorch-pretrained-biggan (pytorch_model.bin, config.json) -> our configuration and tensors.

The configuration beside the tensors is read where it is there.  Else shapes say the widths; which blocks double the resolution (every
second one, in all published networks) and the epsilon are named as assumed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from orojar_cli.containers.derived import PLAIN, DerivedRecord, Form, constant, derive, unsqueezed
from orojar_cli.containers.file import printable
from orojar_cli.containers.records import TensorRecord
from orojar_cli.containers.state_dict import StateDict, StateDicts, tensor_shape
from orojar_cli.errors import DamagedCheckpointError, UnsupportedCheckpointError
from orojar_cli.generators.beside import json_beside
from orojar_cli.generators.biggan.config import ATTENTION, BigGANConfig
from orojar_cli.generators.biggan.forms import PIXELS_FIRST
from orojar_cli.generators.family import Read
from orojar_cli.generators.unmapped_config import START

ASSUMED = ("doubling", "norm_epsilon", "output_epsilon")
_EPSILON = 1e-4
_MODEL, _CONFIG = "pytorch_model.bin", "config.json"
_LAYER = re.compile(r"generator\.layers\.(\d{1,3})\.(conv_0|gamma)")
_KEPT = ("weight_orig", "weight_u")  # beside the weight itself, in files of before torch 1.1


def recognise(file: StateDicts) -> StateDict | None:
    """A class embedding and a generator whose first layer makes 4x4 pixels of both."""
    return file.generator(lambda tensors: "embeddings.weight" in tensors and any(name.startswith("generator.gen_z.") for name in tensors))


def read(stored: StateDict, where: str) -> Read:
    """Configuration and tensors of a generator; raises UnsupportedCheckpointError and DamagedCheckpointError."""
    tensors = dict(stored.tensors)
    spectral = "stored" if "generator.gen_z.weight_v" in tensors else "none"
    if spectral == "none":
        if "generator.gen_z.weight" not in tensors:
            raise UnsupportedCheckpointError(f"not supported: {where} has neither the weights as used nor what they are normalised by")
        tensors = {name: record for name, record in tensors.items() if not name.endswith(_KEPT)}
    places = _places(tensors, where)
    config = _config(tensors, places, spectral, json_beside(tensors["embeddings.weight"], _MODEL, _CONFIG, "layers"), where)
    shapes = config.shapes()
    rules: dict[str, tuple[str, Form]] = {"mapping.embedding.weight": ("embeddings.weight", PLAIN)}

    def weight(ours: str, theirs: str, form: Form = PLAIN) -> None:
        # Files without a right singular vector were written with the weight after its division, which nothing else is kept true to.
        used = form if spectral == "stored" else Form(form.stored_shape, form.make)
        rules[f"{ours}.weight"] = f"{theirs}.weight{'_orig' if spectral == 'stored' else ''}", used
        if f"{ours}.bias" in shapes:
            rules[f"{ours}.bias"] = f"{theirs}.bias", form
        if spectral == "stored":
            rules[f"{ours}.u"], rules[f"{ours}.v"] = (f"{theirs}.weight_u", form), (f"{theirs}.weight_v", PLAIN)

    def statistics(ours: str, theirs: str) -> None:
        rules[f"{ours}.mean"], rules[f"{ours}.var"] = (f"{theirs}.running_means", PLAIN), (f"{theirs}.running_vars", PLAIN)

    weight("synthesis.first", "generator.gen_z", PIXELS_FIRST)
    for block, place in enumerate(places.blocks):
        ours, theirs = f"synthesis.block{block}", f"generator.layers.{place}"
        for index, (name, *_) in enumerate(config.convolutions(block)):
            weight(f"{ours}.{name}", f"{theirs}.conv_{index}")
            weight(f"{ours}.norm{index}.gain", f"{theirs}.bn_{index}.scale")
            weight(f"{ours}.norm{index}.offset", f"{theirs}.bn_{index}.offset")
            statistics(f"{ours}.norm{index}", f"{theirs}.bn_{index}")
        if block in config.attention:
            ours, theirs = f"synthesis.attention{block}", f"generator.layers.{place + 1}"
            for name in ATTENTION:
                weight(f"{ours}.{name}", f"{theirs}.snconv1x1_{name}{'_conv' if name == 'o' else ''}")
            rules[f"{ours}.gamma"] = f"{theirs}.gamma", unsqueezed(1)
    for part in ("weight", "bias"):
        rules[f"synthesis.norm.{part}"] = f"generator.bn.{part}", PLAIN
    statistics("synthesis.norm", "generator.bn")
    weight("synthesis.torgb", "generator.conv_to_rgb")
    average: dict[str, TensorRecord | DerivedRecord] = {"mapping.w_avg": constant((config.w_dim,), 0.0)}
    return config, derive({**tensors}, shapes, rules, where) | average


class _places:
    """Where in the list of layers the `blocks` are, and the numbers of the blocks that `attention` follows."""

    def __init__(self, tensors: dict[str, TensorRecord], where: str) -> None:
        kinds: dict[int, str] = {}
        for name in tensors:
            if found := _LAYER.match(name):
                kinds[int(found[1])] = found[2]
        self.blocks: list[int] = []
        self.attention: list[int] = []
        for place in range(len(kinds)):
            if place not in kinds or (kinds[place] == "gamma" and (not self.blocks or len(self.blocks) - 1 in self.attention)):
                raise DamagedCheckpointError(f"damaged: {where} has no block generator.layers.{place}")
            if kinds[place] == "gamma":
                self.attention.append(len(self.blocks) - 1)
            else:
                self.blocks.append(place)
        if not self.blocks:
            raise DamagedCheckpointError(f"damaged: {where} has no blocks")


def _config(tensors: dict[str, TensorRecord], places: _places, spectral: str, beside: Mapping[str, Any] | None, where: str) -> BigGANConfig:
    weight = "weight_orig" if spectral == "stored" else "weight"

    def shape(name: str, axes: int) -> tuple[int, ...]:
        return tensor_shape(tensors, name, axes, where)

    y_dim, c_dim = shape("embeddings.weight", 2)
    rows, inputs = shape(f"generator.gen_z.{weight}", 2)
    if rows % START**2 or inputs <= y_dim:
        raise DamagedCheckpointError(f"damaged: {where}.generator.gen_z.{weight} of shape {(rows, inputs)} does not fit its class vector")
    outputs = [shape(f"generator.layers.{place}.conv_3.{weight}", 4)[0] for place in places.blocks]
    doubling = "".join(str(block % 2) for block in range(len(outputs)))
    epsilon = _EPSILON
    if beside is not None:
        doubling, epsilon = _said(beside, len(outputs), doubling, f"{where}: the {_CONFIG} beside it")
    statistics = shape("generator.bn.running_means", 2)[0]
    if statistics < 2:
        raise UnsupportedCheckpointError(f"not supported: {where} has {statistics} sets of batch statistics (two or more are)")
    return BigGANConfig(
        z_dim=inputs - y_dim,
        y_dim=y_dim,
        c_dim=c_dim,
        channels=(rows // START**2, *outputs),
        doubling=doubling,
        deep=True,
        latent="everywhere",
        attention=tuple(places.attention),
        spectral=spectral,
        statistics=statistics,
        image_rows=shape(f"generator.conv_to_rgb.{weight}", 4)[0],
        norm_epsilon=epsilon,
        output_epsilon=epsilon,
        assumed=ASSUMED if beside is None else (),
    )


def _said(beside: Mapping[str, Any], blocks: int, usual: str, where: str) -> tuple[str, float]:
    """(which blocks double the resolution, epsilon) of a configuration, which must fit the tensors' number of blocks."""
    layers, epsilon = beside["layers"], beside.get("eps", _EPSILON)
    if type(layers) is not list or any(type(layer) is not list or len(layer) != 3 or type(layer[0]) is not bool for layer in layers):
        raise DamagedCheckpointError(f"damaged: {where} has no list of layers")
    if len(layers) != blocks:
        raise DamagedCheckpointError(f"damaged: {where} has {len(layers)} layers, the tensors {blocks}")
    if type(epsilon) not in (int, float):
        raise DamagedCheckpointError(f"damaged: {where} has an eps that is no number")
    doubling = "".join(str(int(layer[0])) for layer in layers)
    if "output_dim" in beside and beside["output_dim"] != START << doubling.count("1"):
        raise DamagedCheckpointError(
            f"damaged: {where} says {printable(beside['output_dim'])} pixels, its layers {START << doubling.count('1')}"
        )
    return doubling, float(epsilon)
