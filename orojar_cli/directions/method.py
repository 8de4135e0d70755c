"""What a direction method is: a function with its own options, the spaces it works in, and what it asks of a generator."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.directions.settings import Settings
from orojar_cli.errors import OptionError
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.spaces import SPACES
from orojar_cli.progress import Progress
from orojar_cli.response.outputs import Output

_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a word"}


def none(generator: Generator, settings: Settings) -> float:
    """The images of a search that draws none."""
    return 0.0


def no_metric(options: Mapping[str, Any]) -> tuple[str, ...]:
    """What a method minimises that minimises no metric."""
    return ()


class MethodFunction(Protocol):
    """Generator and settings -> directions, with the hash that the generator knows itself by (`generator.sha256`)."""

    def __call__(self, generator: Generator, settings: Settings, progress: Progress | None = None) -> DirectionSet: ...


@dataclass(frozen=True)
class Option:
    """One option of a method: its default, the kind of its values (that of the default where it is not said) and their limits.

    None is a value only where it is the default.  `choices` are the words there are; `above` is a limit that is no value itself.
    """

    default: Any
    kind: type | None = None
    low: float | None = None
    above: float | None = None
    choices: tuple[str, ...] = ()

    @property
    def values(self) -> str:
        """What may be given, in words."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        limit = f" from {self.low} up" if self.low is not None else f" above {self.above}" if self.above is not None else ""
        return _KINDS[self._kind] + limit

    @property
    def _kind(self) -> type:
        return type(self.default) if self.kind is None else self.kind

    def admits(self, value: Any) -> bool:
        """Whether `value` is of the kind and within the limits."""
        if value is None:
            return self.default is None
        if type(value) is not self._kind and not (self._kind is float and type(value) is int):
            return False
        if self.choices:
            return value in self.choices
        return self._within(value) if isinstance(value, (int, float)) else True

    def _within(self, number: float) -> bool:
        return (self.low is None or number >= self.low) and (self.above is None or self.above < number < math.inf)


@dataclass(frozen=True)
class Preset:
    """A published way to use a method: values of its options, what of the response is compared; all directions that the space has."""

    options: Mapping[str, Any]
    outputs: tuple[Output, ...] = (Output(),)


@dataclass(frozen=True)
class Method:
    """A method under the name it is asked for, called as its function is: method(generator, settings, progress) -> DirectionSet.

    `options` are its own, beside the settings that all methods share; `spaces` those it works in; `whiten` whether it measures latents
    in standard deviations unless told otherwise; `compared` whether a comparison runs it unasked; `protocols` published ways to use it.
    `images` is about how many points' responses the search computes with some settings, a gradient counting as three, and `counted` what
    they grow with, "samples" or the option "steps"; None where there is nothing to choose.
    `minimises` are the metrics that the search itself lowers, with values of its options; `drawn` says that it begins at random, so that
    another seed gives other directions.
    """

    name: str
    function: MethodFunction
    options: Mapping[str, Option] = field(default_factory=dict)
    spaces: tuple[str, ...] = SPACES
    needs_gradients: bool = False
    whiten: bool = True
    compared: bool = False
    protocols: Mapping[str, Preset] = field(default_factory=dict)
    images: Callable[[Generator, Settings], float] = none
    counted: str | None = None
    minimises: Callable[[Mapping[str, Any]], tuple[str, ...]] = no_metric
    drawn: bool = False

    def __call__(self, generator: Generator, settings: Settings, progress: Progress | None = None) -> DirectionSet:
        """The method's directions; raises what `check` raises."""
        self.check(generator, settings)
        return self.function(generator, settings, progress)

    def check(self, generator: Generator, settings: Settings) -> None:
        """Raise OptionError for a space, an option or a generator that the method is not for."""
        self.check_options(settings.options)
        if settings.space in SPACES and settings.space not in self.spaces:
            raise OptionError(f"the directions of {self.name} live in {' or '.join(self.spaces)}, not in {settings.space}")
        if self.needs_gradients and not getattr(generator, "differentiable", True):
            raise OptionError(f"{self.name} takes gradients, which this generator does not give; use orojar")

    def protocol(self, name: str) -> Preset:
        """A published way to use the method; raises OptionError for one that it does not have."""
        if name not in self.protocols:
            known = f"it has {', '.join(self.protocols)}" if self.protocols else "orojar-sgd and hessian have one"
            raise OptionError(f"{self.name} has no protocol {name!r:.60}; {known}")
        return self.protocols[name]

    def count(self, settings: Settings) -> int:
        """The number of what the method's work grows with."""
        return settings.samples if self.counted == "samples" else int(with_defaults(self.options, settings.options)[self.counted or ""])

    def with_count(self, settings: Settings, count: int) -> Settings:
        """The settings with another number of what the method's work grows with."""
        if self.counted == "samples":
            return replace(settings, samples=count)
        return replace(settings, options=settings.options | {self.counted or "": count})

    def check_options(self, given: Mapping[str, Any]) -> None:
        """Raise OptionError for an option that the method does not have, or a value that it cannot have."""
        for name, value in given.items():
            if name not in self.options:
                raise OptionError(f"{self.name} has no option {name!r}; it has {', '.join(self.options) or 'none'}")
            if not self.options[name].admits(value):
                raise OptionError(f"{name} = {value!r}: {self.name} takes {self.options[name].values}")


def with_defaults(options: Mapping[str, Option], given: Mapping[str, Any]) -> dict[str, Any]:
    """The values of all `options`: those given, else their defaults."""
    return {name: option.default for name, option in options.items()} | dict(given)
