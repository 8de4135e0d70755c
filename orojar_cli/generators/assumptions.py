"""What a file leaves open, and what of a network does not come from its file.

Options that change the picture, show in no tensor, and that no setting in the file tells: a configuration takes the usual value for such
an option and names it in `assumed`.  Whoever knows better chooses (`chosen`).

Numbers that are not in the file and that the reader supplies in their place (fixed noise drawn from a seed, a mean w estimated from
samples): the reader names each in the configuration's `substitutes`, in words that stand behind "does not hold, and orojar supplies:".
An exact constant that the architecture implies, such as the mean 0 of z, is no substitute.  `inspect` and every command that loads the
network say them once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from orojar_cli.errors import OptionError, UnsupportedCheckpointError


def assumptions(config: Any) -> tuple[str, ...]:
    """One `name=value` for each option that the file does not say."""
    return tuple(f"{name}={getattr(config, name)}" for name in getattr(config, "assumed", ()))


def substitutes(config: Any) -> tuple[str, ...]:
    """Words for each group of numbers that the network uses and its file does not hold; () where all of them are the file's."""
    return tuple(getattr(config, "substitutes", ()))


def checked_substitutes(words: Any) -> tuple[str, ...]:
    """`substitutes` as a configuration keeps it; raises UnsupportedCheckpointError for anything but a few short printable texts."""
    if not isinstance(words, (tuple, list)) or len(words) > 8 or not all(type(word) is str and word.isprintable() for word in words):
        raise UnsupportedCheckpointError("not supported: substitutes that are no list of texts")
    if any(len(word) > 200 for word in words):
        raise UnsupportedCheckpointError("not supported: substitutes described at such length")
    return tuple(words)


def chosen(config: Any, choices: Mapping[str, str]) -> Any:
    """`config` with what its file does not say chosen: option name -> value as text.

    Raises OptionError for an option that is not open, and for a value that it cannot have.
    """
    values = {}
    for name, text in choices.items():
        if name not in getattr(config, "assumed", ()):
            open_options = ", ".join(getattr(config, "assumed", ())) or "nothing"
            raise OptionError(f"{name} cannot be chosen for this {config.family}: its file leaves open {open_options}")
        values[name] = _parsed(name, text, type(getattr(config, name)))
    if not values:
        return config
    assumed = tuple(name for name in config.assumed if name not in values)
    try:
        if hasattr(config, "with_options"):
            result = config.with_options(values, assumed)
        else:
            result = dataclasses.replace(config, **values, assumed=assumed)
    except UnsupportedCheckpointError as error:
        raise OptionError(str(error).removeprefix("not supported: ")) from None
    if result.shapes() != config.shapes():
        raise OptionError(f"{', '.join(values)} would need tensors that were not read; it cannot be chosen")
    return result


def _parsed(name: str, text: str, kind: type) -> Any:
    """`text` as an option's value of type `kind`."""
    try:
        return {"true": True, "false": False}[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError):
        raise OptionError(f"{name} = {ascii(text)[:60]} is not {'true or false' if kind is bool else 'a number'}") from None
