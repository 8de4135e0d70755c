"""What is in a checkpoint: its networks' configurations and tensor records, read and checked without torch."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from orojar_cli.containers.constructors import read_pickle
from orojar_cli.containers.derived import DerivedRecord
from orojar_cli.containers.file import CheckpointFile, container_of, printable
from orojar_cli.containers.limits import DEFAULT_LIMITS, Limits
from orojar_cli.containers.module_tree import NetworkTree, check_tensors, read_network
from orojar_cli.containers.records import NetworkRecord, PersistentRecord, TensorRecord
from orojar_cli.containers.safetensors_file import read_safetensors
from orojar_cli.containers.state_dict import StateDict, find_networks
from orojar_cli.containers.tensorflow import TensorFlowNetwork
from orojar_cli.containers.torch_file import read_torch_stream, read_torch_zip
from orojar_cli.errors import DamagedCheckpointError, UnsupportedCheckpointError
from orojar_cli.generators.assumptions import chosen
from orojar_cli.generators.dcgan import state_dict_reader as state_dict_dcgan
from orojar_cli.generators.progan import state_dict_reader as state_dict_progan
from orojar_cli.generators.progan import tensorflow_reader as tensorflow_progan
from orojar_cli.generators.serialised import critic_from_dict, generator_from_dict
from orojar_cli.generators.simplegan import state_dict_reader as state_dict_simplegan
from orojar_cli.generators.stylegan2 import pickle_reader as stylegan2
from orojar_cli.generators.stylegan2 import state_dict_reader as state_dict_stylegan2
from orojar_cli.generators.stylegan2 import tensorflow_reader as tensorflow_stylegan2
from orojar_cli.generators.stylegan2.config import StyleGAN2Config
from orojar_cli.generators.stylegan3 import pickle_reader as stylegan3
from orojar_cli.generators.stylegan3.config import StyleGAN3Config

PYTORCH_PICKLE = "PyTorch-era pickle"
TORCH_FILE = "PyTorch state dictionary"
TENSORFLOW_PICKLE = "TensorFlow-era pickle"
SAFETENSORS = "safetensors"
SAFETENSORS_FORMAT = "orojar-1"


@dataclass(frozen=True)
class StoredNetwork:
    """A network as stored: its checked configuration, its tensors by name, and the hashes of its embedded source texts."""

    config: Any
    tensors: Mapping[str, TensorRecord | DerivedRecord]
    sources: frozenset[str] = frozenset()


@dataclass
class Contents:
    """An open checkpoint file and what it holds.  `entries` is the top level as inert records.

    `choices` are options of the generator that the file leaves open (`generators/assumptions.py`).
    """

    file: CheckpointFile
    container: str
    entries: dict[str, Any]
    limits: Limits = DEFAULT_LIMITS
    choices: Mapping[str, str] = field(default_factory=dict)
    _networks: dict[str, StoredNetwork] = field(default_factory=dict)

    @property
    def generator(self) -> StoredNetwork:
        """G_ema, the network to use."""
        return self.network("G_ema")

    @property
    def critic(self) -> StoredNetwork | None:
        """D, or None where the file has none of a family whose critics are read."""
        known = self.entries.get("D") is not None and isinstance(self.generator.config, (StyleGAN2Config, StyleGAN3Config))
        return self.network("D") if known else None

    def network(self, name: str) -> StoredNetwork:
        """The network stored under `name` ("G_ema", "G" or "D"), checked at the first request."""
        if name not in self._networks:
            if self.entries.get(name) is None:
                found = ", ".join([printable(key, 30) for key, value in self.entries.items() if value is not None][:8])
                raise UnsupportedCheckpointError(f"not supported: {self.file.name} has no {name}; found: {found or 'nothing'}")
            stored = self._read(name)
            self._networks[name] = stored if name == "D" else replace(stored, config=chosen(stored.config, self.choices))
        return self._networks[name]

    def _read(self, name: str) -> StoredNetwork:
        where = f"{self.file.name}: {name}"
        if self.container == SAFETENSORS:
            config, tensors = self.entries[name]
            check_tensors(tensors, config.shapes(), where)
            return StoredNetwork(config, tensors)
        if self.container == TORCH_FILE:
            return StoredNetwork(*_from_state_dict(self.entries[name], name, where))
        if self.container == TENSORFLOW_PICKLE:
            network = TensorFlowNetwork(self.entries[name], where, self.limits)
            if name != "D" and network.functions[""] == tensorflow_progan.FUNCTION:
                return StoredNetwork(*tensorflow_progan.generator(network), frozenset(network.sources))
            config, tensors = tensorflow_stylegan2.critic(network) if name == "D" else tensorflow_stylegan2.generator(network)
            return StoredNetwork(config, tensors, frozenset(network.sources))
        tree = read_network(self.entries[name], name, self.file, self.limits)
        config = stylegan2.critic_config(tree, where) if name == "D" else _generator_config(tree, where)
        return StoredNetwork(config, tree.tensors, frozenset(tree.sources))

    @functools.cached_property
    def sha256(self) -> str:
        """SHA-256 of the file."""
        return self.file.sha256()

    @property
    def zipped(self) -> bool:
        """Whether the file is a zip archive."""
        return container_of(self.file) == "torch zip"

    def stored_tensors(self) -> dict[str, TensorRecord]:
        """Every tensor the file stores, as far as it is read: those of its networks and of other state dictionaries, as stored."""
        if self.container != TORCH_FILE:
            return self.all_tensors()
        tables = {key: value.tensors if isinstance(value, StateDict) else value for key, value in self.entries.items()}
        return {
            f"{key}.{name}": record
            for key, table in tables.items()
            for name, record in (table.items() if type(table) is dict else [("", table)])
            if type(record) is TensorRecord
        }

    def all_tensors(self) -> dict[str, Any]:
        """Every tensor of every network in the file, as "G_ema.synthesis.b4.const"."""
        return {
            f"{name}.{key}": record
            for name in ("G", "D", "G_ema")
            if self.entries.get(name) is not None
            for key, record in self.network(name).tensors.items()
        }


def _generator_config(tree: NetworkTree, where: str) -> StyleGAN2Config | StyleGAN3Config:
    """The configuration of a PyTorch-era generator; which family it is of shows in the modules it is made of."""
    supported = "(supported: StyleGAN2, StyleGAN2-ADA and StyleGAN3)"
    if tree.class_name != "Generator":
        raise UnsupportedCheckpointError(f"not supported: {where} has the architecture {printable(tree.class_name)!r} {supported}")
    classes = set(tree.classes.values())
    if "SynthesisBlock" in classes:
        return stylegan2.generator_config(tree, where)
    if "SynthesisInput" in classes:
        return stylegan3.generator_config(tree, where)
    raise UnsupportedCheckpointError(f"not supported: {where} is a Generator of an unknown family {supported}")


def _from_state_dict(stored: StateDict, name: str, where: str) -> tuple[Any, Mapping[str, TensorRecord | DerivedRecord]]:
    if name == "D":
        return state_dict_stylegan2.critic(stored, where)
    if stored.is_stylegan2:
        return state_dict_stylegan2.generator(stored, where)
    if stored.is_progan:
        return state_dict_progan.generator(stored, where)
    if stored.is_simplegan:
        return state_dict_simplegan.generator(stored, where)
    return state_dict_dcgan.generator(stored, where)


def read_contents(path: str | os.PathLike[str], limits: Limits = DEFAULT_LIMITS, choices: Mapping[str, str] | None = None) -> Contents:
    """Open and check a checkpoint.  Nothing in it is imported, called or executed; tensor data stays in the file.

    `choices`: values of options that the file leaves open.  Raises InputFileError where there is no readable file, else one of the
    four CheckpointError classes.
    """
    contents = _opened(path, limits)
    contents.choices = choices or {}
    return contents


def _opened(path: str | os.PathLike[str], limits: Limits) -> Contents:
    file = CheckpointFile(path, limits)
    container = container_of(file)
    if container == "safetensors":
        return _safetensors_contents(file)
    if container != "pickle":
        value = read_torch_zip(file, limits) if container == "torch zip" else read_torch_stream(file, limits)
        return Contents(file, TORCH_FILE, find_networks(value, file.name), limits)
    value = read_pickle(file, limits)
    if type(value) is tuple and len(value) == 3 and all(type(entry) is NetworkRecord for entry in value):
        return Contents(file, TENSORFLOW_PICKLE, dict(zip(("G", "D", "G_ema"), value, strict=True)), limits)
    if type(value) is not dict or not any(type(entry) is PersistentRecord for entry in value.values()):
        raise UnsupportedCheckpointError(
            f"not supported: {file.name} is a pickle without StyleGAN networks (it should hold G, D and G_ema)"
        )
    return Contents(file, PYTORCH_PICKLE, value, limits)


def _safetensors_contents(file: CheckpointFile) -> Contents:
    tensors, metadata = read_safetensors(file)
    if metadata.get("format") != SAFETENSORS_FORMAT:
        raise UnsupportedCheckpointError(
            f"not supported: {file.name} is a safetensors file that orojar did not write (format {printable(metadata.get('format'))})"
        )
    entries: dict[str, Any] = {}
    for name, parse in (("G_ema", generator_from_dict), ("D", critic_from_dict)):
        if name in metadata:
            try:
                config = parse(json.loads(metadata[name]))
            except (ValueError, TypeError, KeyError, RecursionError) as error:
                raise DamagedCheckpointError(f"damaged: {file.name}: the options of {name} are malformed") from error
            prefix = f"{name}."
            entries[name] = config, {key[len(prefix) :]: record for key, record in tensors.items() if key.startswith(prefix)}
    return Contents(file, SAFETENSORS, entries)
