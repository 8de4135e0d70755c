"""Gram matrices of z by way of w against those measured along every axis of z."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from toys import linear

from orojar_cli.diagonaliser import FactoredGrams, orojar_loss
from orojar_cli.directions import Settings
from orojar_cli.directions.frame import Frame
from orojar_cli.latents.points import Latents
from orojar_cli.response.jacobian import Response, gram_matrices
from orojar_cli.response.pullback import Pullback, is_mapped
from orojar_cli.response.subspace import Subspace
from orojar_cli.tuning.rotation import z_pullback


def close(factors: torch.Tensor, expected: torch.Tensor, share: float) -> bool:
    return float((factors.transpose(1, 2) @ factors - expected).norm() / expected.norm()) < share


@pytest.mark.parametrize(("network", "psi"), [("tiny", 1.0), ("tiny", 0.6), ("conditional", 1.0)])
def test_along_all_of_w_they_are_those_of_z(request, network: str, psi: float) -> None:
    generator = request.getfixturevalue(network).generator
    label = torch.eye(generator.c_dim)[[1, 2]] if generator.c_dim else None
    at = Latents(torch.randn(2, generator.z_dim, generator=torch.Generator().manual_seed(1)), label, psi)
    settings = Settings(space="w", class_index=1 if generator.c_dim else None)
    frame = Frame.of(generator, settings).steps
    response = Response(generator, "w")
    pullback = Pullback.of(response, frame, Subspace.whole(len(frame)))
    expected = gram_matrices(Response(generator, "z"), at, torch.eye(generator.z_dim), method="exact")
    assert is_mapped(generator) and close(pullback.factors(at), expected, 1e-4)


def test_where_there_is_no_mapping_they_are_measured_in_z() -> None:
    matrix = torch.randn(64, 6, generator=torch.Generator().manual_seed(0))
    generator = linear(matrix)
    pullback, twice = z_pullback(generator, Settings(space="z"))
    assert not is_mapped(generator) and pullback.response.space == "z" and len(pullback) == len(twice) == 6
    factors = pullback.factors(Latents(torch.zeros(3, 6)))
    assert close(factors, (matrix.T @ matrix).double().expand(3, -1, -1), 1e-6)


def test_few_directions_hold_nearly_all(shapes) -> None:
    """The demonstration network: 5 or 6 of 64 directions of w hold 99 % of the squared gradients, and the losses of z within 2 %."""
    generator = shapes.generator
    settings = Settings(space="z")
    inside, twice = z_pullback(generator, settings)
    assert len(inside) <= 8 and len(twice) == 2 * len(inside) and inside.captured >= 0.99
    at = settings.latents(generator, 6, 7)
    expected = gram_matrices(Response(generator, "z"), at, torch.eye(64), method="exact")
    assert close(inside.factors(at), expected, 0.2) and close(twice.factors(at), expected, 0.1)
    assert orojar_loss(FactoredGrams(twice.factors(at))) == pytest.approx(orojar_loss(expected), rel=0.02)
    assert not close(dataclasses.replace(inside, steps=inside.steps[:2], coordinates=inside.coordinates[:, :2]).factors(at), expected, 0.3)
