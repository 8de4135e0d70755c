"""Names of this package's own modules, imported when they are asked for."""

from __future__ import annotations

import importlib
from typing import Any


def own(module: str, name: str) -> Any:
    """`name` of the module `orojar_cli.<module>`.  Both are constants of the source: nothing that a file says comes here."""
    return getattr(importlib.import_module(f"orojar_cli.{module}"), name)
