from __future__ import annotations

import copy

import pytest
import torch
from toys import ToyGenerator, linear, rotated_product

from orojar_cli.errors import NumericalError, OptionError
from orojar_cli.latents.points import Latents
from orojar_cli.response.jacobian import Response, chunk_sizes, gram_matrices, jacobian_columns
from orojar_cli.response.outputs import Output


def latents(count: int, dim: int, seed: int = 0) -> Latents:
    return Latents(torch.randn(count, dim, generator=torch.Generator().manual_seed(seed)))


@pytest.mark.parametrize("method", ["exact", "central", "forward"])
def test_columns_of_a_linear_generator_are_its_matrix(method: str) -> None:
    matrix = torch.randn(16, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    at = Latents(torch.randn(3, 5, dtype=torch.float64))
    (columns,) = jacobian_columns(Response(linear(matrix)), at, torch.eye(5, dtype=torch.float64), method)
    assert columns.shape == (5, 3, 16)
    assert torch.allclose(columns, matrix.T.unsqueeze(1).expand(-1, 3, -1), atol=1e-9)


def test_gram_of_a_linear_generator_is_a_transposed_a() -> None:
    matrix = torch.randn(16, 5, generator=torch.Generator().manual_seed(1))
    grams = gram_matrices(Response(linear(matrix)), latents(4, 5), torch.eye(5))
    assert grams.dtype == torch.float64
    assert torch.allclose(grams, (matrix.T @ matrix).double().expand(4, -1, -1), atol=1e-4)


def test_columns_of_a_quadratic_generator_depend_on_the_point() -> None:
    forms = torch.randn(9, 4, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    generator = ToyGenerator(lambda u: torch.einsum("ni,pij,nj->np", u, forms, u), 4, 3)
    at = Latents(torch.randn(6, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64))
    expected = torch.einsum("pij,nj->npi", forms + forms.transpose(1, 2), at.z)
    for method in ("exact", "central"):
        (columns,) = jacobian_columns(Response(generator), at, torch.eye(4, dtype=torch.float64), method)
        assert torch.allclose(columns.permute(1, 2, 0), expected, atol=1e-8)


@pytest.mark.parametrize("space", ["z", "w", "p", "w+"])
def test_exact_columns_of_a_network_agree_with_reverse_mode(shapes, space: str) -> None:
    generator = shapes.generator
    response = Response(generator, space, outputs=(Output("image", 8),))
    at = latents(1, 64)
    dim = 64 * (8 if space == "w+" else 1)
    expected = torch.autograd.functional.jacobian(lambda u: response(at, u)[0].sum(0)[:6], torch.zeros(1, dim))[:, 0]
    tangents = torch.eye(dim)[:7]
    (columns,) = jacobian_columns(response, at, tangents)
    assert torch.allclose(columns[:, 0, :6].T, expected[:, :7], atol=1e-4 * float(expected.abs().max()))


def test_single_precision_is_close_to_double(shapes) -> None:
    at = latents(2, 64)
    double = copy.deepcopy(shapes.generator).double()
    tangents = torch.eye(64)[:12]
    expected = gram_matrices(Response(double, "z"), Latents(at.z.double()), tangents.double())
    exact = gram_matrices(Response(shapes.generator, "z"), at, tangents)
    central = gram_matrices(Response(shapes.generator, "z"), at, tangents, method="central")
    forward = gram_matrices(Response(shapes.generator, "z"), at, tangents, method="forward")
    assert (exact - expected).norm() <= 1e-5 * expected.norm()
    assert (forward - expected).norm() <= 0.03 * expected.norm()
    # Kinks of the leaky rectifiers and rounding share the rest: measured 0.6 to 1.2 %.
    assert (central - expected).norm() <= 0.03 * expected.norm()


@pytest.mark.parametrize(("method", "tolerance"), [("exact", 1e-5), ("central", 0.02), ("forward", 0.02)])
def test_chunks_do_not_change_the_result(shapes, method: str, tolerance: float) -> None:
    """Up to rounding, which central differences in single precision amplify."""
    response, at, tangents = Response(shapes.generator, "w"), latents(3, 64), torch.eye(64)[:9]
    whole = gram_matrices(response, at, tangents, method=method)
    small = gram_matrices(response, at, tangents, method=method, budget=4 * response.bytes_per_point())
    assert chunk_sizes(response, 9, method, 4 * response.bytes_per_point())[1] < 9
    assert (whole - small).norm() <= tolerance * whole.norm()


def test_the_mapping_is_not_computed_for_every_tangent(shapes, monkeypatch) -> None:
    counted = []
    forward = type(shapes.generator.mapping).forward
    monkeypatch.setattr(type(shapes.generator.mapping), "forward", lambda self, z, *rest: counted.append(len(z)) or forward(self, z, *rest))
    for method in ("exact", "central", "forward"):
        jacobian_columns(Response(shapes.generator, "w"), latents(2, 64), torch.eye(64)[:5], method)
    assert counted == [2, 2, 2]


def test_one_tangent_per_point_equals_shared_tangents() -> None:
    generator, _ = rotated_product(4)
    at, tangents = latents(5, 4), torch.randn(3, 4, generator=torch.Generator().manual_seed(4))
    shared = gram_matrices(Response(generator), at, tangents)
    spread = gram_matrices(Response(generator), at, tangents.unsqueeze(1).expand(-1, 5, -1).contiguous())
    assert torch.allclose(shared, spread)


def test_several_outputs_count_equally_whatever_their_scale() -> None:
    matrix = torch.randn(16, 3, generator=torch.Generator().manual_seed(5))
    generator = linear(matrix)
    two = Response(generator, outputs=(Output(), Output("image", 4)))
    grams = gram_matrices(two, latents(2, 3), torch.eye(3))
    assert torch.allclose(grams.diagonal(dim1=1, dim2=2).sum(1), torch.ones(2, dtype=torch.float64))


def test_the_early_image_is_the_networks_own_smaller_image(shapes) -> None:
    ws = shapes.generator.mapping(latents(2, 64).z)
    early = Output("early", 16)(shapes.generator, ws)
    assert torch.equal(early, shapes.generator.synthesis(ws, resolution=16).flatten(1))
    assert Output("b", 8)(shapes.generator, ws).shape == (2, 32 * 8 * 8)
    averaged = Output("image", 8)(shapes.generator, ws).reshape(2, 3, 8, 8)
    assert torch.allclose(averaged, torch.nn.functional.avg_pool2d(shapes.generator.synthesis(ws), 4))


def test_a_generator_that_does_not_change_is_named() -> None:
    with pytest.raises(NumericalError, match="does not change"):
        gram_matrices(Response(linear(torch.zeros(4, 3))), latents(2, 3), torch.eye(3))


@pytest.mark.parametrize("spec", ["picture", "image:", "early", "b", "b4x", ""])
def test_an_unknown_output_is_refused(spec: str) -> None:
    with pytest.raises(OptionError, match="output"):
        Output.parse(spec)


@pytest.mark.parametrize("spec", ["image", "image:8", "early:16", "b16"])
def test_an_output_prints_as_it_is_written(spec: str) -> None:
    assert str(Output.parse(spec)) == spec


def test_matrices_too_large_for_memory_are_refused() -> None:
    with pytest.raises(OptionError, match=r"2 Gram matrices of 30000 x 30000 need 13 GiB; choose fewer --layers"):
        gram_matrices(Response(linear(torch.ones(4, 3))), latents(2, 3), torch.ones(1, 3).expand(30_000, -1))


def test_progress_counts_points() -> None:
    seen: list[int] = []
    gram_matrices(Response(linear(torch.randn(4, 3))), latents(7, 3), torch.eye(3), budget=1, callback=seen.append)
    assert seen == list(range(1, 8))
