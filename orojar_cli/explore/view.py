"""What a tab looks at: the whole state of its picture, sent with every request and checked number by number."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from orojar_cli.errors import OptionError
from orojar_cli.explore.worker import Ticket

MOST_SEEDS = 9
LARGEST_STRENGTH = 20.0
LARGEST_PSI = 4.0
_MOST_EDITS = 64
_LONGEST_CLIENT = 64
_LARGEST_COUNT = 1 << 53


@dataclass(frozen=True)
class View:
    """`method` names the directions, `seeds` the pictures; `edits` are (dimension, sigmas) pairs, sorted; `layers` None: the set's own."""

    method: str
    seeds: tuple[int, ...]
    class_index: int | None
    psi: float
    layers: tuple[int, ...] | None
    edits: tuple[tuple[int, float], ...]


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object of a request; raises OptionError for anything else."""
    try:
        document = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise OptionError("the request is not JSON") from error
    if not isinstance(document, dict):
        raise OptionError("the request is not a JSON object")
    return document


def ticket_of(document: dict[str, Any], urgency: int) -> Ticket:
    """Which tab asks, and which of its requests this is."""
    return Ticket(text_of(document, "client", _LONGEST_CLIENT), urgency, whole_of(document, "number", _LARGEST_COUNT))


def view_of(document: dict[str, Any]) -> View:
    """The view in a request.  Raises OptionError for a number that is not finite or out of bounds, and for too many of anything."""
    seeds = _list_of(document, "seeds", MOST_SEEDS)
    layers = None if document.get("layers") is None else _list_of(document, "layers", 256)
    class_index = None if document.get("class") is None else whole_of(document, "class", 1 << 20)
    edits = document.get("edits")
    if not isinstance(edits, list) or len(edits) > _MOST_EDITS or any(not isinstance(pair, list) or len(pair) != 2 for pair in edits):
        raise OptionError(f"edits are at most {_MOST_EDITS} pairs of a dimension and a strength")
    strengths = {_whole(index, "a dimension", 1 << 16): _number(value, "a strength", LARGEST_STRENGTH) for index, value in edits}
    if len(strengths) < len(edits):
        raise OptionError("a dimension is edited twice")
    return View(
        method=text_of(document, "method", 32),
        seeds=tuple(_whole(seed, "a seed", 2**32 - 1) for seed in seeds),
        class_index=class_index,
        psi=_number(document.get("psi"), "the truncation", LARGEST_PSI),
        layers=None if layers is None else tuple(_whole(layer, "a layer", 1 << 10) for layer in layers),
        edits=tuple((index, value) for index, value in sorted(strengths.items()) if value),
    )


def text_of(document: dict[str, Any], name: str, longest: int) -> str:
    """A short text of a request."""
    text = document.get(name)
    if not isinstance(text, str) or len(text) > longest:
        raise OptionError(f"{name} is a text of at most {longest} characters")
    return text


def whole_of(document: dict[str, Any], name: str, largest: int, smallest: int = 0) -> int:
    """A whole number of a request."""
    return _whole(document.get(name), name, largest, smallest)


def number_of(document: dict[str, Any], name: str, largest: float) -> float:
    """A number of a request, between -largest and largest."""
    return _number(document.get(name), name, largest)


def _list_of(document: dict[str, Any], name: str, most: int) -> list[Any]:
    values = document.get(name)
    if not isinstance(values, list) or not 1 <= len(values) <= most:
        raise OptionError(f"{name} are a list of 1 to {most} numbers")
    return values


def _whole(value: Any, what: str, largest: int, smallest: int = 0) -> int:
    if type(value) is not int or not smallest <= value <= largest:
        raise OptionError(f"{what} is a whole number from {smallest} to {largest}")
    return value


def _number(value: Any, what: str, largest: float) -> float:
    if type(value) not in (int, float) or not abs(value) <= largest:
        raise OptionError(f"{what} is a number from {-largest:g} to {largest:g}")
    return float(value)


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)
