from __future__ import annotations

import math

import pytest
import torch
from toys import linear

from orojar_cli.diagonaliser.identifiability import connected, degenerate_groups, degenerate_values, pair_anisotropies
from orojar_cli.directions import METHODS, Settings


def test_a_plane_of_equal_orthogonal_columns_is_degenerate() -> None:
    grams = torch.diag_embed(torch.tensor([[3.0, 3.0, 1.0], [5.0, 5.0, 2.0]]))
    assert degenerate_groups(grams).tolist() == [0, 0, -1]


def test_anisotropy_does_not_depend_on_the_basis_of_the_plane() -> None:
    rng = torch.Generator().manual_seed(0)
    factors = torch.randn(6, 4, 2, generator=rng, dtype=torch.float64)
    grams = factors.transpose(1, 2) @ factors
    angle = 0.7
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], dtype=torch.float64)
    values = torch.linalg.eigvalsh(grams)
    expected = (values[:, 1] - values[:, 0]).square().mean() / values.sum(1).square().mean()
    for matrices in (grams, turn @ grams @ turn.T):
        assert pair_anisotropies(matrices)[0, 1] == pytest.approx(float(expected))


def test_columns_whose_lengths_vary_independently_are_told_apart() -> None:
    lengths = torch.rand(50, 3, generator=torch.Generator().manual_seed(1)) + 0.1
    assert degenerate_groups(torch.diag_embed(lengths)).tolist() == [-1, -1, -1]


def test_dimensions_that_do_nothing_are_no_group() -> None:
    assert degenerate_groups(torch.diag_embed(torch.tensor([[1.0, 0.0, 0.0]]))).tolist() == [-1, -1, -1]


def test_groups_are_the_connected_pairs() -> None:
    pairs = torch.zeros(5, 5, dtype=torch.bool)
    for i, j in ((0, 3), (3, 4)):
        pairs[i, j] = pairs[j, i] = True
    assert connected(pairs).tolist() == [0, -1, -1, 0, 0]
    assert degenerate_values(torch.tensor([4.0, 3.9999, 2.0, 1.0, 0.9995])).tolist() == [0, 0, -1, 1, 1]


@pytest.mark.parametrize("method", ["orojar", "jacobian-pca"])
def test_methods_name_degenerate_and_inactive_directions(method: str) -> None:
    """Columns of lengths 3, 2, 2 and 0: the two of length 2 may be turned into each other, the last does nothing."""
    rng = torch.Generator().manual_seed(2)
    columns = torch.linalg.qr(torch.randn(16, 4, generator=rng)).Q * torch.tensor([3.0, 2.0, 2.0, 0.0])
    basis = torch.linalg.qr(torch.randn(4, 4, generator=rng)).Q
    found = METHODS[method](linear(columns @ basis), Settings(space="z", num=4, samples=16, subspace=3))
    assert [found.note(index) for index in range(4)] == ["", "degenerate with dim 2", "degenerate with dim 1", "inactive"]
