"""Names of this package's own modules, imported when they are asked for."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any


def own(module: str, name: str) -> Any:
    """`name` of the module `orojar_cli.<module>`.  Both are constants of the source: nothing that a file says comes here."""
    return getattr(importlib.import_module(f"orojar_cli.{module}"), name)


class Room(ModuleType):
    """A package that bears the name of an operation: `orojar_cli.finetune(...)` calls it, `orojar_cli.finetune.rotation` is a module."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        name = self.__name__.rpartition(".")[2]
        return own(f"operations.{name}", name)(*arguments, **options)


def make_callable(package: str) -> None:
    """Let the package of this name be called; for its own `__init__`."""
    sys.modules[package].__class__ = Room
