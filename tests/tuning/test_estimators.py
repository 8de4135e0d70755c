from __future__ import annotations

import itertools

import pytest
import torch

from orojar_cli.errors import OptionError
from orojar_cli.tuning.estimators import axis_grams, gram_energies, hessian_of_axes, probe_energies
from orojar_cli.tuning.mapping import off_diagonal_share


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


MATRIX = normal(7, 5)
NONE = torch.zeros(3, 0)


def linear(z: torch.Tensor, label: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return z @ MATRIX.T, 2 * z @ MATRIX[:4].T


@pytest.mark.parametrize("method", ["central", "exact"])
def test_gram_matrices_of_a_linear_map_are_its_own(method: str) -> None:
    first, second = axis_grams(linear, normal(3, 5, seed=1), NONE, 3, method)
    expected = (MATRIX.T @ MATRIX)[:3, :3].expand(3, -1, -1)
    assert torch.allclose(first, expected, atol=1e-3)
    assert torch.allclose(second, 4 * (MATRIX[:4].T @ MATRIX[:4])[:3, :3].expand(3, -1, -1), atol=1e-3)


def test_central_and_exact_gradients_agree_and_labels_go_along() -> None:
    weight = torch.nn.Parameter(normal(6, 5, seed=2) / 2)
    label, offsets = torch.eye(2)[[0, 1, 1]], normal(2, 5, seed=3)

    def draw(z: torch.Tensor, label: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (torch.sin((z + label @ offsets) @ weight.T),)

    z = normal(3, 5, seed=4)
    gradients = [
        torch.autograd.grad(off_diagonal_share(axis_grams(draw, z, label, 5, method)[0]), weight)[0] for method in ("central", "exact")
    ]
    assert torch.allclose(*gradients, atol=0.01 * float(gradients[1].abs().max()))
    with pytest.raises(OptionError, match="unknown estimator"):
        axis_grams(draw, z, label, 5, "guess")


def test_energies_are_those_of_the_gram_matrix() -> None:
    gram = torch.tensor([[[2.0, 1.0], [1.0, 3.0]]])
    off, total = gram_energies(gram)
    assert off.tolist() == [2.0] and total.tolist() == [25.0]


def test_the_papers_estimator_is_unbiased(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its mean over all pairs of sign vectors is the exact pair of energies, for a linear map."""
    matrix = MATRIX[:, :3]
    signs = [torch.tensor(vector, dtype=torch.float32) for vector in itertools.product((-1, 1), repeat=3)]
    z, off, total = normal(1, 3), [], []
    for pair in itertools.product(signs, repeat=2):
        queue = iter(pair)
        monkeypatch.setattr("orojar_cli.tuning.estimators.rademacher", lambda shape, like, rng, queue=queue: next(queue).expand(shape))
        energies = probe_energies(lambda z, label: (z @ matrix.T,), z, NONE[:1], k=2)
        off.append(energies[0])
        total.append(energies[1])
    exact = gram_energies((matrix.T @ matrix).unsqueeze(0))
    assert float(torch.stack(off).mean()) == pytest.approx(float(exact[0]), rel=1e-3)
    assert float(torch.stack(total).mean()) == pytest.approx(float(exact[1]), rel=1e-3)


def test_the_hessian_penalty_sees_only_products_of_different_axes() -> None:
    z = normal(64, 4)
    rng = torch.Generator()

    def penalty(draw) -> float:
        return float(hessian_of_axes(draw, z, torch.zeros(64, 0), 3, rng.manual_seed(0), k=16))

    assert penalty(lambda z, label: (z**2,)) < 1e-3
    # x y has H_xy = 1: the variance over probes is 2 (H_01^2 + H_10^2) / 2 = 4, per axis and in units of the output's variance.
    product = penalty(lambda z, label: (z[:, :1] * z[:, 1:2],))
    assert product == pytest.approx(4 / 3 / float((z[:, 0] * z[:, 1]).var()), rel=0.25)
    assert penalty(lambda z, label: (z[:, 3:] * z[:, :1],)) < 1e-3
