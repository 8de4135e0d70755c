"""Which set is better: paired tests of the best against all others, corrected for their number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orojar_cli.measures import Measurement, holm, paired_difference

LEVEL = 0.05
TEST = (
    "sign flips of the differences at the same latents, together with their spread over dimensions and runs where that is known; "
    "two-sided, at 5 %, Holm-corrected over the sets of each metric."
)
EXPLANATION = (
    "For every metric with a better side, the set with the best value is tested against each of the others: the differences at the same "
    "latents by random sign flips, and, where a metric can tell what it would be without each dimension or was repeated in runs, by a "
    "t test that adds these variances (Welch and Satterthwaite), of which the larger p counts. The p-values of one metric are corrected "
    "together (Holm 1979), and a set is “best” only where every one of them is below 5 %. Metrics are not corrected for one another: of "
    "twenty on which nothing differs, one would be marked by chance."
)


@dataclass(frozen=True)
class Difference:
    """`first` - `second` of one metric: the value with its 95 % interval, the p-value and Holm's corrected one."""

    metric: str
    first: str
    second: str
    value: float
    interval: tuple[float, float]
    p: float
    p_corrected: float

    @property
    def significant(self) -> bool:
        return self.p_corrected < LEVEL

    def to_dict(self) -> dict[str, Any]:
        """JSON-serialisable form."""
        return {**vars(self), "interval": list(self.interval), "significant": self.significant}


def differences(measurements: Mapping[str, Sequence[Measurement]], seed: int = 0) -> list[Difference]:
    """For every metric the best subject against each other one; metrics without a better side or values per latent have no test."""
    made = []
    for found in measurements.values():
        if len(found) < 2 or found[0].better is None or any(measurement.per_latent is None for measurement in found):
            continue
        best = (max if found[0].better == "higher" else min)(found, key=lambda measurement: measurement.value)
        others = [other for other in found if other is not best]
        tests = [paired_difference(best, other, seed) for other in others]
        made += [
            Difference(best.metric, best.subject, other.subject, test.difference, test.interval, test.p_value, corrected)
            for other, test, corrected in zip(others, tests, holm([test.p_value for test in tests]), strict=True)
        ]
    return made


def winners(found: Sequence[Difference]) -> dict[str, str]:
    """Metric -> the subject that is better than every other."""
    tested: dict[str, list[Difference]] = {}
    for difference in found:
        tested.setdefault(difference.metric, []).append(difference)
    return {metric: group[0].first for metric, group in tested.items() if all(difference.significant for difference in group)}
