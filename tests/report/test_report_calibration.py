from __future__ import annotations

import pytest
import torch
from toys import linear

from orojar_cli.directions import DirectionSet, Settings
from orojar_cli.errors import NumericalError
from orojar_cli.report.calibration import LIMIT, calibrated, image_changes


def directions(rows: torch.Tensor, sigma: torch.Tensor) -> DirectionSet:
    return DirectionSet(rows, sigma, torch.ones(len(rows)), "toy", "w", (0,), "")


def test_a_linear_generator_needs_one_division() -> None:
    """g(u) = A u: the change at s sigmas of column a is s sigma |a| / sqrt(P) everywhere."""
    matrix = torch.randn(16, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 2.0, 4.0, 0.5])
    generator, sigma = linear(matrix), torch.tensor([1.0, 0.5, 2.0, 1.0])
    found = directions(torch.eye(4), sigma)
    at = Settings().latents(generator, 8, 0)
    at_one = matrix.norm(dim=0) * sigma / 4
    torch.testing.assert_close(image_changes(generator, at, found, torch.ones(4)).float(), at_one)
    (calibration,) = calibrated([(generator, found)], [at])
    target = float(at_one.median())
    assert calibration.target == pytest.approx(target)
    torch.testing.assert_close(calibration.unit.float(), at_one)
    assert calibration.activity == pytest.approx(float(at_one.square().mean().sqrt()))
    expected = (target / at_one).clamp(max=LIMIT)
    torch.testing.assert_close(calibration.steps.float(), expected)
    torch.testing.assert_close(calibration.changes.float(), expected * at_one)
    torch.testing.assert_close(calibration.applied(found).displacement(2, 2.0), 2 * expected[2] * sigma[2] * torch.eye(4)[2])


def test_a_direction_that_does_little_stops_at_the_limit() -> None:
    matrix = torch.eye(4)[:, :3] * torch.tensor([1.0, 1.0, 1e-3])
    generator = linear(matrix)
    (calibration,) = calibrated([(generator, directions(torch.eye(3), torch.ones(3)))], [Settings().latents(generator, 4, 0)])
    assert calibration.capped == [False, False, True]
    assert float(calibration.steps[2]) == LIMIT
    assert calibration.to_dict()["capped"] == [False, False, True]


def test_all_sets_share_one_target_although_their_units_differ() -> None:
    """A kinked generator and two sets of the same directions in other units: the same displacement in the end."""
    from toys import ToyGenerator

    generator = ToyGenerator(lambda u: torch.tanh(u) + 0.1 * u, 4, 2)
    at = Settings().latents(generator, 32, 0)
    small, large = (directions(torch.eye(4), torch.full((4,), unit)) for unit in (0.5, 1.0))
    first, second = calibrated([(generator, small), (generator, large)], [at, at])
    assert first.target == second.target
    torch.testing.assert_close(first.steps * 0.5, second.steps, rtol=0.01, atol=0)
    torch.testing.assert_close(first.changes, torch.full_like(first.changes, first.target), rtol=0.01, atol=0)


def test_directions_that_do_nothing_are_an_error() -> None:
    generator = linear(torch.zeros(4, 2))
    with pytest.raises(NumericalError, match="do not change the image"):
        calibrated([(generator, directions(torch.eye(2), torch.ones(2)))], [Settings().latents(generator, 2, 0)])
