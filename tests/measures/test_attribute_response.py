"""What dimensions do to attributes, where it is known by hand, and names that are given for it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from toys import ToyGenerator

from orojar_cli.detectors.attributes import Attribute, Attributes
from orojar_cli.detectors.own_attributes import OwnAttributes
from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.errors import NumericalError
from orojar_cli.measures.attribute_response import AttributeResponse, attribute_response, correlations, proposals
from orojar_cli.measures.settings import MetricSettings


def directions(rows: torch.Tensor, sigma: float = 1.0) -> DirectionSet:
    count = len(rows)
    return DirectionSet(rows, torch.full((count,), sigma), torch.ones(count), "made", "z", (0,), "")


def response(change, before=None, strengths=(-1.0, 1.0), periods=None) -> AttributeResponse:
    """Of changes [K, S, N, F] of attributes that begin at `before` [N, F], standard normal ones by default."""
    change = np.asarray(change, float)
    count, attributes = change.shape[2:]
    before = np.random.default_rng(9).standard_normal((count, attributes)) if before is None else np.asarray(before, float)
    named = tuple(Attribute(f"attribute {chr(97 + index)}", "", (periods or {}).get(index)) for index in range(attributes))
    return AttributeResponse(named, before, before + change, strengths, "made")


def linear(slopes, count: int = 200, noise: float = 0.0, seed: int = 0) -> AttributeResponse:
    """Changes of strength times slope [K, F], and `noise` times a slope of every image's own."""
    slopes, rng = np.asarray(slopes, float), np.random.default_rng(seed)
    own = slopes[:, None] + noise * rng.standard_normal((len(slopes), count, slopes.shape[1]))
    return response(np.stack([-own, own], 1))


def test_what_moves_what_and_how_far() -> None:
    # Pixel 0 is z0, pixel 1 is -2 z1, pixel 2 is z1^2, pixel 3 nothing.
    generator = ToyGenerator(lambda u: torch.stack([u[:, 0], -2 * u[:, 1], u[:, 1].square(), 0 * u[:, 0]], 1), 2, 2)
    measure = OwnAttributes(lambda images: dict(zip(("a", "b", "square", "still"), images.flatten(1).T, strict=True)), "mine")
    settings = MetricSettings(samples=400)
    found = attribute_response(generator, directions(torch.eye(2), 0.5), measure, settings)
    assert found.names == ["a", "b", "square", "still"] and found.before.shape == (400, 4) and found.after.shape == (2, 2, 400, 4)
    assert np.allclose(found.changes[0, :, :, 0], [[-0.5], [0.5]], atol=1e-6) and np.abs(found.changes[0, :, :, 1:]).max() == 0
    told = correlations(found)
    assert told.value[0, 0] == pytest.approx(1) and told.value[1, 1] == pytest.approx(-1) and told.value[0, 1] == 0
    assert told.effect[0, 0] == pytest.approx(0.5, rel=0.1) and told.effect[1, 1] == pytest.approx(-0.5, rel=0.1)
    # (z + s)^2 - z^2 goes up here and down there.
    assert abs(told.value[1, 2]) < 0.3 and np.isnan(told.value[:, 3]).all()
    spans = found.spans()
    assert spans.shape == (400, 2, 4) and spans[:, 0, 0] == pytest.approx(1 / found.deviations[0])
    named = proposals(found, told)
    assert [one.text for one in named] == ["~a +1.00", "~b -1.00"] and named[0].also == () and named[0].by == "mine"


def test_the_correlation_is_pearsons_over_images_and_strengths() -> None:
    rng = np.random.default_rng(3)
    strengths = (-1.0, 0.5, 1.0)
    change = rng.standard_normal((2, 3, 40, 3)) + 0.8 * np.array(strengths)[None, :, None, None]
    told = correlations(response(change, strengths=strengths))
    for row in range(2):
        for column in range(3):
            s = np.repeat(strengths, 40)
            assert told.value[row, column] == pytest.approx(np.corrcoef(s, change[row, :, :, column].ravel())[0, 1])
    # Slopes of +-g around b at strengths -1 and 1: b / sqrt(b^2 + g^2).
    noisy = correlations(linear([[0.6]], 4000, noise=0.8))
    assert noisy.value[0, 0] == pytest.approx(0.6, abs=0.03) and noisy.effect[0, 0] == pytest.approx(0.6, abs=0.05)


