"""What a tab looks at: the whole state of its picture, sent with every request and checked number by number."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orojar_cli.errors import OptionError
from orojar_cli.explore.worker import Ticket
from orojar_cli.generators.options import NOISE_MODES
from orojar_cli.numbers import LARGEST_SEED

MOST_SEEDS = 9
LARGEST_STRENGTH = 20.0
LARGEST_PSI = 4.0
_MOST_EDITS = 64
_LONGEST_CLIENT = 64
_LARGEST_COUNT = 1 << 53


@dataclass(frozen=True)
class View:
    """`method` names the directions, `seeds` the pictures; `edits` are (dimension, sigmas) pairs, sorted; `layers` None: the set's own.

    `noise_mode` None is the one that the program was started with; `mix` (a seed, entries of ws) replaces these entries of every picture
    by those of that seed; dimensions in `keep` are kept while others move.
    """

    method: str
    seeds: tuple[int, ...]
    class_index: int | None
    psi: float
    layers: tuple[int, ...] | None
    edits: tuple[tuple[int, float], ...]
    noise_mode: str | None = None
    mix: tuple[int, tuple[int, ...]] | None = None
    keep: tuple[int, ...] = ()


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
    return View(
        method=text_of(document, "method", 32),
        seeds=tuple(_whole(seed, "a seed", LARGEST_SEED) for seed in seeds),
        class_index=None if document.get("class") is None else whole_of(document, "class", 1 << 20),
        psi=_number(document.get("psi"), "the truncation", LARGEST_PSI),
        layers=_layers_of(document),
        edits=edits_of(document.get("edits")),
        noise_mode=None if document.get("noise") is None else _word(document["noise"], "the noise", NOISE_MODES),
        mix=_mix_of(document),
        keep=dimensions_of(document.get("keep")),
    )


def edits_of(edits: Any) -> tuple[tuple[int, float], ...]:
    """(dimension, sigmas) pairs, sorted, without those of no sigmas; raises OptionError for what are none."""
    if not isinstance(edits, list) or len(edits) > _MOST_EDITS or any(not isinstance(pair, list) or len(pair) != 2 for pair in edits):
        raise OptionError(f"edits are at most {_MOST_EDITS} pairs of a dimension and a strength")
    strengths = {_whole(index, "a dimension", 1 << 16): _number(value, "a strength", LARGEST_STRENGTH) for index, value in edits}
    if len(strengths) < len(edits):
        raise OptionError("a dimension is edited twice")
    return tuple((index, value) for index, value in sorted(strengths.items()) if value)


def dimensions_of(numbers: Any) -> tuple[int, ...]:
    """Dimensions, sorted, of a list of at most a few dozen or None."""
    if numbers is None:
        return ()
    if not isinstance(numbers, list) or len(numbers) > _MOST_EDITS:
        raise OptionError(f"the dimensions to be kept are at most {_MOST_EDITS}")
    return tuple(sorted({_whole(number, "a dimension", 1 << 16) for number in numbers}))


def _layers_of(document: dict[str, Any]) -> tuple[int, ...] | None:
    if document.get("layers") is None:
        return None
    return tuple(_whole(layer, "a layer", 1 << 10) for layer in _list_of(document, "layers", 256))


def _mix_of(document: dict[str, Any]) -> tuple[int, tuple[int, ...]] | None:
    mix = document.get("mix")
    if mix is None:
        return None
    if not isinstance(mix, dict) or mix.get("layers") is None:
        raise OptionError("a mix is a seed and layers")
    layers = _layers_of(mix)
    assert layers is not None
    return whole_of(mix, "seed", LARGEST_SEED), layers


def document_of(view: View) -> dict[str, Any]:
    """A view as `view_of` reads it."""
    return {
        "method": view.method,
        "seeds": list(view.seeds),
        "class": view.class_index,
        "psi": view.psi,
        "layers": None if view.layers is None else list(view.layers),
        "edits": [list(pair) for pair in view.edits],
        "noise": view.noise_mode,
        "mix": None if view.mix is None else {"seed": view.mix[0], "layers": list(view.mix[1])},
        "keep": list(view.keep),
    }


def text_of(document: dict[str, Any], name: str, longest: int) -> str:
    """A short text of a request."""
    text = document.get(name)
    if not isinstance(text, str) or len(text) > longest:
        raise OptionError(f"{name} is a text of at most {longest} characters")
    return text


def whole_of(document: dict[str, Any], name: str, largest: int, smallest: int = 0) -> int:
    """A whole number of a request."""
    return _whole(document.get(name), name, largest, smallest)


def word_of(document: dict[str, Any], name: str, words: Sequence[str], usual: str) -> str:
    """One of some words of a request, where it has any."""
    return usual if document.get(name) is None else _word(document[name], name, words)


def number_of(document: dict[str, Any], name: str, largest: float) -> float:
    """A number of a request, between -largest and largest."""
    return _number(document.get(name), name, largest)


def _list_of(document: dict[str, Any], name: str, most: int) -> list[Any]:
    values = document.get(name)
    if not isinstance(values, list) or not 1 <= len(values) <= most:
        raise OptionError(f"{name} are a list of 1 to {most} numbers")
    return values


def _word(value: Any, what: str, words: Sequence[str]) -> str:
    if value not in words or type(value) is not str:
        raise OptionError(f"{what} is one of {', '.join(words)}")
    return str(value)


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
