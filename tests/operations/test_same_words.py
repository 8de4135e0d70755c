"""The same name means the same in a notebook and in the shell: options of commands have the defaults of their operations."""

from __future__ import annotations

import inspect
from typing import Any

import click
import pytest

import orojar_cli
from orojar_cli.cli import orojar
from orojar_cli.cli.options import NumberList
from orojar_cli.operations.mapping_settings import MappingSettings

# What belongs to the shell alone, and what it writes where a notebook keeps things in memory.
_OF_THE_SHELL = {"checkpoint", "network", "own", "sha256", "max_download", "as_json", "outdir", "out", "source", "sources", "picture"}
_OF_THE_SHELL |= {"directions", "save_video", "settings", "normalize", "first_layer", "against", "columns", "size"}
PAIRS = ("sample", "sefa", "discover", "finetune", "metrics", "compare", "project")


def defaults(operation: Any) -> dict[str, Any]:
    found = {name: entry.default for name, entry in inspect.signature(operation).parameters.items()}
    return found


def of_the_shell(option: click.Parameter) -> Any:
    """An option's default as its command gets it."""
    value = option.get_default(click.Context(click.Command("any")))
    value = None if type(value).__name__ == "Sentinel" else value
    if value is None and getattr(option, "is_flag", False) and not option.secondary_opts:
        return False
    if isinstance(option.type, NumberList) and isinstance(value, str):
        return option.type.convert(value, option, None)
    return tuple(value) if isinstance(value, list) else value


@pytest.mark.parametrize("name", PAIRS)
def test_defaults_are_those_of_the_operation(name: str) -> None:
    ours = defaults(orojar_cli.discover) | defaults(orojar_cli.sefa) if name == "sefa" else defaults(getattr(orojar_cli, name))
    if name == "finetune":
        ours |= {entry: default for entry, default in defaults(MappingSettings).items() if entry not in ours}
    checked = 0
    for option in orojar.commands[name].params:
        if option.name in _OF_THE_SHELL or option.name not in ours:
            continue
        theirs, expected = of_the_shell(option), ours[option.name]
        if option.multiple if isinstance(option, click.Option) else False:
            theirs = theirs or ()
        # The grid's seeds are fewer where images are large, and a word for the size of the subspace is "auto".
        if option.name in ("seeds", "subspace") and name in ("sefa", "discover"):
            assert expected is None or str(expected) == str(theirs)
        elif isinstance(expected, range | tuple | list):
            assert tuple(theirs or ()) == tuple(expected), option.name
        else:
            assert theirs == expected, option.name
        checked += 1
    assert checked >= 6