def test_images_without_an_answer_are_left_out() -> None:
    made = linear([[0.7, 0.7]], 60, noise=0.3)
    fewer = AttributeResponse(made.attributes, made.before[:40], made.after[:, :, :40], made.strengths, "made")
    made.after[0, 1, 40:, 0] = np.nan
    told = correlations(made)
    assert told.value[0, 0] == pytest.approx(correlations(fewer).value[0, 0]) and np.isfinite(told.value[0, 1])
    made.after[0, 1, 11:, 0] = np.nan
    assert np.isnan(correlations(made).value[0, 0]), "eleven images are too few"
    made.after[...] = np.nan
    with pytest.raises(NumericalError, match="none of 2 attributes"):
        proposals(made)


def test_angles_go_the_shorter_way() -> None:
    before = np.random.default_rng(0).uniform(350, 370, (80, 1)) % 360
    change = np.array([-15.0, 15.0])[None, :, None, None] * np.ones((1, 1, 80, 1))
    made = response(change, before, periods={0: 360.0})
    made = AttributeResponse(made.attributes, made.before, made.after % 360, made.strengths, "made")
    assert np.allclose(made.changes[0, 1], 15) and correlations(made).value[0, 0] == pytest.approx(1)
    # Uniform over 20 degrees: 20 / sqrt(12).
    assert made.deviations[0] == pytest.approx(20 / math.sqrt(12), rel=0.1)


def test_no_name_where_nothing_is_clear() -> None:
    # 40 draws of 10 dimensions and 15 attributes that move every image by its own chance.
    for seed in range(40):
        assert proposals(linear(np.zeros((10, 15)), 64, noise=1.0, seed=seed)) == [None] * 10
    assert proposals(linear([[0.2]])) == [None], "clear, but a fifth of a standard deviation"
    assert proposals(linear([[0.4]], noise=0.8)) == [None], "far, but not in all images"
    assert proposals(linear([[0.0]])) == [None]


def test_intervals_hold_for_all_pairs_at_once() -> None:
    slopes = np.linspace(0, 1, 40).reshape(5, 8)
    noise, held = 0.6, []
    true = slopes / np.sqrt(slopes**2 + noise**2)
    for seed in range(200):
        told = correlations(linear(slopes, 48, noise=noise, seed=seed))
        held.append(((told.low <= true) & (true <= told.high)).all())
    # 95 %, less what the approximation loses at 48 images.
    assert np.mean(held) >= 0.9


def test_a_dimension_gets_the_name_that_it_is_specific_for() -> None:
    slopes = [
        [1.0, 0.9, 0.0, 0.0],  # both a and b, which no other moves as far as b
        [0.8, 0.1, 0.6, 0.0],  # a more than c, which only this one moves
        [0.3, 0.0, 0.0, 0.9],
        [0.0, 0.0, 0.0, -0.5],
    ]
    named = proposals(linear(slopes, noise=0.1))
    assert [one.attribute[-1] for one in named] == ["b", "c", "d", "d"]
    assert [name[-1] for name, _ in named[0].also] == ["a"] and [name[-1] for name, _ in named[1].also] == ["a"]
    assert named[2].also == () and named[3].correlation < -0.9 and named[3].interval[1] < -0.5
    # A side effect does not become the name, however specific it is.
    (alone, _) = proposals(linear([[1.0, 0.3], [0.9, 0.0]], noise=0.05))
    assert alone.attribute[-1] == "a"


def test_names_do_not_depend_on_how_images_come_in_pieces() -> None:
    class Sums(Attributes):
        name, attributes = "sums", (Attribute("sum", ""),)

        def __call__(self, images):
            return images.double().sum((1, 2, 3)).unsqueeze(1)

    generator = ToyGenerator(lambda u: u @ torch.ones(2, 4), 2, 2)
    told = []
    for budget in (1, None):
        done = []
        settings = MetricSettings(samples=20, budget=budget)
        progress = lambda stage, at, of, done=done: done.append((at, of))  # noqa: E731
        told.append(attribute_response(generator, directions(torch.eye(2)), Sums(), settings, progress=progress).after)
        assert done[-1] == (100, 100) and done == sorted(done)
    assert np.allclose(told[0], told[1], atol=1e-6)
