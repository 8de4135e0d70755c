"""The methods that find directions: each by name, with the module of this package whose METHOD it is (no torch until one is asked for)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from orojar_cli import lazily

if TYPE_CHECKING:
    from orojar_cli.directions.method import Method

MODULES = {
    "orojar": "orojar",
    "sefa": "sefa",
    "ganspace": "ganspace",
    "hessian": "hessian",
    "orojar-sgd": "orojar_sgd",
    "jacobian-pca": "jacobian_pca",
    "random": "random_directions",
}


class _Methods(Mapping[str, "Method"]):
    """Methods by name; the names are there at once, a method is imported when it is looked up."""

    def __getitem__(self, name: str) -> Method:
        method: Method = lazily.own(f"directions.{MODULES[name]}", "METHOD")
        return method

    def __contains__(self, name: object) -> bool:
        return name in MODULES

    def __iter__(self) -> Iterator[str]:
        return iter(MODULES)

    def __len__(self) -> int:
        return len(MODULES)


class _Options(Mapping[str, tuple[str, ...]]):
    """The names of every method's own options, what `Settings.options` may hold; methods without options are left out."""

    def __getitem__(self, name: str) -> tuple[str, ...]:
        if not METHODS[name].options:
            raise KeyError(name)
        return tuple(METHODS[name].options)

    def __iter__(self) -> Iterator[str]:
        return (name for name in METHODS if METHODS[name].options)

    def __len__(self) -> int:
        return len(list(iter(self)))


METHODS = _Methods()
METHOD_OPTIONS = _Options()
