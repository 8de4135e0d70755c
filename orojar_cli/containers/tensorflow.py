"""TensorFlow-era files: a triple of Network records (G, D, Gs) -> options and variables, which the families' readers understand."""

from __future__ import annotations

import hashlib
import math
from typing import Any

from orojar_cli.containers.file import printable
from orojar_cli.containers.limits import DEFAULT_LIMITS, Limits
from orojar_cli.containers.records import OLDEST_NETWORKS, ArrayRecord, NetworkRecord, StorageRecord, TensorRecord, checked_tensor
from orojar_cli.errors import DamagedCheckpointError, UnsupportedCheckpointError

_DTYPES = {"f2": "float16", "f4": "float32", "f8": "float64"}
_OLDEST_VERSION = 2


class TensorFlowNetwork:
    """One network with everything its components hold: version, options, variables by path, build functions and source hashes.

    `module` is where the class of its objects lived (`NetworkRecord`).
    """

    def __init__(self, record: Any, where: str, limits: Limits = DEFAULT_LIMITS) -> None:
        """Raises DamagedCheckpointError for records that are malformed, cyclic or too deep, UnsupportedCheckpointError for old ones."""
        self.where = where
        self.version = 0
        self.module = ""
        self.options: dict[str, Any] = {}
        self.variables: dict[str, TensorRecord | float] = {}
        self.functions: dict[str, str] = {}
        self.sources: set[str] = set()
        visited: set[int] = set()
        pending = [("", record)]
        while pending:
            path, network = pending.pop()
            here = f"{where}.{printable(path[:-1])}" if path else where
            if type(network) is not NetworkRecord or network.state is None:
                raise DamagedCheckpointError(f"damaged: {here} is not a network")
            if visited & {id(network), id(network.state)} or path.count("/") > limits.module_depth:
                raise DamagedCheckpointError(f"damaged: {here} contains itself or is nested too deeply")
            visited |= {id(network), id(network.state)}
            self.module = self.module or network.module
            components = self._read(network.state, path, here, limits)
            for name, component in components.items():
                if not name.isidentifier() or len(name) > 64:
                    raise DamagedCheckpointError(f"damaged: {here} has a component with the name {printable(name)!r}")
                pending.append((f"{path}{name}/", component))

    def _read(self, state: dict[str, Any], path: str, here: str, limits: Limits) -> dict[str, Any]:
        """Take in one record's state and return its components."""
        version, function, source = (state.get(key) for key in ("version", "build_func_name", "build_module_src"))
        options, variables = state.get("static_kwargs"), state.get("variables")
        components = state.get("components", {} if self.module == OLDEST_NETWORKS else None)  # 2018 had none
        if type(version) is not int or version < _OLDEST_VERSION:
            raise UnsupportedCheckpointError(
                f"not supported: {here} uses an old version of the container ({_OLDEST_VERSION} and later are read)"
            )
        if type(function) is not str or type(source) is not str or any(type(table) is not dict for table in (options, components)):
            raise DamagedCheckpointError(f"damaged: {here} has a malformed description")
        if type(variables) is not list:
            raise DamagedCheckpointError(f"damaged: {here} has no variables")
        if not path:
            self.options, self.version = options, version  # type: ignore[assignment]
        self.functions[path.rstrip("/")] = function
        self.sources.add(hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest())
        for pair in variables:
            if type(pair) not in (tuple, list) or len(pair) != 2 or type(pair[0]) is not str or len(pair[0]) > limits.name_characters:
                raise DamagedCheckpointError(f"damaged: {here} has a malformed variable")
            name = path + pair[0]
            if name in self.variables:
                raise DamagedCheckpointError(f"damaged: {here} has the variable {printable(pair[0])!r} twice")
            self.variables[name] = _variable(pair[1], f"{here}.{printable(pair[0])}", limits)
        return components  # type: ignore[return-value]


def _variable(value: Any, where: str, limits: Limits) -> TensorRecord | float:
    """The tensor record of a numpy array; numbers stay numbers."""
    if type(value) in (int, float):
        return value
    if type(value) is not ArrayRecord or value.dtype is None or value.data is None:
        raise DamagedCheckpointError(f"damaged: {where} is not an array of numbers")
    if value.dtype.code not in _DTYPES:
        raise DamagedCheckpointError(f"damaged: {where} holds {value.dtype.code}, not floating-point numbers")
    shape = value.shape
    if value.fortran_order:
        stride = tuple(math.prod(shape[:axis]) for axis in range(len(shape)))
    else:
        stride = tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
    storage = StorageRecord(_DTYPES[value.dtype.code], value.dtype.itemsize, math.prod(shape), value.data)
    return checked_tensor(storage, 0, shape, stride, max_dimensions=limits.dimensions, where=where)
