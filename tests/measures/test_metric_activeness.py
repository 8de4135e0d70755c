from __future__ import annotations

import json

import pytest
import torch
from toys import linear

from orojar_cli.latents.points import Latents
from orojar_cli.measures import MetricSettings
from orojar_cli.measures.activeness import activeness
from orojar_cli.measures.direction_length import direction_length
from orojar_cli.response.activeness import activeness as library_activeness
from orojar_cli.response.jacobian import Response

MATRIX = torch.randn(16, 5, generator=torch.Generator().manual_seed(0))
SIGMA = torch.tensor([1.0, 2.0, 0.5, 1.0, 3.0])


def test_activeness_of_a_linear_generator(direction_set) -> None:
    """The variance (ddof 1) of a s (-2, 0, 2) is 4 s^2 a^2."""
    (found,) = activeness(linear(MATRIX), direction_set(torch.eye(5), SIGMA, method="random"), MetricSettings(activeness_samples=10))
    expected = 4 * (MATRIX * SIGMA).square().mean(0)
    assert found.details["dimensions"] == pytest.approx(expected.tolist(), rel=1e-4)
    assert found.value == pytest.approx(float(expected.mean()), rel=1e-4)
    assert found.details["without_dimension"][4] == pytest.approx(float(expected[:4].mean()), rel=1e-4)
    assert found.better is None and found.settings["samples"] == 10
    json.dumps(found.to_dict())


def test_it_is_the_activeness_of_the_direction_sets(direction_set, shapes) -> None:
    generator, settings = shapes.generator, MetricSettings(activeness_samples=6)
    steps = torch.linalg.qr(torch.randn(64, 3, generator=torch.Generator().manual_seed(1))).Q.T
    (found,) = activeness(generator, direction_set(steps, space="z", layers=tuple(range(8))), settings)
    at = settings.latents(generator, 6, 101)
    assert found.details["dimensions"] == pytest.approx(library_activeness(Response(generator, "z"), at, steps).tolist(), rel=1e-5)


def test_in_z_the_dimension_is_set_to_the_values() -> None:
    """u^2 at -2, 0, 2 has the variance 16/3 wherever it was before."""
    from toys import ToyGenerator

    from orojar_cli.response.activeness import image_variances

    square = ToyGenerator(lambda u: u[:, :1].square(), 2, 1)
    at = Latents(torch.randn(4, 2, generator=torch.Generator().manual_seed(2)))
    assert image_variances(Response(square, "z"), at, torch.eye(2)[:1]) == pytest.approx(torch.full((1, 4), 16 / 3, dtype=torch.float64))


def test_the_length_of_directions_of_a_linear_generator(direction_set) -> None:
    """The pixel detector's squared distance is the mean squared error at 4x4 pixels, the only resolution there is."""
    (found,) = direction_length(linear(MATRIX), direction_set(torch.eye(5), SIGMA), MetricSettings(samples=6))
    expected = (MATRIX * SIGMA).square().mean(0)
    assert found.details["dimensions"] == pytest.approx(expected.tolist(), rel=0.02)
    assert found.settings["detector"] == "pixels"
