from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from orojar_cli.tuning.mapping import regression_losses
from orojar_cli.tuning.settling import QuantileMap, Settling
from orojar_cli.tuning.state import TrainingState
from orojar_cli.tuning.training import Stage, run_stages


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_a_quantile_map_takes_one_distribution_to_another() -> None:
    """From N(1, 4) to N(0, 1), and from the exponential to the uniform distribution, whose map is 1 - exp(-x)."""
    samples = torch.stack([1 + 2 * normal(40_000), -torch.rand(40_000, generator=torch.Generator().manual_seed(1)).log()], 1)
    wanted = torch.stack([normal(30_000, seed=2), torch.rand(30_000, generator=torch.Generator().manual_seed(3))], 1)
    move = QuantileMap.between(samples, wanted)
    at = torch.tensor([[1.0, 0.1], [3.0, 0.5], [-1.0, 1.0], [2.0, 2.0]])
    truth = torch.stack([(at[:, 0] - 1) / 2, 1 - (-at[:, 1]).exp()], 1)
    assert float((move(at) - truth).abs().max()) < 0.03
    moved = move(1 + 2 * normal(20_000, 2, seed=4))[:, 0]
    assert (float(moved.mean()), float(moved.std())) == pytest.approx((0, 1), abs=0.02)


@example(0, 3, 5)  # more points than samples: some are the same
@given(st.integers(0, 999), st.integers(3, 40), st.integers(2, 9))
def test_a_quantile_map_is_monotone_and_leaves_a_distribution_as_it_is(seed: int, count: int, knots: int) -> None:
    samples, other = normal(count, 2, seed=seed), normal(count + 3, 2, seed=seed + 1000)
    points = torch.linspace(-6, 6, 101).unsqueeze(1).expand(-1, 2)
    assert torch.allclose(QuantileMap.between(samples, samples, knots)(points), points, atol=1e-5)
    move = QuantileMap.between(samples, other, knots)
    assert float(move(points).diff(dim=0).min()) > -1e-5
    # Beyond what was seen nothing is stretched.
    for end, extreme in ((-1, torch.Tensor.max), (0, torch.Tensor.min)):
        for column in range(2):
            far, last = points[end, column], extreme(samples[:, column])
            assert float(move(points)[end, column]) == pytest.approx(float(far - last + extreme(other[:, column])), abs=1e-4)


@pytest.mark.slow
def test_what_training_did_to_the_distribution_is_put_right(prepared, settings) -> None:
    """Of a mapping whose w varies by a seventh more, about a mean that is elsewhere."""
    generator, anchor, *_ = prepared
    mapping = copy.deepcopy(generator.mapping)
    with torch.no_grad():
        mapping.layers[-1].weight.mul_(1.15)
        mapping.layers[-1].bias.add_(10.0)
    z = normal(8192, 64, seed=5)
    none = z[:, :0]
    frozen, before = anchor.of(generator.mapping.w(z)), anchor.of(mapping.w(z))
    mapping.requires_grad_(True)
    settled = Settling(anchor, generator.mapping, settings.seed)
    stage = Stage("settling", 200, 0.05, lambda mapping, step, rng: regression_losses(mapping, anchor, settled.target, rng), False, settled)
    run_stages(mapping, (stage,), settings.seed, TrainingState())
    with torch.no_grad():
        after = anchor.of(mapping.w(z))

    def off(coordinates: torch.Tensor) -> float:
        apart = coordinates.sort(0).values - frozen.sort(0).values
        return float((apart.square().mean(0) * anchor.weights.square()).sum())

    assert off(after) < 0.1 * off(before)
    # What the axes mean is hardly turned: the target is what was there, each coordinate moved by itself.
    wanted = settled.target(z, none)
    assert float((wanted - QuantileMap.between(before, frozen)(before)).square().mean()) < 0.002
    assert float(((after - wanted) * anchor.weights).square().sum(1).mean()) < 0.1 * float(
        ((before - wanted) * anchor.weights).square().sum(1).mean()
    )
