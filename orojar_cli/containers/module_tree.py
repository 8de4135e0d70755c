"""From the records of one PyTorch-era network object to a flat table of tensors and recorded options."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Any

from orojar_cli.containers.file import CheckpointFile, printable
from orojar_cli.containers.limits import DEFAULT_LIMITS, Limits
from orojar_cli.containers.records import PersistentRecord, PlainObject, TensorRecord, as_table
from orojar_cli.errors import DamagedCheckpointError, UnsafeCheckpointError, UnsupportedCheckpointError

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}\Z")
_FORMAT_VERSION = 6
# Modules of torch itself inside networks of this container: they bring no source text.
_PLAIN = {"torch.nn.modules.sparse.Embedding": "Embedding"}

# SHA-256 of embedded source texts whose networks orojar has been checked against.  The text is never compiled, only named:
# a fork can keep every tensor's name and change what is computed, so an unknown text is reported to the user.
WRITTEN = "written by orojar"
KNOWN_SOURCES = {
    "5b2a28c3ed91c5219a71c2f2e89c1762f1fffa6416dccb4f2d2948268d128549": "source text removed",
    "4342a2061b98d18b1b2690fb9354f7cdf22bb50bbbde0ace43e7ac5595e09840": "converted by orojar, no source text",
    "0befe0334244a25f53824fae32c9592c3dbb2fdf6d686a02e2e06487c085c5b4": WRITTEN,
    "b3e4f3c278ad5823009486220d70778db3be1678caff5988fe54c9f7157f7bf2": WRITTEN,
}


@dataclass
class NetworkTree:
    """One network: its class, constructor arguments, and everything below it by attribute path.

    `sources` are the hashes of its source texts; `sourceless` where the text cannot define the class, as none that was removed can: the
    tools that run it to find the class do not open the file.
    """

    name: str
    class_name: str
    init_kwargs: dict[str, Any]
    tensors: dict[str, TensorRecord] = field(default_factory=dict)
    classes: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, dict[str, Any]] = field(default_factory=dict)
    sources: set[str] = field(default_factory=set)
    sourceless: bool = False

    def recorded(self, path: str, attribute: str, kinds: tuple[type, ...], default: Any) -> Any:
        """The plain attribute that the module at `path` carries, or `default` where it has none of one of the types `kinds`."""
        value = self.attributes.get(path, {}).get(attribute, default)
        if type(value) is str and not _NAME.match(value):
            raise DamagedCheckpointError(f"damaged: {self.name}.{path}.{attribute} is {printable(value)!r}")
        return value if type(value) in kinds else default


def read_network(record: Any, name: str, file: CheckpointFile, limits: Limits = DEFAULT_LIMITS) -> NetworkTree:
    """The tree of the network stored under `name`; checked only once the whole file is read, so nothing can change behind the check.

    Raises UnsupportedCheckpointError for an unknown container version, UnsafeCheckpointError for hooks and DamagedCheckpointError
    for anything malformed, cyclic or too deep.
    """
    if type(record) not in (PersistentRecord, PlainObject):
        raise DamagedCheckpointError(f"damaged: {file.name}: {name} is not a network")
    tree: NetworkTree | None = None
    visited: set[int] = set()
    digests: dict[int, str] = {}  # modules of one class share their text, which is hashed once
    pending: list[tuple[str, Any, int]] = [("", record, 0)]
    while pending:
        path, module, depth = pending.pop()
        where = f"{file.name}: {printable(f'{name}.{path}' if path else name)}"
        plain = _PLAIN.get(module.name) if type(module) is PlainObject and path else None
        if type(module) is PlainObject and plain is None:
            raise UnsupportedCheckpointError(f"not supported: {where} is a {printable(module.name)}, which orojar does not read")
        if type(module) is not PersistentRecord and plain is None:
            raise UnsupportedCheckpointError(f"not supported: {where} is not a module of this container")
        if id(module) in visited or depth > limits.module_depth:
            raise DamagedCheckpointError(f"damaged: {where} contains itself or is nested too deeply")
        visited.add(id(module))
        class_name, source, state = (
            _checked_meta(module, where) if plain is None else (plain, None, _checked_state(module.attributes, where))
        )
        members = {kind: _checked_members(state, kind, where) for kind in ("_parameters", "_buffers", "_modules")}
        tables = {id(table) for table in (state, *members.values())}
        if len(tables) < 4 or tables & visited:  # walking one table again and again could take forever
            raise DamagedCheckpointError(f"damaged: {where} has a table of contents that another module has too")
        visited |= tables
        if source is not None and id(source) not in digests:
            digests[id(source)] = hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()
        if tree is None:
            if type(state.get("_init_args", ())) is not tuple or state.get("_init_args", ()):
                raise UnsupportedCheckpointError(f"not supported: {where} was built with positional arguments")
            init_kwargs = as_table(state.get("_init_kwargs"))
            if type(init_kwargs) is not dict:
                raise DamagedCheckpointError(f"damaged: {where} has no constructor arguments")
            tree = NetworkTree(name, class_name, {key: as_table(value) for key, value in init_kwargs.items()})
            tree.sourceless = source is not None and class_name not in source and "import *" not in source
        tree.classes[path] = class_name
        if source is not None:
            tree.sources.add(digests[id(source)])
        tree.attributes[path] = {key: value for key, value in state.items() if not key.startswith("_")}
        prefix = f"{path}." if path else ""
        for kind in ("_parameters", "_buffers"):
            for key, tensor in members[kind].items():
                if tensor is not None:
                    if type(tensor) is not TensorRecord:
                        raise DamagedCheckpointError(f"damaged: {where}.{key} is not a tensor")
                    tree.tensors[prefix + key] = tensor
        for key, child in members["_modules"].items():
            if child is not None:
                pending.append((prefix + key, child, depth + 1))
    assert tree is not None
    return tree


def _checked_meta(module: PersistentRecord, where: str) -> tuple[str, str | None, dict[str, Any]]:
    meta = module.meta
    kind, version, class_name, source, state = (meta.get(key) for key in ("type", "version", "class_name", "module_src", "state"))
    if type(kind) is not str or kind != "class" or type(version) is not int or version != _FORMAT_VERSION:
        raise UnsupportedCheckpointError(
            f"not supported: {where} uses an unknown version of the container (version {_FORMAT_VERSION} is read)"
        )
    if type(class_name) is not str or type(source) is not str or type(state) is not dict:
        raise DamagedCheckpointError(f"damaged: {where} has a malformed description")
    return class_name, source, _checked_state(state, where)


def _checked_state(state: dict[str, Any], where: str) -> dict[str, Any]:
    for key, value in state.items():
        if key.endswith("_hooks") and value is not None and (type(value) is not dict or value):
            raise UnsafeCheckpointError(f"refused: {where} carries code hooks ({printable(key)}); nothing was executed")
    return state


def _checked_members(state: dict[str, Any], kind: str, where: str) -> dict[str, Any]:
    members = state.get(kind)
    if type(members) is not dict:
        raise DamagedCheckpointError(f"damaged: {where} has no {kind[1:]}")
    for key in members:
        if not _NAME.match(key):
            raise DamagedCheckpointError(f"damaged: {where} has a member with the name {printable(key)!r}")
    return members


def check_tensors(tensors: dict[str, TensorRecord], shapes: dict[str, tuple[int, ...]], where: str) -> None:
    """Compare stored tensors with the shapes the options imply, before anything is allocated.

    A missing or misshapen tensor is damage; an additional one is a network we do not know.
    """
    stored = 0
    for name, shape in shapes.items():
        record, here = tensors.get(name), f"{where}.{printable(name)}"
        if record is None:
            raise DamagedCheckpointError(f"damaged: {here} is missing")
        if record.shape != shape:
            raise DamagedCheckpointError(f"damaged: {here} has shape {printable(str(record.shape))}, its options need {shape}")
        if "float" not in record.dtype:
            raise DamagedCheckpointError(f"damaged: {here} holds {record.dtype}, not floating-point numbers")
        stored += record.numel * record.storage.itemsize
        if stored > record.storage.data.file.size:
            raise UnsafeCheckpointError(f"refused: {where} uses the same bytes for many tensors; no checkpoint does")
    extra = sorted(set(tensors) - set(shapes))
    if extra:
        raise UnsupportedCheckpointError(f"not supported: {where} has a tensor {printable(extra[0])} that its architecture does not have")
