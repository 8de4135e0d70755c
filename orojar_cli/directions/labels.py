"""Names that people give to dimensions."""

from __future__ import annotations

import os
import re

from orojar_cli.directions.direction_set import DirectionSet, load_directions, save_directions
from orojar_cli.errors import OptionError

LONGEST_LABEL = 80
# "3", "0-3,6", and what pages and pictures call a dimension that has no label.
_NUMBERS = re.compile(r"\s*(?:(?:dim|dimension|axis)\b[\s.:#]*|dim|#)?\s*[\d,\s-]*\d[\d,\s-]*", re.IGNORECASE)


def checked_label(text: str) -> str:
    """A label without the spaces around it; an empty one takes the name away.

    Raises OptionError for what is not one printable line, is too long, or would be taken for a number or for all dimensions.
    """
    if len(text) > LONGEST_LABEL or not text.isprintable():
        raise OptionError(f"a label is one line of at most {LONGEST_LABEL} characters")
    if _NUMBERS.fullmatch(text) or text.strip().casefold() == "all":
        raise OptionError(f"{text!r} would be taken for a number or for all dimensions; use words that say what changes")
    return text.strip()


def write_label(path: str | os.PathLike[str], index: int, text: str) -> DirectionSet:
    """Name dimension `index` in a direction set's file, whole or not at all; the set as it is then."""
    label = checked_label(text)
    labelled = load_directions(path).labelled(index, label)
    save_directions(labelled, path)
    return labelled
