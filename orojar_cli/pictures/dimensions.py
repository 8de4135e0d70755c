"""Which dimensions are meant: numbers, ranges, labels, all of them, and edits such as "3:+2"."""

from __future__ import annotations

import re
from collections.abc import Iterable

from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.errors import OptionError
from orojar_cli.numbers import number_list

_EDIT = re.compile(r"(.+):\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+))\s*", re.DOTALL)
Edits = tuple[tuple[int, float], ...]
# Of more dimensions than this "all" are those that do something: of 512 most do nothing, and each costs several pictures.
_MANY, _ACTIVE = 64, 0.01


def chosen_dimensions(directions: DirectionSet, words: Iterable[str | int]) -> tuple[tuple[int, ...], Edits]:
    """(dimensions to walk along, edits) of words as `--dim` takes them: 3, "3", "0-9,12", "all", a label, and edits such as "3:+2".

    "all" of more than 64 dimensions are those with at least a hundredth of the greatest activeness.

    Raises OptionError for what the set does not have.
    """
    walked: list[int] = []
    edits: list[tuple[int, float]] = []
    labels = {label.casefold() for label in directions.labels if label}
    for word in words:
        text = str(word)
        edit = _EDIT.fullmatch(text)
        # A label may itself end in a colon and a number.
        if edit is None or text.strip().casefold() in labels:
            walked.extend(_rows(directions, text))
        else:
            edits.extend((row, float(edit[2])) for row in _rows(directions, edit[1]))
    return tuple(dict.fromkeys(walked)), tuple(edits)


def kept_dimensions(directions: DirectionSet, words: Iterable[str | int]) -> tuple[int, ...]:
    """The dimensions of words as `--keep` takes them: 5, "5", "0-2,5", "all", a label.  Raises OptionError for what the set does not have,
    and for strengths."""
    kept, edits = chosen_dimensions(directions, words)
    if edits:
        raise OptionError(f"--keep {edits[0][0]} has no strength: what is kept is not moved; an edit goes to --dim")
    return kept


def _rows(directions: DirectionSet, text: str) -> list[int]:
    if text.strip() == "all":
        rows = list(range(len(directions)))
        least = _ACTIVE * float(directions.activeness.max())
        return rows if len(rows) <= _MANY else [row for row in rows if float(directions.activeness[row]) >= least]
    if re.fullmatch(r"[\d,\s-]+", text) and not text.strip().startswith("-"):
        return [directions.index(number) for number in number_list(text)]
    return [directions.index(text)]
