"""Which set is better: paired tests of the best against all others."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orojar_cli.directions import METHODS
from orojar_cli.measures import Measurement, holm, paired_difference
from orojar_cli.measures.uncertainty import LEVEL

_MODEL = (
    "Intervals and tests rest on one model. What is compared are these sets, at new latents. A number's variance is the sum of independent "
    "parts: over the latents, s²/N; for methods that begin at random ({drawn}), of the draw, estimated by leaving out each dimension (the "
    "jackknife), because another seed would give other directions; for metrics that train something, over its runs. The interval is the "
    "value ± t times the root of that sum, the degrees of freedom after Welch and Satterthwaite. Of a difference the first part is that "
    "of the differences at the same latents, and the other parts of both sets add. What the same method would find with another seed, "
    "from other samples, is in no interval of a method that does not begin at random: compare runs of several seeds for that."
)
TEST = (
    "For every metric with a better side the set with the best value is tested against each of the others, two-sided, and is “best” only "
    "where each p is below 5 %. A claim that needs all of several tests needs no correction for their number (Berger 1982); who reads a "
    "single row takes Holm's corrected p. So a set whose interval lies apart from all others is best; one whose interval overlaps can "
    "still be, because what the latents have in common cancels in the difference. Metrics are not corrected for one another: of twenty on "
    "which nothing differs, one would be marked by chance."
)


RULE = (
    "“Best” marks a set whose difference from each of the others is significant at 5 %, by the same variance that its interval shows; "
    "“own aim” a number that the set's method itself minimises; “inactive” a set that does too little to be best."
)


@dataclass(frozen=True)
class Difference:
    """`first` - `second` of one metric: the value with its 95 % interval, the p-value, and Holm's for who reads one of several."""

    metric: str
    first: str
    second: str
    value: float
    interval: tuple[float, float]
    p: float
    p_corrected: float

    @property
    def significant(self) -> bool:
        return self.p < LEVEL

    def to_dict(self) -> dict[str, Any]:
        """JSON-serialisable form."""
        return {**vars(self), "interval": list(self.interval), "significant": self.significant}


def model() -> str:
    """The model of the variance, that of `orojar_cli.measures.uncertainty`, in words."""
    return _MODEL.format(drawn=", ".join(name for name, method in METHODS.items() if method.drawn))


def differences(measurements: Mapping[str, Sequence[Measurement]], inactive: Collection[str] = ()) -> list[Difference]:
    """For every metric the best subject against each other one; metrics without a better side or values per latent have no test.

    The names in `inactive` are never the best: those with a better value than the best of the others are passed over.
    """
    made = []
    for found in measurements.values():
        if len(found) < 2 or found[0].better is None or any(measurement.per_latent is None for measurement in found):
            continue
        ranked = sorted(found, key=lambda measurement: measurement.value, reverse=found[0].better == "higher")
        leader = next((place for place, measurement in enumerate(ranked) if measurement.subject not in inactive), len(ranked))
        if leader >= len(ranked) - 1:
            continue
        best, others = ranked[leader], ranked[leader + 1 :]
        tests = [paired_difference(best, other) for other in others]
        made += [
            Difference(best.metric, best.subject, other.subject, test.difference, test.interval, test.p_value, corrected)
            for other, test, corrected in zip(others, tests, holm([test.p_value for test in tests]), strict=True)
        ]
    return made


def passed_over(measurements: Mapping[str, Sequence[Measurement]], inactive: Collection[str]) -> dict[str, list[str]]:
    """Metric -> the inactive subjects that would have had the best value."""
    found: dict[str, list[str]] = {}
    for metric, measured in measurements.items():
        if measured[0].better is None:
            continue
        for measurement in sorted(measured, key=lambda measurement: measurement.value, reverse=measured[0].better == "higher"):
            if measurement.subject not in inactive:
                break
            found.setdefault(metric, []).append(measurement.subject)
    return found


def winners(found: Sequence[Difference]) -> dict[str, str]:
    """Metric -> the subject that is better than every other."""
    tested: dict[str, list[Difference]] = {}
    for difference in found:
        tested.setdefault(difference.metric, []).append(difference)
    return {metric: group[0].first for metric, group in tested.items() if all(difference.significant for difference in group)}
