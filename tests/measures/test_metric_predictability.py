from __future__ import annotations

import numpy as np
import pytest
import torch
from toys import linear

from orojar_cli import load_directions
from orojar_cli.errors import OptionError
from orojar_cli.measures import MetricSettings
from orojar_cli.measures import predictability as public
from orojar_cli.measures.predictability import PROTOCOLS, Protocol, _train, image_pairs, predictability

QUICK = Protocol(pairs=300, test_share=1 / 3, widths=(8, 8, 16, 32), joined="difference", rate=1e-2, batch=25, epochs=10, runs=2)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> MetricSettings:
    monkeypatch.setitem(PROTOCOLS, "quick", QUICK)
    return MetricSettings(protocol="quick")


def blobs(*places: tuple[int, int]) -> torch.Tensor:
    """A [256, d]: dimension i lights a square of a 16x16 image."""
    matrix = torch.zeros(16, 16, len(places))
    for index, (row, column) in enumerate(places):
        size = 2 + 2 * index
        matrix[row : row + size, column : column + size, index] = 1
    return matrix.flatten(0, 1)


def test_dimensions_that_look_different_are_told_apart(direction_set, quick: MetricSettings) -> None:
    generator = linear(blobs((1, 1), (8, 2), (4, 9)))
    last, best = predictability(generator, direction_set(torch.eye(3), space="z"), quick)
    assert last.value > 0.85 and best.value >= last.value
    assert len(last.per_latent) == 100 and last.per_latent.mean() == pytest.approx(last.value)
    assert len(last.details["runs"]) == 2 and last.details["chance"] == pytest.approx(1 / 3)
    again, _ = predictability(generator, direction_set(torch.eye(3), space="z"), quick)
    assert again.value == last.value


def test_dimensions_that_look_the_same_are_not(direction_set, quick: MetricSettings) -> None:
    one = blobs((4, 4))
    last, _ = predictability(linear(one.repeat(1, 2)), direction_set(torch.eye(2)), quick)
    assert 0.3 < last.value < 0.7


@pytest.mark.parametrize("space", ["z", "w"])
def test_a_pair_differs_in_one_dimension_by_two_uniform_values(direction_set, space: str) -> None:
    generator = linear(torch.eye(4))
    sigma = torch.tensor([1.0, 0.5, 2.0, 1.0])
    joined, targets = image_pairs(
        generator, direction_set(torch.eye(4), sigma, space), MetricSettings(), Protocol(**vars(QUICK) | {"pairs": 4000})
    )
    change = joined.flatten(1)
    own = change.gather(1, targets[:, None])[:, 0]
    assert float((change.abs().sum(1) - own.abs()).max()) < 1e-5
    for index in range(4):
        # The difference of two U[-2, 2]: triangular, variance 2 * 16 / 12, at most 4.
        mine = own[targets == index] / sigma[index]
        assert float(mine.abs().max()) <= 4 and float(mine.var()) == pytest.approx(8 / 3, rel=0.15)


def test_in_z_all_latents_are_uniform(direction_set) -> None:
    protocol = Protocol(**vars(QUICK) | {"pairs": 2000, "joined": "channels"})
    joined, _ = image_pairs(linear(torch.eye(4)), direction_set(torch.eye(4)[:2], space="z"), MetricSettings(), protocol)
    assert joined.shape == (2000, 2, 2, 2)
    assert float(joined.abs().max()) <= 2 and float(joined.var()) == pytest.approx(4 / 3, rel=0.05)


def test_impossible_measurements_are_refused(direction_set) -> None:
    with pytest.raises(OptionError, match="two directions"):
        predictability(linear(torch.eye(4)), direction_set(torch.eye(4)[:1]), MetricSettings())
    with pytest.raises(OptionError, match="unknown protocol"):
        public(linear(torch.eye(4)), direction_set(torch.eye(4)), MetricSettings(protocol="long"))


@pytest.mark.slow
def test_three_seeds_agree_on_the_demonstration(shapes, shapes_path) -> None:
    found = load_directions(shapes_path.with_name("shapes32-directions.safetensors"))
    values = [predictability(shapes.generator, found, MetricSettings(seed=seed))[0].value for seed in range(3)]
    assert max(values) - min(values) < 0.1 and min(values) > 0.3


def test_held_out_pairs_take_no_part_in_training() -> None:
    """Their names turned round, what the network says of them is the same, and right where it was wrong."""
    rng = torch.Generator().manual_seed(0)
    inputs, targets = torch.randn(90, 1, 8, 8, generator=rng), torch.randint(0, 2, (90,), generator=rng)
    state = torch.get_rng_state()
    first = _train(inputs, targets, 2, 30, QUICK, 0, 0, None)
    assert torch.equal(torch.get_rng_state(), state)
    turned = torch.cat([1 - targets[:30], targets[30:]])
    assert np.array_equal(_train(inputs, turned, 2, 30, QUICK, 0, 0, None), 1 - first)


def test_the_last_epoch_is_told_apart_from_the_best(direction_set, quick: MetricSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    named = np.zeros((3, 100))
    named[:, :40], named[1] = 1, 1
    monkeypatch.setitem(predictability.__globals__, "_train", lambda *_: named)
    last, best = predictability(linear(torch.eye(4)), direction_set(torch.eye(4)[:2]), quick)
    assert (last.value, best.value) == (pytest.approx(0.4), 1.0)
