"""Numbers from elsewhere: lists as people type them (0-3,6), and values with limits."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

from orojar_cli.errors import OptionError

Classes = int | tuple[tuple[int, float], ...]
"""One class of a conditional network, or several with their weights in a mixture."""

_LONGEST = 100_000
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600}
# Seeds of numpy's legacy generator, by which the StyleGAN tools number images.
LARGEST_SEED = 2**32 - 1
# More than anybody measures at: what is larger was mistyped, and would fail in the middle of a computation.
MOST_SAMPLES = 10_000_000


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


def check_whole(name: str, value: Any, low: int, high: int = MOST_SAMPLES) -> None:
    """Raise OptionError unless `value`, of the option `name`, is a whole number within limits."""
    if isinstance(value, bool) or not isinstance(value, Integral) or not low <= int(value) <= high:
        raise OptionError(f"--{name} {value!r:.60} is not a whole number from {low} to {high}")


def check_number(name: str, value: Any, low: float, high: float = math.inf) -> None:
    """Raise OptionError unless `value`, of the option `name`, is a number within limits."""
    if isinstance(value, bool) or not isinstance(value, Real) or not low <= float(value) <= high:
        raise OptionError(f"--{name} {value!r:.60} is not a number from {low:g}{f' to {high:g}' if high < math.inf else ' up'}")


def as_seconds(duration: Any) -> float:
    """Seconds of a duration: a number, or a word such as "90s", "10m" or "1.5h".  Raises OptionError for what is none, or not above 0."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{0,6})?)\s*(s|m|min|h)?", duration.strip()) if isinstance(duration, str) else None
    seconds = float(match[1]) * _SECONDS[match[2] or "s"] if match else duration
    if isinstance(seconds, bool) or not isinstance(seconds, Real) or not 0 < float(seconds) < math.inf:
        raise OptionError(f"{duration!r:.60} is no duration such as 90s, 10m or 1.5h")
    return float(seconds)


def check_seed(seed: Any) -> None:
    """Raise OptionError for what is no seed of random numbers."""
    check_whole("seed", seed, 0, LARGEST_SEED)


def check_seeds(seeds: Sequence[Any]) -> None:
    """Raise OptionError for what are no seeds of images."""
    if not seeds or not all(isinstance(seed, Integral) and 0 <= int(seed) <= LARGEST_SEED for seed in seeds):
        raise OptionError(f"seeds are whole numbers from 0 to {LARGEST_SEED}, at least one")


def as_classes(choice: Any) -> Classes | None:
    """A class by its number, or a mixture: {1: 0.5, 2: 0.5}, pairs of class and weight, or "1:0.5,2:0.5"; None is none.

    Weights are taken as they are.  Raises OptionError for anything else.
    """
    if choice is None or (isinstance(choice, Integral) and not isinstance(choice, bool)):
        return None if choice is None else int(choice)
    if isinstance(choice, str):
        if re.fullmatch(r"\s*\d{1,7}\s*", choice):
            return int(choice)
        choice = [part.split(":") for part in choice.split(",")]
    pairs = list(choice.items()) if isinstance(choice, Mapping) else choice
    try:
        mixture = tuple((int(index), float(weight)) for index, weight in pairs)
        numbers = [index for index, _ in mixture]
        usable = mixture and all(0 <= index == float(given[0]) for index, given in zip(numbers, pairs, strict=True))
    except (TypeError, ValueError, OverflowError):
        usable = False
    if not usable or len(set(numbers)) < len(numbers) or not all(abs(weight) <= 100 for _, weight in mixture):
        raise OptionError(f"--class {choice!r:.60} is neither a class nor a mixture of different ones such as 1:0.5,2:0.5")
    return mixture


def classes_text(choice: Classes) -> str:
    """What `--class` takes: "3", or "1:0.5,2:0.5"."""
    return str(choice) if isinstance(choice, int) else ",".join(f"{index}:{weight:g}" for index, weight in choice)
