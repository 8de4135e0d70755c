"""--generator package.module:factory and --attributes package.module:name: the user's own code, named on their own command line.

The one module of orojar that imports code by name.  The name comes from the command line and from nowhere else: not from a checkpoint,
not from a direction set, not from a run.json.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from typing import TYPE_CHECKING, Any

import click

from orojar_cli.cli.console import say

if TYPE_CHECKING:
    from orojar_cli.generators.own.network import OwnNetwork

_SPEC = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


class CodeName(click.ParamType):
    """package.module:name."""

    name = "package.module:name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not _SPEC.fullmatch(value):
            self.fail(f"{value!r} is not {self.name}, such as mygan:make for make() in mygan.py", param, ctx)
        return value


class GeneratorName(CodeName):
    """package.module:factory."""

    name = "package.module:factory"


def load_own_generator(name: str, device: str) -> OwnNetwork:
    """Import the module, call its factory, and put what it returns behind orojar's protocol.  Raises OwnCodeError."""
    from orojar_cli.generators.own.network import own_network

    return own_network(imported(name), name, device, say, attribute=name.partition(":")[2], freeze=True)


def imported(name: str) -> Any:
    """What package.module:name names, its module imported; the current folder comes first in the search, as with `python -m`.

    Raises OwnCodeError.
    """
    from orojar_cli.errors import OwnCodeError
    from orojar_cli.generators.own.running import own_code

    module_name, _, attribute = name.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        with own_code(name, f"importing {module_name}"):
            found: Any = importlib.import_module(module_name)
    except OwnCodeError as error:
        missing = getattr(error.__cause__, "name", None)
        if isinstance(error.__cause__, ModuleNotFoundError) and f"{module_name}.".startswith(f"{missing}."):
            raise OwnCodeError(f"{name}: there is no module {missing} in this folder or among the installed packages") from error
        raise
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise OwnCodeError(f"{name}: {module_name} has no {attribute} (it is read from {getattr(found, '__file__', 'memory')})")
        found = getattr(found, part)
    return found
