from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from paths import ROOT
from sklearn.metrics import mutual_info_score
from toys import linear

from orojar_cli import load_directions
from orojar_cli.errors import OptionError
from orojar_cli.measures import MetricSettings, ground_truth
from orojar_cli.measures.ground_truth import best_purity, completeness, disentanglement
from orojar_cli.measures.mutual_information import binned, gap, latent_codes, mutual_information
from orojar_cli.measures.shapes_factors import changes, measure_factors

OF_RESPONSES = ("disentanglement", "completeness", "best_purity")
OF_CODES = ("mig", "mig_equal_width", "modularity", "sap", "factor_vae", "dci_disentanglement", "dci_completeness", "dci_informativeness")


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch):
    """The example's own yardstick."""
    monkeypatch.syspath_prepend(str(ROOT / "examples" / "worlds"))
    import disentanglement as module

    yield module
    sys.modules.pop("disentanglement", None)


def test_scores_of_known_responses() -> None:
    one_to_one = np.eye(5)[[3, 1, 0, 2, 4]]
    assert [score(one_to_one) for score in (disentanglement, completeness, best_purity)] == pytest.approx([1, 1, 1], abs=1e-9)
    everything = np.ones((5, 5))
    assert [score(everything) for score in (disentanglement, completeness, best_purity)] == pytest.approx([0, 0, 0.2], abs=1e-9)
    # Two dimensions share one factor: disentangled, not complete.
    shared = np.eye(5)[[0, 0, 1, 2, 3, 4]]
    assert disentanglement(shared) == pytest.approx(1) and completeness(shared) == pytest.approx(1 - np.log(2) / np.log(6) / 3)
    # A factor with nine tenths of all importance weighs nine tenths: complete in one of them, spread over both in the other.
    uneven = np.array([[9.0, 0.5], [0.0, 0.5]])
    assert completeness(uneven) == pytest.approx(0.9) and completeness(uneven[:, ::-1]) == pytest.approx(0.9)
    assert completeness(np.array([[4.5, 1.0], [4.5, 0.0]])) == pytest.approx(0.1)
    assert disentanglement(uneven.T) == pytest.approx(completeness(uneven))


def test_numbers_are_those_of_the_example(example, shapes, shapes_path) -> None:
    generator = shapes.generator
    images = generator(torch.randn(16, 64, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(measure_factors(images), example.measure_factors(images))
    response = np.random.default_rng(0).uniform(0.1, 1, (10, 5))
    expected = example.scores(torch.from_numpy(response))
    assert disentanglement(response) == pytest.approx(expected["disentanglement"])
    assert completeness(response) == pytest.approx(expected["completeness"])
    assert best_purity(response) == pytest.approx(expected["best"])


def test_factors_of_a_drawn_square() -> None:
    image = torch.full((1, 3, 32, 32), -1.0)
    image[0, 0, 4:12, 16:24] = 1  # red on black, at the top, right of the middle
    x, y, size, hue, ground = measure_factors(image)[0].tolist()
    assert (x, y) == pytest.approx((4.0 / 16, -8.0 / 16), abs=0.01)
    assert size == pytest.approx(8, rel=0.01)
    assert (hue, ground) == pytest.approx((0, 0), abs=1e-3)


def test_hues_change_by_half_a_turn_at_most() -> None:
    before, after = torch.zeros(1, 5), torch.tensor([[1.0, 0, 0, 6.0, 0]])
    assert changes(after, before)[0].tolist() == pytest.approx([1, 0, 0, 6 - 2 * np.pi, 0], abs=1e-5)


def test_mutual_information_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(1000, 2))
    codes = np.stack([factors[:, 0] + 0.5 * rng.normal(size=1000), factors[:, 1], rng.normal(size=1000)], 1)
    table, entropies = mutual_information(codes, factors)
    for code in range(3):
        for factor in range(2):
            expected = mutual_info_score(binned(codes[:, code]), binned(factors[:, factor]))
            assert table[code, factor] == pytest.approx(expected, abs=1e-9)
    assert entropies == pytest.approx(np.log(20), abs=1e-6)


def test_the_gap_of_copies_is_large_and_of_shared_factors_nothing() -> None:
    rng = np.random.default_rng(1)
    factors = rng.normal(size=(20_000, 3))
    assert gap(*mutual_information(factors[:, [2, 0, 1]], factors)) == pytest.approx(1, abs=0.02)
    assert gap(*mutual_information(np.concatenate([factors, factors], 1), factors)) == pytest.approx(0, abs=1e-9)


def test_codes_are_the_coordinates(direction_set) -> None:
    generator = linear(torch.eye(4))
    at = MetricSettings().latents(generator, 50, 0)
    rows = torch.tensor([[1.0, 0, 0, 0], [0.6, 0.8, 0, 0]])
    codes = latent_codes(generator, at, direction_set(rows, torch.tensor([2.0, 1.0])))
    centred = (at.z - at.z.mean(0)).double()
    second = centred[:, 1] / 0.8
    assert codes == pytest.approx(torch.stack([(centred[:, 0] - 0.6 * second) / 2, second], 1).numpy(), abs=1e-5)


def test_the_demonstration_is_recognised_and_measured(shapes, shapes_path) -> None:
    found = load_directions(shapes_path.with_name("shapes32-directions.safetensors"))
    settings = MetricSettings(samples=16, images=300, num=4)
    measured = {measurement.metric: measurement for measurement in ground_truth(shapes.generator, found, settings)}
    assert list(measured) == [*OF_RESPONSES, *OF_CODES]
    for name, measurement in measured.items():
        low, high = measurement.interval
        assert 0 <= measurement.value <= 1 and low <= measurement.value <= high and high - low < 0.4, name
    response = np.array(measured["disentanglement"].details["response"])
    assert response.shape == (4, 5) and disentanglement(response) == pytest.approx(measured["disentanglement"].value)


def test_unknown_worlds(direction_set) -> None:
    generator, found = linear(torch.eye(4)), direction_set(torch.eye(4))
    assert ground_truth(generator, found, MetricSettings()) == []
    with pytest.raises(OptionError, match="unknown world"):
        ground_truth(generator, found, MetricSettings(world="cars"))
    with pytest.raises(OptionError, match="colour"):
        ground_truth(generator, found, MetricSettings(world="shapes"))
