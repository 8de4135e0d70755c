"""The active subspace against generators whose range is known."""

from __future__ import annotations

import pytest
import torch
from toys import ToyGenerator, linear

from orojar_cli.errors import NumericalError
from orojar_cli.latents.points import Latents
from orojar_cli.response.jacobian import Response
from orojar_cli.response.outputs import Output
from orojar_cli.response.subspace import Subspace, active_subspace, gradients


def draw(dim: int):
    return lambda count, number: Latents(torch.randn(count, dim, generator=torch.Generator().manual_seed(number)))


def low_rank(dim: int, scales: tuple[float, ...]) -> tuple[ToyGenerator, torch.Tensor]:
    """A linear generator of 64 pixels and the orthonormal directions [k, dim] that it answers to, with these strengths."""
    rng = torch.Generator().manual_seed(3)
    rows = torch.linalg.qr(torch.randn(dim, len(scales), generator=rng)).Q.T
    columns = torch.linalg.qr(torch.randn(64, len(scales), generator=rng)).Q
    return linear(columns * torch.tensor(scales) @ rows), rows


def test_all_that_a_linear_generator_answers_to_is_found() -> None:
    generator, rows = low_rank(40, (3.0, 2.0, 1.0))
    found = active_subspace(Response(generator), draw(40), torch.eye(40), captured=0.999)
    assert len(found) == 3 and found.captured == pytest.approx(1, abs=1e-6)
    assert torch.linalg.matrix_norm(rows.double() @ found.basis.T, 2) == pytest.approx(1, abs=1e-6)
    both = torch.cat([found.basis, found.complement])
    assert torch.allclose(both @ both.T, torch.eye(40, dtype=torch.float64), atol=1e-10)


def test_it_lies_in_the_coordinates_of_the_steps() -> None:
    generator, rows = low_rank(40, (1.0,))
    steps = torch.diag(torch.linspace(0.1, 4, 40))
    found = active_subspace(Response(generator), draw(40), steps)
    expected = rows[0] * torch.linspace(0.1, 4, 40)
    assert abs(float(found.basis[0] @ (expected / expected.norm()).double())) == pytest.approx(1, abs=1e-6)


def test_fewer_than_needed_say_how_much_they_hold() -> None:
    generator, _ = low_rank(40, (3.0, 2.0, 1.0))
    found = active_subspace(Response(generator), draw(40), torch.eye(40), captured=0.999, most=1)
    # Gradients of unit length: E [a^2 / (a^2 + b^2 + c^2)] of normal a, b, c with these deviations.
    sample = torch.randn(200_000, 3, generator=torch.Generator().manual_seed(0)).mul(torch.tensor([3.0, 2.0, 1.0])).square()
    assert len(found) == 1
    assert found.captured == pytest.approx(float((sample[:, 0] / sample.sum(1)).mean()), abs=0.12)
    assert len(active_subspace(Response(generator), draw(40), torch.eye(40), least=7)) == 7


def test_what_needs_most_of_its_directions_stays_whole() -> None:
    generator = linear(torch.randn(64, 12, generator=torch.Generator().manual_seed(0)))
    found = active_subspace(Response(generator), draw(12), torch.eye(12))
    assert torch.equal(found.basis, torch.eye(12, dtype=torch.float64)) and found.captured == 1 and len(found.complement) == 0


def test_a_generator_without_gradients_is_not_asked_for_them() -> None:
    generator, _ = low_rank(40, (1.0,))
    generator.differentiable = False
    generator.function = None
    assert len(active_subspace(Response(generator), draw(40), torch.eye(40))) == len(Subspace.whole(40)) == 40


def test_a_gradient_depends_on_its_point_alone(tiny) -> None:
    response = Response(tiny.generator, outputs=(Output(), Output("image", 8)))
    at = draw(16)(5, 0)
    whole = gradients(response, at, torch.eye(16), 1)
    assert whole.shape == (10, 16) and torch.allclose(whole.norm(dim=1), torch.ones(10, dtype=torch.float64))
    assert torch.allclose(gradients(response, at, torch.eye(16), 1, budget=1), whole, atol=1e-5)
    assert torch.allclose(gradients(response, at[:3], torch.eye(16), 1), whole[:6], atol=1e-5)
    assert not torch.allclose(gradients(response, at, torch.eye(16), 2), whole, atol=0.1)


def test_a_response_that_does_not_change_is_refused() -> None:
    with pytest.raises(NumericalError, match="does not change"):
        active_subspace(Response(linear(torch.zeros(64, 40))), draw(40), torch.eye(40))
