"""A name that was measured, and what speaks for it: something else than the label that a person gives, and never in its place."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

MARK = "~"
"""What stands before a measured name wherever it is shown."""
_LONGEST = 80


@dataclass(frozen=True)
class Proposal:
    """What a dimension does, by number.

    `attribute` names what changes; `correlation` is that of the strength with the change, negative where more of the dimension is less of
    the attribute, and `interval` holds it at 95 % for all dimensions and attributes at once; `effect` is how many standard deviations of
    the attribute over images one sigma of the dimension moves it; `also` are further attributes that move along, with their
    correlations; `by` says what measured.
    """

    attribute: str
    correlation: float
    interval: tuple[float, float]
    effect: float
    also: tuple[tuple[str, float], ...] = ()
    by: str = "image"

    def __post_init__(self) -> None:
        names = [self.attribute, self.by, *(name for name, _ in self.also)]
        numbers = [self.correlation, *self.interval, self.effect, *(value for _, value in self.also)]
        if not all(isinstance(name, str) and name and name.isprintable() and len(name) <= _LONGEST for name in names[:1] + names[2:]):
            raise ValueError("a proposed name is not one printable line")
        if not isinstance(self.by, str) or not all(isinstance(number, float) and math.isfinite(number) for number in numbers):
            raise ValueError("a proposed name comes with numbers that are none")

    @property
    def text(self) -> str:
        """ "~brightness +0.92": what is shown in the place of a label."""
        return f"{MARK}{self.attribute} {self.correlation:+.2f}"

    @property
    def sentence(self) -> str:
        """What speaks for the name, in words."""
        also = f"; also: {', '.join(f'{name} {value:+.2f}' for name, value in self.also)}" if self.also else ""
        low, high = self.interval
        return (
            f"measured: {self.attribute}, correlation {self.correlation:+.2f} ({low:+.2f} to {high:+.2f}), "
            f"{self.effect:+.2f} standard deviations a sigma{also}"
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-serialisable form, which `from_dict` reads."""
        return {
            "attribute": self.attribute,
            "correlation": self.correlation,
            "interval": list(self.interval),
            "effect": self.effect,
            "also": [list(entry) for entry in self.also],
            "by": self.by,
        }

    @classmethod
    def from_dict(cls, told: dict[str, Any]) -> Proposal:
        """Of what `to_dict` gave; raises ValueError, KeyError or TypeError for anything else."""
        low, high = told["interval"]
        also = tuple((name, float(value)) for name, value in told["also"])
        return cls(told["attribute"], float(told["correlation"]), (float(low), float(high)), float(told["effect"]), also, told["by"])
