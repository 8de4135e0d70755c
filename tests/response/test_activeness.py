"""Activeness: what it is, and at how many points it is measured (its use in groups and after interruptions is tested elsewhere)."""

from __future__ import annotations

import pytest
import torch
from toys import linear

from orojar_cli.directions import Settings
from orojar_cli.generators.options import LayerCost
from orojar_cli.latents.points import Latents
from orojar_cli.response.activeness import VALUES, activeness, affordable_samples, leading_activeness
from orojar_cli.response.jacobian import Response
from orojar_cli.response.outputs import Output


def test_of_a_linear_generator_it_is_known() -> None:
    """The values -2, 0, 2 have variance 4; a pixel moves by them times the Jacobian's entry."""
    matrix = torch.randn(16, 3, generator=torch.Generator().manual_seed(0))
    found = activeness(Response(linear(matrix)), Latents(torch.zeros(2, 3)), torch.eye(3))
    assert torch.allclose(found, 4 * matrix.square().mean(0), rtol=1e-5)


@pytest.mark.parametrize(
    ("multiplications", "most", "points"),
    [(1.0, 48, 48), (2e12 / (len(VALUES) * 4 * 10), 48, 10), (1e15, 48, 4), (1e15, 3, 3)],
)
def test_large_networks_are_measured_at_fewer_points(multiplications: float, most: int, points: int) -> None:
    generator = linear(torch.eye(4))
    # Blocks beyond the output do not count.
    generator.config.costs = lambda: [LayerCost(2, 8, multiplications), LayerCost(4, 8, 1e15)]
    assert affordable_samples(Response(generator, outputs=(Output("early", 2),)), 4, most) == points


def test_progress_ends_where_all_is_done_though_few_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orojar_cli.response.activeness.ACTIVENESS", 1.0)
    monkeypatch.setattr("orojar_cli.response.activeness._FEWEST_ROWS", 2)
    generator, done = linear(torch.randn(4, 6)), []
    generator.config.costs = lambda: [LayerCost(2, 8, 100.0)]
    at = Settings(space="z").latents(generator, 4)
    found = leading_activeness(
        Response(generator, "z"), lambda count: at[:count], torch.eye(6), 4, lambda: torch.arange(6.0), callback=done.append
    )
    assert done == [3, 6] and len(found) == 6
