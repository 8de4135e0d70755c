from __future__ import annotations

import itertools

import pytest
import torch

from orojar_cli.errors import OptionError
from orojar_cli.latents.points import Latents
from orojar_cli.response.jacobian import Response, gram_matrices
from orojar_cli.response.penalties import hessian_penalty, orojar_penalty
from orojar_cli.response.recomputation import recomputed

MATRIX = torch.tensor([[1.0, 0.5, 0.0], [0.0, 2.0, 1.0], [1.0, 0.0, 1.0], [0.3, 0.2, 0.1]], dtype=torch.float64)


def off_diagonal(matrix: torch.Tensor) -> float:
    return float(matrix.square().sum() - matrix.diagonal().square().sum())


def mean_of_many(penalty, g, z, draws: int = 400, **options) -> float:
    rng = torch.Generator().manual_seed(0)
    return float(torch.stack([penalty(g, z, rng=rng, **options) for _ in range(draws)]).mean())


def test_orojar_expectation_is_twice_the_off_diagonal_energy() -> None:
    """All 8 sign vectors: the population variance of ||A v||^2 is 2 sum M_ij^2 exactly."""
    gram = MATRIX.T @ MATRIX
    signs = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=3)), dtype=torch.float64)
    assert float((signs @ MATRIX.T).square().sum(1).var(correction=0)) == pytest.approx(2 * off_diagonal(gram))
    z = torch.zeros(64, 3, dtype=torch.float64)
    assert mean_of_many(orojar_penalty, lambda z: z @ MATRIX.T, z, reduction="mean") == pytest.approx(2 * off_diagonal(gram), rel=0.03)


def test_orojar_of_orthogonal_columns_is_zero() -> None:
    matrix = torch.linalg.qr(torch.randn(6, 3, dtype=torch.float64)).Q * torch.tensor([1.0, 2.0, 3.0])
    z = torch.randn(8, 3, dtype=torch.float64)
    assert float(orojar_penalty(lambda z: z @ matrix.T, z, k=5)) == pytest.approx(0, abs=1e-12)


def test_the_normalised_orojar_penalty_ignores_scale_and_is_the_off_diagonal_share() -> None:
    gram = MATRIX.T @ MATRIX
    z = torch.zeros(256, 3, dtype=torch.float64)
    share = off_diagonal(gram) / float(gram.trace()) ** 2
    for scale in (1.0, 100.0):
        value = mean_of_many(orojar_penalty, lambda z, scale=scale: scale * z @ MATRIX.T, z, draws=200, normalised=True)
        assert value == pytest.approx(share, rel=0.03)


def test_hessian_penalty_of_a_quadratic_is_twice_the_off_diagonal_energy() -> None:
    hessian = torch.tensor([[2.0, 0.7, -0.3], [0.7, 1.0, 0.5], [-0.3, 0.5, 3.0]], dtype=torch.float64)

    def g(z: torch.Tensor) -> torch.Tensor:
        return (0.5 * torch.einsum("ni,ij,nj->n", z, hessian, z)).unsqueeze(1)

    z = torch.randn(64, 3, dtype=torch.float64)
    assert mean_of_many(hessian_penalty, g, z, reduction="mean") == pytest.approx(2 * off_diagonal(hessian), rel=0.03)


