"""Files as the trainer of pytorch_GAN_zoo writes them: networks beside an object of a class of its own."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import torch

MODULE, NAME = "models.utils.config", "BaseConfig"


def plain_object(module: str = MODULE, name: str = NAME, **attributes: Any) -> Any:
    """An object of the class `module.name`, which exists only while the file is written (`save_zoo`)."""
    result = type(name, (), {"__module__": module, "__qualname__": name})()
    vars(result).update(attributes)
    return result


class Table(dict[str, Any]):
    """A configuration that is a dictionary."""


class Slots:
    """A configuration that keeps its state in another form."""

    __slots__ = ("size",)

    def __init__(self) -> None:
        self.size = 4


class Sequence(list[int]):
    """A configuration that is a list, with a state of its own choice."""

    def __getstate__(self) -> Any:
        return ["anything", 1]


def save_zoo(path: Path, config: Any, zipped: bool = True, **entries: Any) -> Path:
    """`{"config": config, **entries}` at `path`; the reader cannot import the class of `config`."""
    kind = type(config)
    parts = kind.__module__.split(".")
    names = [".".join(parts[: index + 1]) for index in range(len(parts))]
    before = {name: sys.modules.get(name) for name in names}
    try:
        for name in names:
            sys.modules[name] = types.ModuleType(name)
        setattr(sys.modules[names[-1]], kind.__name__, kind)
        torch.save({"config": config, **entries}, path, _use_new_zipfile_serialization=zipped)
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
    return path
