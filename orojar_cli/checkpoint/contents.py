"""What is in a checkpoint: its networks' configurations and tensor records, read and checked without torch."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

from orojar_cli.checkpoint.kinds import of_other_kind, what_it_is
from orojar_cli.containers.derived import DerivedRecord
from orojar_cli.containers.file import CheckpointFile, container_of, printable
from orojar_cli.containers.limits import DEFAULT_LIMITS, Limits
from orojar_cli.containers.module_tree import KNOWN_SOURCES, WRITTEN, NetworkTree, check_tensors, read_network
from orojar_cli.containers.records import NetworkRecord, PersistentRecord, PlainObject, TensorRecord, as_table
from orojar_cli.containers.state_dict import StateDicts
from orojar_cli.containers.tensorflow import TensorFlowNetwork
from orojar_cli.containers.value import read_value
from orojar_cli.errors import DamagedCheckpointError, UnsupportedCheckpointError
from orojar_cli.generators.assumptions import chosen
from orojar_cli.generators.families import Match, config_from_dict, family_of, matches, readable
from orojar_cli.generators.family import CRITIC, GENERATOR

PYTORCH_PICKLE = "PyTorch-era pickle"
TORCH_FILE = "PyTorch state dictionary"
TORCH_MODULE = "PyTorch modules"
TENSORFLOW_PICKLE = "TensorFlow-era pickle"
SAFETENSORS = "safetensors"
SAFETENSORS_STATE = "state dictionary in safetensors"
SAFETENSORS_FORMAT = "orojar-1"
STATE_DICTIONARIES = (TORCH_FILE, SAFETENSORS_STATE)


@dataclass(frozen=True)
class StoredNetwork:
    """A network as stored: its checked configuration, its tensors by name, and the hashes of its embedded source texts.

    `sourceless`: there is a place for a text, and what stands there cannot define the network's class.
    """

    config: Any
    tensors: Mapping[str, TensorRecord | DerivedRecord]
    sources: frozenset[str] = frozenset()
    sourceless: bool = False


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
        """D, or None where the file has none that is read: `inspect` says what is there."""
        if self.entries.get("D") is None or not family_of(self.generator.config).critics:
            return None
        try:
            return self.network("D")
        except (UnsupportedCheckpointError, DamagedCheckpointError):
            return None

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
        role = CRITIC if name == "D" else GENERATOR
        if self.container in STATE_DICTIONARIES:
            return StoredNetwork(*self.entries[name].read(where))
        if self.container == TENSORFLOW_PICKLE:
            network = TensorFlowNetwork(self.entries[name], where, self.limits)
            known = matches(network, role) or _refuse_function(network)
            return StoredNetwork(*known[0].read(where), frozenset(network.sources))
        tree = read_network(self.entries[name], name, self.file, self.limits)
        known = matches(tree, role) or _refuse_class(tree, role, where)
        return StoredNetwork(*known[0].read(where), frozenset(tree.sources), tree.sourceless)

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
        if self.container not in STATE_DICTIONARIES:
            behind = {key: record.source if isinstance(record, DerivedRecord) else record for key, record in self.all_tensors().items()}
            return {key: record for key, record in behind.items() if record is not None}
        tables = {key: value.found.tensors if isinstance(value, Match) else value for key, value in self.entries.items()}
        if isinstance(copy := self.entries.get("G"), Match):
            tables["G"] = {name: record for name, record in copy.found.tensors.items() if name not in copy.found.shared}
        return {
            f"{key}.{name}": record
            for key, table in tables.items()
            for name, record in (table.items() if type(table) is dict else [("", table)])
            if type(record) is TensorRecord
        }

    @property
    def _written_by_orojar(self) -> bool:
        try:
            return any(KNOWN_SOURCES.get(digest) == WRITTEN for digest in self.generator.sources)
        except (UnsupportedCheckpointError, DamagedCheckpointError):
            return False

    def all_tensors(self) -> dict[str, Any]:
        """Every tensor of every network in the file, as "G_ema.synthesis.b4.const"."""
        found: dict[str, Any] = {}
        for name in ("G", "D", "G_ema"):
            # Tools that want a D get the generator once more where there is none, and a G in what we write ourselves.
            again = self.entries.get(name) is self.entries.get("G_ema")
            if self.entries.get(name) is None or (again and (name == "D" or (name == "G" and self._written_by_orojar))):
                continue
            try:
                found |= {f"{name}.{key}": record for key, record in self.network(name).tensors.items()}
            except (UnsupportedCheckpointError, DamagedCheckpointError):
                # What is not read can share bytes with what is, all the same.
                found |= {f"{name}.{index}": record for index, record in enumerate(tensors_below(self.entries[name]))}
        return found


def tensors_below(value: Any) -> list[TensorRecord]:
    """Every tensor in plain data and inert objects, each once."""
    found, pending, seen = [], [value], set()
    while pending:
        item = pending.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if type(item) is TensorRecord:
            found.append(item)
        elif type(item) is PersistentRecord:
            pending.append(item.meta)
        elif type(item) is PlainObject:
            pending += (item.attributes, item.others)
        elif type(item) is dict:
            pending += item.values()
        elif type(item) in (list, tuple):
            pending += item
    return found


def _refuse_class(tree: NetworkTree, role: str, where: str) -> NoReturn:
    """Say that no family knows this PyTorch-era network."""
    *names, last = readable(NetworkTree)
    supported = f"(supported: {', '.join(names)} and {last})"
    if role == CRITIC:
        raise UnsupportedCheckpointError(f"not supported: {where} is a {printable(tree.class_name)}, not a Discriminator")
    if other := of_other_kind({tree.class_name, *tree.classes.values()}):
        raise UnsupportedCheckpointError(f"not supported: {where} is {other}")
    if tree.class_name != "Generator":
        raise UnsupportedCheckpointError(f"not supported: {where} has the architecture {printable(tree.class_name)!r} {supported}")
    raise UnsupportedCheckpointError(f"not supported: {where} is a Generator of an unknown family {supported}")


def _refuse_function(network: TensorFlowNetwork) -> NoReturn:
    """Say that no family knows this TensorFlow-era network."""
    read = " and ".join(f"{name}'s" for name in readable(TensorFlowNetwork))
    function = printable(network.functions.get(""))
    raise UnsupportedCheckpointError(f"not supported: {network.where} is built by {function} ({read} networks are read)")


def read_contents(path: str | os.PathLike[str], limits: Limits = DEFAULT_LIMITS, choices: Mapping[str, str] | None = None) -> Contents:
    """Open and check a checkpoint.  Nothing in it is imported, called or executed; tensor data stays in the file.

    `choices`: values of options that the file leaves open.  Raises InputFileError where there is no readable file, else one of the
    four CheckpointError classes.
    """
    contents = _opened(path, limits)
    contents.choices = choices or {}
    return contents


def _opened(path: str | os.PathLike[str], limits: Limits) -> Contents:
    """What a file holds, whatever container it is in."""
    file = CheckpointFile(path, limits)
    container, value = read_value(file, limits)
    if container == "safetensors":
        tensors, metadata = value
        return _safetensors_contents(file, tensors, metadata, limits)
    value = as_table(value)
    if type(value) is tuple and len(value) == 3 and all(type(entry) is NetworkRecord for entry in value):
        return Contents(file, TENSORFLOW_PICKLE, dict(zip(("G", "D", "G_ema"), value, strict=True)), limits)
    if type(value) is PersistentRecord:
        value = {"D" if value.meta.get("class_name") == "Discriminator" else "G_ema": value}
    if type(value) is dict and any(type(entry) is PersistentRecord for entry in value.values()):
        return Contents(file, PYTORCH_PICKLE if container == "pickle" else TORCH_MODULE, value, limits)
    return Contents(file, TORCH_FILE, _state_dict_entries(StateDicts(value, file.name), file.name), limits)


def _state_dict_entries(stored: StateDicts, name: str) -> dict[str, Any]:
    """The top level of a torch.save file, with its networks as matches under the names "G_ema" and "D".

    Raises UnsupportedCheckpointError where no family knows a generator.
    """
    generators = matches(stored)
    if not generators:
        raise UnsupportedCheckpointError(f"not supported: {name} is {what_it_is(stored.value)}")
    networks = {"G_ema": min(generators, key=lambda match: stored.rank(match.found))}
    if copy := networks["G_ema"].trained(stored):
        networks["G"] = copy
    if critics := matches(stored, CRITIC):
        networks["D"] = critics[0]
    used = {key for match in networks.values() for key in match.found.keys} | {"G_ema", "G", "D"}
    whole = any(not match.found.keys for match in networks.values())
    return networks | ({} if whole else {key: item for key, item in stored.top.items() if key not in used})


def _safetensors_contents(file: CheckpointFile, tensors: dict[str, TensorRecord], metadata: dict[str, str], limits: Limits) -> Contents:
    if metadata.get("format") != SAFETENSORS_FORMAT:
        return Contents(file, SAFETENSORS_STATE, _state_dict_entries(StateDicts(tensors, file.name), file.name), limits)
    entries: dict[str, Any] = {}
    for name, role in (("G_ema", GENERATOR), ("D", CRITIC)):
        if name in metadata:
            try:
                config = config_from_dict(json.loads(metadata[name]), role)
            except (ValueError, TypeError, KeyError, RecursionError) as error:
                raise DamagedCheckpointError(f"damaged: {file.name}: the options of {name} are malformed") from error
            prefix = f"{name}."
            entries[name] = config, {key[len(prefix) :]: record for key, record in tensors.items() if key.startswith(prefix)}
    return Contents(file, SAFETENSORS, entries)
