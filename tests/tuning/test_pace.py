from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from orojar_cli.directions import Settings
from orojar_cli.tuning.mapping import MappingOptions, images_to_prepare, prepared
from orojar_cli.tuning.pace import Pace, fitted, measured_pace, scaled

NUMBERS = ("steps", "regression_steps", "settling_steps", "surrogate_steps", "images", "frame_samples")
PACE = Pace(image=0.001, regression=0.01, surrogate=0.02, training=0.1)


def test_a_share_of_everything_is_taken_in_proportion(tiny) -> None:
    generator = tiny.generator
    full = prepared(generator, MappingOptions())
    assert (full.images, full.frame_samples, full.regression_steps) == (40_000, 384, 6000)
    half = scaled(generator, MappingOptions(), 0.5)
    assert [2 * getattr(half, name) for name in NUMBERS] == [getattr(full, name) for name in NUMBERS]
    assert half == replace(full, **{name: getattr(half, name) for name in NUMBERS})
    assert PACE.seconds(half) == pytest.approx(PACE.seconds(full) / 2)
    assert fitted(generator, MappingOptions(), PACE, PACE.seconds(full) / 2) == pytest.approx(0.5)
    assert fitted(generator, MappingOptions(), PACE, 1e9) == 4.0


def test_little_time_leaves_what_can_mean_something_and_what_somebody_asked_for(tiny) -> None:
    generator = tiny.generator
    least = scaled(generator, MappingOptions(images=5000), 0.0)
    assert [getattr(least, name) for name in NUMBERS] == [200, 500, 100, 500, 5000, 16]
    assert scaled(generator, MappingOptions(), -3.0).images == 2000
    few = MappingOptions(steps=7, regression_steps=0, images=900)
    assert [getattr(scaled(generator, few, 0.0), name) for name in NUMBERS[:3]] == [7, 0, 3]


def test_seconds_are_those_of_images_and_steps(tiny) -> None:
    options = prepared(tiny.generator, MappingOptions(steps=30, regression_steps=20, surrogate_steps=10, images=1000, frame_samples=10))
    assert options.settling_steps == 15
    assert PACE.seconds(options) == pytest.approx(0.001 * images_to_prepare(options) + 0.2 + 0.2 + 3 + 1.3 * 0.15)
    assert images_to_prepare(options) > 1000 + 10 * 10


def test_large_mappings_start_warm_in_fewer_steps(tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = tiny.generator
    weights = sum(parameter.numel() for parameter in generator.mapping.parameters())
    monkeypatch.setattr("orojar_cli.tuning.mapping._REGRESSION_ARITHMETIC", 3 * 512 * weights * 4000.0)
    assert prepared(generator, MappingOptions()).regression_steps == 4000
    assert prepared(generator, MappingOptions(regression_steps=0)).regression_steps == 0
    monkeypatch.setattr("orojar_cli.tuning.mapping._REGRESSION_ARITHMETIC", 1.0)
    assert prepared(generator, MappingOptions()).regression_steps == 3000


def test_steps_are_timed_through_as_many_coordinates_as_images_move_along(shapes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not through all of w, which would make a step of a large network look ten times as long."""
    seen = []

    def losses(mapping, anchor, surrogate, options, step, rng):
        seen.append(anchor.leading)
        return {"total": sum(parameter.sum() for parameter in mapping.parameters())}

    monkeypatch.setattr("orojar_cli.tuning.pace.training_losses", losses)
    measured_pace(shapes.generator, Settings(space="z"), MappingOptions(batch=4, anchor_batch=64), 0.5)
    assert set(seen) == {32}


@pytest.mark.parametrize("network", ["tiny", "conditional"])
def test_timing_changes_nothing(network: str, request: pytest.FixtureRequest) -> None:
    generator = request.getfixturevalue(network).generator
    before, state = copy.deepcopy(generator.state_dict()), torch.get_rng_state()
    found = measured_pace(generator, Settings(space="z"), MappingOptions(batch=4, anchor_batch=64), 0.5)
    assert found.image == 0.5 and min(found.regression, found.surrogate, found.training) > 0
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(tensor, before[name]) for name, tensor in generator.state_dict().items())
    assert not any(parameter.requires_grad for parameter in generator.parameters())
