"""Recomputed responses: the same numbers and gradients, in pieces that fit."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from toys import linear

from orojar_cli import recomputed
from orojar_cli.errors import OptionError
from orojar_cli.response.outputs import Output
from orojar_cli.response.penalties import orojar_penalty
from orojar_cli.response.recomputation import _rows_of, graph_bytes, pieces
from orojar_cli.tuning.estimators import axis_grams, gram_energies


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("rows", [1, 2, 3, 7])
def test_values_and_gradients_are_the_same(rows: int) -> None:
    """Of arguments and of parameters, for functions of several arguments and results."""
    layer = nn.Linear(4, 3, dtype=torch.float64)
    x, y = normal(5, 4).double().requires_grad_(True), normal(5, 3, seed=1).double().requires_grad_(True)

    def function(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        hidden = torch.tanh(layer(x))
        return hidden * y, hidden.square().sum(1)

    def gradients(function) -> tuple[Tensor, ...]:
        first, second = function(x, y)
        return first, second, *torch.autograd.grad((first.exp().sum() * second).sum(), (x, y, *layer.parameters()))

    assert recomputed(function, None) is function
    for ours, theirs in zip(gradients(recomputed(function, rows)), gradients(function), strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-12)


def test_pieces_are_no_larger_than_asked_and_nothing_between_is_kept() -> None:
    sizes: list[int] = []
    kept: list[int] = []

    def function(x: Tensor) -> Tensor:
        sizes.append(len(x))
        return (x @ x.new_ones(4, 1000)).sin().sum(1)

    x = normal(5, 4).requires_grad_(True)
    # Outside the pieces' own bookkeeping whatever is saved for the gradient passes these hooks.
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor.numel()) or tensor, lambda tensor: tensor):
        value = recomputed(function, 2)(x)
    assert sizes == [2, 2, 1] and max(kept, default=0) <= x.numel()
    value.sum().backward()
    assert sorted(sizes) == [1, 1, 2, 2, 2, 2]


def test_random_numbers_are_drawn_again_as_they_were() -> None:
    x = torch.ones(6, 3, requires_grad=True)
    torch.manual_seed(0)
    drawn: list[Tensor] = []

    def function(x: Tensor) -> Tensor:
        drawn.append(torch.randn(x.shape))
        return x * drawn[-1]

    recomputed(function, 2)(x).sum().backward()
    assert torch.equal(x.grad, torch.cat(drawn[:3]))


@pytest.mark.parametrize("at_once", [pytest.param((1, 1), marks=pytest.mark.slow), (2, 3), (3, 4)])
def test_exact_columns_in_pieces_have_the_same_gradient(shapes, at_once: tuple[int, int]) -> None:
    generator = shapes.generator
    mapping = copy.deepcopy(generator.mapping).requires_grad_(True)
    z = normal(3, 64)

    def gradient(at_once: tuple[int, int] | None) -> Tensor:
        (grams,) = axis_grams(lambda z, _: (Output()(generator, mapping(z)),), z, z[:, :0], 4, at_once=at_once)
        off, total = gram_energies(grams)
        return torch.cat([part.flatten() for part in torch.autograd.grad((off / total).mean(), list(mapping.parameters()))])

    whole = gradient(None)
    assert torch.allclose(gradient(at_once), whole, atol=1e-5 * float(whole.abs().max()))


def test_the_penalty_takes_a_recomputed_generator(shapes) -> None:
    generator, z = shapes.generator, normal(4, 64)
    mapping = copy.deepcopy(generator.mapping).requires_grad_(True)

    def penalty(wrap) -> tuple[float, Tensor]:
        g = wrap(lambda z: generator.synthesis(mapping(z)))
        value = orojar_penalty(g, z, normalised=True, rng=torch.Generator().manual_seed(1))
        return float(value.detach()), torch.autograd.grad(value, list(mapping.parameters()))[0]

    (plain, slope), (pieced, again) = penalty(lambda g: g), penalty(recomputed)
    assert pieced == pytest.approx(plain, rel=1e-4)
    assert torch.allclose(slope, again, atol=1e-4 * float(slope.abs().max()))


def test_what_fits_is_not_computed_twice() -> None:
    toy, outputs = linear(normal(16, 3)), (Output(),)
    unit = graph_bytes(toy, outputs)
    assert graph_bytes(toy, outputs * 2) == 2 * unit
    assert pieces(toy, outputs, 4, budget=4 * unit) is None
    assert pieces(toy, outputs, 5, budget=4 * unit) == (4, 0)
    assert pieces(toy, outputs, 2, 3, budget=8 * unit) is None
    assert pieces(toy, outputs, 2, 3, budget=7 * unit) == (1, 3)
    assert pieces(toy, outputs, 2, 3, budget=3 * unit) == (1, 2)
    assert pieces(toy, outputs, 2, 3, budget=0) == (1, 1) and pieces(toy, outputs, 2, budget=0) == (1, 0)


def test_a_generator_is_drawn_in_as_large_pieces_as_fit(shapes, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = shapes.generator
    batches: list[int] = []
    hook = generator.register_forward_pre_hook(lambda module, given: batches.append(len(given[0])))
    z = torch.randn(6, generator.z_dim, requires_grad=True)
    whole = recomputed(generator)(z)
    assert batches == [6]
    (expected,) = torch.autograd.grad(whole.square().sum(), z)
    assert batches == [6]
    monkeypatch.setattr("orojar_cli.response.recomputation._rows_of", lambda function, points: 4)
    (gradient,) = torch.autograd.grad(recomputed(generator)(z).square().sum(), z)
    assert batches[1:3] == [4, 2] and sorted(batches[3:]) == [2, 4]
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-4)
    hook.remove()
    monkeypatch.undo()
    each = graph_bytes(generator, (Output(),))
    monkeypatch.setattr(
        "orojar_cli.response.recomputation.pieces", lambda function, outputs, points: pieces(function, outputs, points, budget=3 * each)
    )
    assert [_rows_of(generator, points) for points in (2, 3, 4)] == [None, None, 3]
    assert _rows_of(torch.tanh, 100) == 1
    with pytest.raises(OptionError, match="neither a number"):
        recomputed(torch.tanh, "all")
