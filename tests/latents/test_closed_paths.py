"""Closed paths: where they are when, and that they close without a jerk."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from orojar_cli.errors import OptionError
from orojar_cli.latents.closed_paths import PACES, on_spheres, stop_weights, there_and_back_between, timetable


@pytest.mark.parametrize("pace", PACES)
def test_every_stop_is_passed_where_its_leg_begins(pace: str) -> None:
    places = timetable(3, 8, pace=pace)
    assert len(places) == 24 and places[::8] == [0, 1, 2]
    weights = stop_weights(places, 3, smooth=pace == "flow")
    assert torch.equal(weights[::8], torch.eye(3, dtype=torch.float64))
    assert torch.allclose(weights.sum(1), torch.ones(24, dtype=torch.float64), atol=1e-11)


def test_a_path_that_eases_rests_at_its_stops_and_one_that_holds_stays() -> None:
    steps = np.diff([*timetable(2, 10, pace="ease"), 2.0])
    assert steps[0] == pytest.approx(steps[9]) and steps[0] < 0.2 * steps[4]
    assert timetable(2, 4, 3, "even") == [0, 0, 0, 0, 0.25, 0.5, 0.75, 1, 1, 1, 1, 1.25, 1.5, 1.75]
    assert np.allclose(np.diff(timetable(3, 5, pace="even")), 0.2)


@pytest.mark.parametrize("stops", [2, 3, 5])
def test_the_smooth_curve_has_no_kink_anywhere_and_none_where_it_closes(stops: int) -> None:
    """Second differences of a twice differentiable closed curve shrink with the square of the step, also across the seam; those of
    straight legs only with the step."""

    def bend(frames: int, smooth: bool) -> float:
        weights = stop_weights(timetable(stops, frames, pace="even"), stops, smooth)
        return float((weights.roll(-1, 0) - 2 * weights + weights.roll(1, 0)).norm(dim=1).max())

    assert bend(64, True) / bend(128, True) == pytest.approx(4, rel=0.05)
    assert bend(64, False) / bend(128, False) == pytest.approx(2, rel=0.05)


def test_great_circles_have_the_points_lengths_and_even_angles() -> None:
    points = torch.tensor([[2.0, 0, 0], [0, 4, 0], [0, 0, 4]])
    path = on_spheres(points, stop_weights(timetable(3, 6, pace="even"), 3))
    assert torch.allclose(path[::6], points, atol=1e-6)
    assert torch.allclose(path[3], torch.tensor([3.0, 3, 0]) / math.sqrt(2), atol=1e-6)
    assert torch.allclose(path[:6].norm(dim=1), torch.linspace(2, 4, 7)[:6], atol=1e-6)
    units = path / path.norm(dim=1, keepdim=True)
    angles = torch.acos((units * units.roll(-1, 0)).sum(1).clamp(-1, 1))
    assert torch.allclose(angles, torch.full((18,), math.pi / 12), atol=1e-5)


def test_smooth_ways_on_the_sphere_pass_the_points_and_stay_as_far_out() -> None:
    points = torch.randn(4, 64, generator=torch.Generator().manual_seed(0))
    path = on_spheres(points, stop_weights(timetable(4, 5, pace="flow"), 4, True), True)
    assert torch.allclose(path[::5], points, atol=1e-5)
    lengths = points.norm(dim=1)
    assert 0.9 * lengths.min() < path.norm(dim=1).min() and path.norm(dim=1).max() < 1.1 * lengths.max()


def test_points_without_a_circle_of_their_own_are_joined_straight() -> None:
    weights = stop_weights([0.0, 0.5], 2)
    assert torch.allclose(on_spheres(torch.tensor([[1.0, 2], [2, 4]]), weights)[1], torch.tensor([1.5, 3]))
    assert on_spheres(torch.tensor([[1.0], [-1.0]]), weights).abs().max() <= 1


def test_a_number_goes_there_and_back() -> None:
    assert there_and_back_between(0, 1, 4) == [0, 0.5, 1, 0.5]
    assert there_and_back_between(1, 0.5, 4, even=True) == [1, 0.75, 0.5, 0.75]


@pytest.mark.parametrize("arguments", [(0, 4), (2, 0), (2, 4, -1), (2, 4, 0, "fast"), (2, 4, 1, "flow")])
def test_ways_that_cannot_be(arguments: tuple) -> None:
    with pytest.raises(OptionError):
        timetable(*arguments)
