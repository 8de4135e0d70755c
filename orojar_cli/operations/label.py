"""Names for dimensions."""

from __future__ import annotations

from pathlib import Path

from orojar_cli.demonstration import demonstration
from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.directions.labels import write_label
from orojar_cli.errors import OptionError
from orojar_cli.operations.network import quiet, say_undrawable
from orojar_cli.operations.resolve import named_by
from orojar_cli.progress import Notice


def label(source: str | Path, dimension: int | str, text: str, notice: Notice = quiet) -> tuple[Path, int, DirectionSet]:
    """Name a dimension, given by number or its present label, in the direction set of a run or a file; (file, number, the set now).

    Raises OptionError for a source without directions, a dimension there is not, and a text that cannot be a name.
    """
    named = named_by(source, notice=notice)
    if named.path is None:
        raise OptionError(f"{source} has no direction set to label; name a run or a directions.safetensors")
    if named.path == demonstration()[1]:
        raise OptionError("the demonstration's directions belong to the program; find some of your own with orojar discover")
    index = named.directions.index(dimension)
    say_undrawable([text], notice)
    return named.path, index, write_label(named.path, index, text)
