from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from toys import ToyGenerator, linear, rotated_product

from orojar_cli.diagonaliser import orojar_loss
from orojar_cli.measures import Measurement, MetricSettings, paired_difference
from orojar_cli.measures.hessian import hessian
from orojar_cli.measures.orthogonality import (
    contrasts,
    mean_cosines,
    normalised_losses,
    of_gram_matrices,
    orthogonality,
    raw_losses,
    shares,
    without_each,
)
from orojar_cli.response.jacobian import Response, gram_matrices
from orojar_cli.response.penalties import hessian_penalty, orojar_penalty

MATRIX = torch.randn(16, 3, generator=torch.Generator().manual_seed(0))
SIGMA = torch.tensor([1.0, 2.0, 0.5])


def by_name(found: list[Measurement]) -> dict[str, Measurement]:
    return {measurement.metric: measurement for measurement in found}


def test_a_linear_generator_has_the_numbers_of_its_matrix(direction_set) -> None:
    found = by_name(orthogonality(linear(MATRIX), direction_set(torch.eye(3), SIGMA), MetricSettings(samples=8)))
    gram = ((MATRIX * SIGMA).T @ (MATRIX * SIGMA)).double()
    off = float(gram.square().sum() - gram.diagonal().square().sum())
    assert found["orojar_loss_raw"].value == pytest.approx(2 * off, rel=1e-5)
    assert found["orojar_loss"].value == pytest.approx(off / float(gram.trace()) ** 2, rel=1e-5)
    assert found["off_diagonal_share"].value == pytest.approx(off / float(gram.trace()) ** 2, rel=1e-5)
    norms = gram.diagonal().sqrt()
    cosines = (gram / norms / norms[:, None]).abs()
    assert found["mean_cosine"].value == pytest.approx((float(cosines.sum()) - 3) / 6, rel=1e-5)
    assert torch.tensor(found["mean_cosine"].details["cosine_matrix"]) == pytest.approx(cosines, abs=1e-5)
    assert found["mechanism_contrast"].value == pytest.approx(float(norms.log().sum() - 0.5 * torch.logdet(gram)), rel=1e-4)
    for measurement in found.values():
        assert measurement.better == "lower" and len(measurement.per_latent) == 8
        assert measurement.details["column_norm"] == pytest.approx(norms.tolist(), rel=1e-5)
        assert measurement.settings["samples"] == 8 and measurement.settings["seed"] == 0


def test_the_raw_loss_is_on_the_papers_scale(direction_set) -> None:
    generator = linear(MATRIX)
    (found, *_) = orthogonality(generator, direction_set(torch.eye(3)), MetricSettings(samples=8))
    z = torch.zeros(4096, 3)
    official = orojar_penalty(generator, z, k=2, epsilon=0.1, reduction=torch.mean, rng=torch.Generator().manual_seed(0))
    assert found.metric == "orojar_loss_raw" and found.value == pytest.approx(float(official), rel=0.1)


def test_orthogonal_columns_lose_nothing(direction_set) -> None:
    orthogonal = torch.linalg.qr(MATRIX).Q * torch.tensor([1.0, 2.0, 3.0])
    for measurement in orthogonality(linear(orthogonal), direction_set(torch.eye(3)), MetricSettings(samples=4)):
        assert measurement.value == pytest.approx(0, abs=1e-6), measurement.metric


def test_a_dimension_that_does_nothing_is_orthogonal_to_all(direction_set) -> None:
    matrix = torch.linalg.qr(MATRIX).Q * torch.tensor([1.0, 2.0, 0.0])
    for measurement in orthogonality(linear(matrix), direction_set(torch.eye(3)), MetricSettings(samples=4)):
        assert math.isfinite(measurement.value) and measurement.value == pytest.approx(0, abs=1e-4), measurement.metric


def test_one_dimension_is_fine(direction_set) -> None:
    settings = MetricSettings(samples=4, num=1)
    for metric in (orthogonality, hessian):
        for measurement in metric(linear(MATRIX), direction_set(torch.eye(3)), settings):
            assert measurement.value == 0 and measurement.settings["dimensions"] == 1


def test_the_normalised_loss_is_the_ratio_of_the_means() -> None:
    generator, _ = rotated_product(5)
    grams = gram_matrices(Response(generator), MetricSettings().latents(generator, 40, 100), torch.eye(5))
    values = normalised_losses(grams)
    assert values.mean() == pytest.approx(orojar_loss(grams), rel=1e-12)
    rng = np.random.default_rng(0)
    resampled = [orojar_loss(grams[torch.from_numpy(rng.integers(0, 40, 40))]) for _ in range(300)]
    assert values.std() / 40**0.5 == pytest.approx(np.std(resampled), rel=0.2)


@pytest.mark.slow
def test_the_true_basis_wins_and_random_bases_do_not_differ() -> None:
    """The null test: of 100 pairs of random direction sets at most ten are declared different, on any number."""
    generator, basis = rotated_product(16)
    grams = gram_matrices(Response(generator), MetricSettings().latents(generator, 48, 100), torch.eye(16))
    rng = np.random.default_rng(0)

    def turned(rows: torch.Tensor) -> torch.Tensor:
        return rows.double() @ grams @ rows.double().T

    def drawn() -> torch.Tensor:
        return turned(torch.from_numpy(np.linalg.qr(rng.standard_normal((16, 16)))[0][:6]))

    check_null(drawn, 100)
    settings = MetricSettings()
    sets = of_gram_matrices(turned(basis[:6]), "a", settings, True), of_gram_matrices(drawn(), "b", settings, True)
    for best, other in zip(*sets, strict=True):
        found = paired_difference(best, other)
        assert found.difference < 0 and found.p_value < 0.05, best.metric