def test_hessian_penalty_of_a_sum_of_functions_of_one_variable_is_zero() -> None:
    z = torch.randn(8, 4, dtype=torch.float64)
    assert float(hessian_penalty(lambda z: torch.sin(z).cumsum(1)[:, -1:], z, k=4)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("penalty", [orojar_penalty, hessian_penalty])
def test_several_outputs_are_added(penalty) -> None:
    z = torch.randn(16, 3, dtype=torch.float64)

    def g(z: torch.Tensor) -> torch.Tensor:
        return torch.tanh(z @ MATRIX.T)

    one = penalty(g, z, rng=torch.Generator().manual_seed(1))
    two = penalty(lambda z: (g(z), g(z)), z, rng=torch.Generator().manual_seed(1))
    assert float(two) == pytest.approx(2 * float(one))


@pytest.mark.parametrize("penalty", [orojar_penalty, hessian_penalty])
def test_gradients_reach_the_parameters(penalty) -> None:
    matrix = MATRIX.clone().requires_grad_(True)
    z = torch.randn(16, 3, dtype=torch.float64)
    penalty(lambda z: torch.tanh(z @ matrix.T), z, rng=torch.Generator().manual_seed(1)).backward()
    assert matrix.grad is not None and float(matrix.grad.abs().sum()) > 0


def test_max_reduction_is_not_below_the_mean() -> None:
    z = torch.randn(16, 3, dtype=torch.float64)
    values = [
        float(orojar_penalty(lambda z: torch.tanh(z @ MATRIX.T), z, reduction=reduction, rng=torch.Generator().manual_seed(2)))
        for reduction in ("mean", "max")
    ]
    assert values[1] > values[0] > 0


@pytest.mark.parametrize("options", [{"k": 1}, {"epsilon": 0.0}, {"reduction": "median"}])
@pytest.mark.parametrize("penalty", [orojar_penalty, hessian_penalty])
def test_impossible_options_are_refused(penalty, options) -> None:
    with pytest.raises(OptionError):
        penalty(lambda z: z, torch.zeros(2, 3), **options)


@pytest.mark.parametrize("penalty", [orojar_penalty, hessian_penalty])
def test_outputs_may_be_lists_of_any_depth(penalty) -> None:
    z = torch.randn(4, 3, dtype=torch.float64)

    def parts(z: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (z @ MATRIX.T).square(), z.prod(1), (z @ MATRIX.T).tanh().unflatten(1, (2, 2))

    def value(arrange) -> float:
        return float(penalty(lambda z: arrange(*parts(z)), z, rng=torch.Generator().manual_seed(1)))

    wanted = value(lambda a, b, c: (a, b, c))
    assert value(lambda a, b, c: [a, b, c]) == value(lambda a, b, c: [a, (b, [c])]) == wanted > 0
    again = penalty(recomputed(lambda z: list(parts(z))), z, rng=torch.Generator().manual_seed(1))
    assert float(again) == pytest.approx(wanted)
    kinds = recomputed(lambda z: [z, (z, z)])(z)
    assert type(kinds) is list and type(kinds[1]) is tuple and torch.equal(kinds[1][0], z)


@pytest.mark.parametrize("penalty", [orojar_penalty, hessian_penalty, lambda g, z, **rest: orojar_penalty(recomputed(g), z, **rest)])
@pytest.mark.parametrize(
    ("g", "options", "told"),
    [
        (lambda z: {"a": z}, {}, "returned? a dict"),
        (lambda z: None, {}, "returned? a NoneType"),
        (lambda z: [z, 3], {}, "returned? a int"),
        (lambda z: [], {}, "no tensor"),
        (lambda z: z.sum(), {}, "shape|a number"),
        (lambda z: z, {"k": 2.5}, "whole number"),
        (lambda z: z, {"k": "2"}, "whole number"),
        (lambda z: z, {"epsilon": float("nan")}, "positive"),
        (lambda z: z, {"epsilon": None}, "positive"),
    ],
)
def test_what_is_no_function_of_z_is_refused(penalty, g, options, told) -> None:
    with pytest.raises(OptionError, match=told.replace("returned?", "return(ed|s)")):
        penalty(g, torch.zeros(2, 3), **options)
    with pytest.raises(OptionError, match="z is a"):
        orojar_penalty(lambda z: z, [[0.0, 1.0]])


def test_a_loop_written_for_the_authors_functions_runs_unchanged() -> None:
    """Their names, order and defaults; G_z, a reduction, keywords of G, activations in a list, penalties one by one."""
    orojar, calls = orojar_penalty, []

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = torch.nn.Linear(4, 8), torch.nn.Linear(8, 12)

        def forward(self, z: torch.Tensor, fade: float = 1.0, return_features: bool = False):
            calls.append(len(z))
            features = torch.tanh(self.first(z))
            image = fade * self.second(features)
            return [features, image] if return_features else image

    torch.manual_seed(1)
    netG = Net()
    optimizer = torch.optim.Adam(netG.parameters(), lr=1e-3)
    losses = []
    for _ in range(60):
        z = torch.randn(16, 4)
        fake = netG(z, fade=0.5)
        g_loss = fake.square().mean()
        reg = orojar(netG, z, 2, 0.1, torch.mean, False, fake, fade=0.5)
        separate = hessian_penalty(G=netG, z=z, k=2, epsilon=0.1, reduction=torch.max, return_separately=True, G_z=None,
                                   return_features=True)  # fmt: skip
        assert isinstance(separate, list) and len(separate) == 2
        optimizer.zero_grad()
        (g_loss + 0.1 * reg + 0.1 * sum(separate)).backward()
        optimizer.step()
        losses.append(reg.item())
    assert sum(losses[-10:]) < 0.5 * sum(losses[:10])
    assert len(calls) == 60 * (1 + 2 + 1 + 4)  # G(z) is not computed again where it is given


@pytest.mark.parametrize("penalty", [orojar_penalty, hessian_penalty])
def test_reductions_are_words_or_functions_and_the_authors_max_where_nothing_is_said(penalty) -> None:
    z = torch.randn(16, 3, dtype=torch.float64)

    def value(**options) -> float:
        return float(penalty(lambda z: torch.tanh(z @ MATRIX.T), z, rng=torch.Generator().manual_seed(1), **options))

    assert value() == value(reduction="max") == value(reduction=torch.max) > value(reduction="mean") == value(reduction=torch.mean)
    variances: list[torch.Tensor] = []
    total = value(reduction=lambda values: variances.append(values) or values.sum())
    assert total == pytest.approx(float(variances[0].sum())) and variances[0].max() == value()
    assert variances[0].shape == ((16,) if penalty is orojar_penalty else (16, 4))
    with pytest.raises(OptionError, match="does not give a single number"):
        value(reduction=torch.square)


@pytest.mark.parametrize("penalty", [orojar_penalty, hessian_penalty])
def test_outputs_one_by_one_and_the_outputs_at_z(penalty) -> None:
    z = torch.randn(8, 3, dtype=torch.float64)

    def both(z: torch.Tensor) -> list[torch.Tensor]:
        return [torch.tanh(z @ MATRIX.T), z.prod(1, keepdim=True)]

    def value(g, **options):
        return penalty(g, z, rng=torch.Generator().manual_seed(1), **options)

    separate = value(both, return_separately=True)
    alone = [float(value(lambda z, index=index: both(z)[index])) for index in range(2)]
    assert [float(part) for part in separate] == alone and float(value(both)) == pytest.approx(sum(alone))
    assert float(value(both, G_z=both(z))) == float(value(both))
    with pytest.raises(OptionError, match="is G_z of the same layers"):
        value(both, G_z=both(z)[0])
    with pytest.raises(OptionError, match="G_z is a tensor of shape"):
        value(both, G_z=both(z[:1]))
    scaled = value(recomputed(lambda z, scale=1.0: scale * z @ MATRIX.T + z.prod(1, keepdim=True)), scale=3.0)
    assert float(scaled) == pytest.approx(float(value(lambda z: 3.0 * z @ MATRIX.T + z.prod(1, keepdim=True))))


@pytest.mark.slow
def test_the_papers_epsilon_is_far_from_the_limit_behind_leaky_rectifiers(shapes) -> None:
    """71 % below it at 64 latents, twelve times eight probes; here at fewer."""
    generator, count = shapes.generator, 10
    z = torch.randn(count, 64, generator=torch.Generator().manual_seed(0))
    grams = gram_matrices(Response(generator, "z"), Latents(z), torch.eye(64))
    limit = 2 * float((grams.square().sum((1, 2)) - grams.diagonal(dim1=1, dim2=2).square().sum(1)).mean())

    def share(epsilon: float) -> float:
        rng = torch.Generator().manual_seed(1)
        with torch.no_grad():
            found = [orojar_penalty(generator, z, 8, epsilon, torch.mean, rng=rng) for _ in range(10)]
        return float(torch.stack(found).mean()) / limit

    near, far = share(0.001), share(0.1)
    assert 0.2 < far < 0.45 < 0.7 < near < 1.3
