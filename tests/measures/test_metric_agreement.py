from __future__ import annotations

import math

import pytest
import torch

from orojar_cli.errors import DirectionSetError
from orojar_cli.measures import MetricSettings, agreement

BASIS = torch.linalg.qr(torch.randn(12, 12, generator=torch.Generator().manual_seed(0))).Q.T


def values(first, second) -> tuple[float, float]:
    return tuple(measurement.value for measurement in agreement(first, second, MetricSettings()))


def test_order_and_signs_do_not_matter(direction_set) -> None:
    order = torch.tensor([2, 0, 1])
    assert values(direction_set(BASIS[:3]), direction_set(-BASIS[:3][order])) == pytest.approx((1, 1), abs=1e-5)


def test_a_rotation_inside_the_span_keeps_the_span(direction_set) -> None:
    angle = math.pi / 6
    turned = torch.stack(
        [math.cos(angle) * BASIS[0] + math.sin(angle) * BASIS[1], -math.sin(angle) * BASIS[0] + math.cos(angle) * BASIS[1]]
    )
    assert values(direction_set(BASIS[:2]), direction_set(turned)) == pytest.approx((1, math.cos(angle)), abs=1e-5)


def test_orthogonal_sets_do_not_agree_at_all(direction_set) -> None:
    subspace, matched = agreement(direction_set(BASIS[:3]), direction_set(BASIS[3:8]), MetricSettings())
    assert (subspace.value, matched.value) == pytest.approx((0, 0), abs=1e-5)
    assert subspace.details["angles_in_degrees"] == pytest.approx([90] * 3, abs=1e-3)
    assert subspace.details["by_chance"] == pytest.approx(5 / 12) and 0.2 < matched.details["by_chance"] < 0.7


def test_w_is_w_plus_with_the_same_step_in_every_layer(direction_set) -> None:
    repeated = direction_set(BASIS[:2].repeat(1, 3) / 3**0.5, space="w+", layers=(0, 1, 2))
    everywhere = direction_set(BASIS[:2], layers=(0, 1, 2))
    assert values(everywhere, repeated) == pytest.approx((1, 1), abs=1e-5)
    assert values(everywhere, direction_set(BASIS[:2], layers=(0,))) == pytest.approx((1 / 3, 1 / 3**0.5), abs=1e-5)


def test_what_has_no_common_coordinates_is_refused(direction_set) -> None:
    with pytest.raises(DirectionSetError, match="different networks"):
        values(direction_set(BASIS[:2]), direction_set(BASIS[:2], checkpoint="b"))
    with pytest.raises(DirectionSetError, match="cannot be compared"):
        values(direction_set(BASIS[:2]), direction_set(BASIS[:2], space="z"))