@pytest.mark.slow
def test_random_directions_of_the_demonstration_do_not_differ(shapes) -> None:
    from orojar_cli.directions import Settings
    from orojar_cli.directions.frame import Frame

    frame = Frame.of(shapes.generator, Settings())
    at = MetricSettings().latents(shapes.generator, 64, 100)
    grams = gram_matrices(Response(shapes.generator), at, frame.steps)
    rng = np.random.default_rng(0)

    def drawn() -> torch.Tensor:
        rows = torch.from_numpy(np.linalg.qr(rng.standard_normal((64, 64)))[0][:10])
        return rows @ grams @ rows.T

    check_null(drawn, 100)


def check_null(drawn, comparisons: int) -> None:
    """At most a tenth of pairs of random sets are declared different."""
    measures = {"raw": raw_losses, "loss": normalised_losses, "share": shares, "cosine": mean_cosines, "contrast": contrasts}
    declared = dict.fromkeys(measures, 0)
    for _ in range(comparisons):
        pair = drawn(), drawn()
        for name, measure in measures.items():
            a, b = (of_one(name, measure, grams) for grams in pair)
            declared[name] += paired_difference(a, b).p_value < 0.05
    assert max(declared.values()) <= comparisons / 10, declared


def of_one(name: str, measure, grams: torch.Tensor) -> Measurement:
    values = measure(grams)
    return Measurement(name, "random", float(values.mean()), None, "lower", "", {}, without_each(measure, grams), values)


def off_diagonal(matrices: torch.Tensor) -> torch.Tensor:
    return matrices.square().sum((1, 2)) - matrices.diagonal(dim1=1, dim2=2).square().sum(1)


def quadratic(hessians: torch.Tensor, slopes: torch.Tensor) -> ToyGenerator:
    """Pixel p is slopes_p u + 1/2 u^T H_p u."""
    side = round(len(hessians) ** 0.5)
    return ToyGenerator(lambda u: u @ slopes.T + 0.5 * torch.einsum("ni,pij,nj->np", u, hessians, u), hessians.shape[1], side)


def symmetric(pixels: int, dim: int) -> torch.Tensor:
    raw = torch.randn(pixels, dim, dim, generator=torch.Generator().manual_seed(3))
    return raw + raw.transpose(1, 2)


def test_the_hessian_penalty_of_a_quadratic_is_known(direction_set) -> None:
    hessians = symmetric(16, 4)
    halves = direction_set(torch.eye(4), torch.full((4,), 0.5), method="random")
    found = by_name(hessian(quadratic(hessians, torch.zeros(16, 4)), halves, MetricSettings(64)))["hessian_penalty"]
    scaled = 0.25 * hessians
    expected = 2 * float(off_diagonal(scaled).mean())
    assert len(found.per_latent) == 64 and abs(found.value - expected) < 4 * found.per_latent.std() / 8 < 0.1 * expected
    without = found.details["without_dimension"]
    assert without[0] == pytest.approx(2 * float(off_diagonal(scaled[:, 1:, 1:]).mean()), rel=0.1)


def test_the_hessian_penalty_is_the_authors_estimator(direction_set) -> None:
    """All dimensions move at once: on rectifiers, whose curvature is in kinks, pairs of dimensions give another number."""
    rng = torch.Generator().manual_seed(5)
    first, second = torch.randn(64, 6, generator=rng), torch.randn(16, 64, generator=rng)
    generator = ToyGenerator(lambda u: torch.nn.functional.leaky_relu(u @ first.T, 0.2) @ second.T, 6, 4)
    found = by_name(hessian(generator, direction_set(torch.eye(6)), MetricSettings(64)))["hessian_penalty"]
    at = MetricSettings().latents(generator, 64, 102)
    official = [
        float(hessian_penalty(lambda z: generator(z), at.z, k=2, epsilon=0.1, reduction="mean", rng=torch.Generator().manual_seed(seed)))
        for seed in range(200)
    ]
    assert found.value == pytest.approx(np.mean(official), rel=0.05)
    assert found.settings["epsilon"] == 0.1 and found.settings["probes"] == 16


def test_a_linear_generator_has_no_hessian_and_the_normalised_one_ignores_scale(direction_set) -> None:
    for measurement in hessian(linear(MATRIX), direction_set(torch.eye(3)), MetricSettings(samples=8)):
        assert measurement.value == pytest.approx(0, abs=1e-6)
    hessians, slopes = symmetric(16, 4), torch.randn(16, 4, generator=torch.Generator().manual_seed(4))
    values = [
        by_name(hessian(quadratic(scale * hessians, scale * slopes), direction_set(torch.eye(4)), MetricSettings(16)))
        for scale in (1.0, 10.0)
    ]
    assert values[1]["hessian_penalty_normalised"].value == pytest.approx(values[0]["hessian_penalty_normalised"].value, rel=1e-3)
    assert values[1]["hessian_penalty"].value == pytest.approx(100 * values[0]["hessian_penalty"].value, rel=1e-3)


def test_the_hessian_penalty_is_measured_at_no_more_than_64_latents(direction_set) -> None:
    generator = linear(torch.randn(16, 3, generator=torch.Generator().manual_seed(1)))
    for found in hessian(generator, direction_set(torch.eye(3)), MetricSettings(samples=80)):
        assert (found.settings["samples"], len(found.per_latent)) == (64, 64)
