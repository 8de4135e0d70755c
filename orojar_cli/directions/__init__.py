"""Direction sets and the methods that find them, all with one signature: method(generator, settings, progress).

A method is a module of this package and a line in `registry.py`.  Names are imported at their first use: a method's own module may
take them from here, and the command line knows the methods' names without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orojar_cli import lazily

if TYPE_CHECKING:
    from orojar_cli.directions.direction_set import DirectionSet, load_directions, save_directions
    from orojar_cli.directions.imported import read_directions
    from orojar_cli.directions.method import Method, Option
    from orojar_cli.directions.registry import METHOD_OPTIONS, METHODS
    from orojar_cli.directions.settings import Settings

__all__ = [
    "METHODS",
    "METHOD_OPTIONS",
    "DirectionSet",
    "Method",
    "Option",
    "Settings",
    "load_directions",
    "read_directions",
    "save_directions",
]

_HOMES = {
    "METHODS": "registry",
    "METHOD_OPTIONS": "registry",
    "DirectionSet": "direction_set",
    "Method": "method",
    "Option": "method",
    "Settings": "settings",
    "load_directions": "direction_set",
    "read_directions": "imported",
    "save_directions": "direction_set",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return lazily.own(f"directions.{_HOMES[name]}", name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
