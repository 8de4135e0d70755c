"""Names of dimensions in a file: those that people give, and those that were measured."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace

from orojar_cli.directions.direction_set import DirectionSet, load_directions, save_directions
from orojar_cli.directions.proposal import Proposal
from orojar_cli.errors import DirectionSetError, OptionError

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


def write_proposals(path: str | os.PathLike[str], proposals: Sequence[Proposal | None], of: DirectionSet) -> DirectionSet:
    """Keep measured names of the set `of` in its file, in the place of earlier ones, whole or not at all; the set as it is then.

    Labels stay as they are in the file by now.  Raises DirectionSetError where it has become another set meanwhile.
    """
    now = load_directions(path)
    if now.checkpoint != of.checkpoint or now.space != of.space or not now.directions.equal(of.directions.to(now.directions)):
        raise DirectionSetError(f"{path} has been made anew meanwhile; measure its names again")
    named = replace(now, proposals=tuple(proposals))
    save_directions(named, path)
    return named
