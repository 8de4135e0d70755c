"""Lists of whole numbers as people type them: 0-3,6."""

from __future__ import annotations

import re

from orojar_cli.errors import OptionError

_LONGEST = 100_000


def number_list(text: str) -> tuple[int, ...]:
    """The numbers of "0-3,6", each once and in the order given; raises OptionError for anything else, and for ranges of over 100,000."""
    numbers: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,10})(?:\s*-\s*(\d{1,10}))?\s*", part)
        if match is None:
            raise OptionError(f"{text!r} is not a list such as 0-3,6")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or last - first > _LONGEST:
            raise OptionError(f"{part!r} is not a range from low to high")
        numbers.extend(range(first, last + 1))
    return tuple(dict.fromkeys(numbers))
