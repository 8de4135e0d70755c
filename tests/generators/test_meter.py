from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from orojar_cli.generators.own.meter import CostMeter

x = torch.randn(2, 3, 8, 8)


@pytest.mark.parametrize(
    ("draw", "multiplications", "numbers"),
    [
        (lambda: F.linear(torch.ones(4, 5), torch.ones(6, 5)), 4 * 5 * 6, 20 + 30 + 24),
        (lambda: torch.ones(4, 5) @ torch.ones(5, 6), 4 * 5 * 6, 20 + 30 + 24),
        (lambda: torch.ones(4, 5).matmul(torch.ones(5, 6)), 4 * 5 * 6, 20 + 30 + 24),
        (lambda: torch.addmm(torch.ones(6), torch.ones(4, 5), torch.ones(5, 6)), 4 * 5 * 6, 6 + 20 + 30 + 24),
        (lambda: torch.einsum("ij,jk->ik", torch.ones(4, 5), torch.ones(5, 6)), 4 * 5 * 6, 20 + 30 + 24),
        (lambda: F.conv2d(x, torch.ones(7, 3, 3, 3), padding=1), 2 * 7 * 64 * 3 * 9, 384 + 189 + 896),
        (lambda: F.conv_transpose2d(x, torch.ones(3, 7, 4, 4), stride=2, padding=1), 384 * 7 * 16, 384 + 336 + 3584),
    ],
    ids=["linear", "operator", "method", "addmm", "einsum", "convolution", "transposed convolution"],
)
def test_products_and_convolutions_are_counted(draw, multiplications: int, numbers: int) -> None:
    with CostMeter() as meter:
        draw()
    assert multiplications <= meter.multiplications <= multiplications + 500  # ones() and the like count once a number
    assert meter.numbers == numbers


def test_modules_and_lists_are_seen() -> None:
    with CostMeter() as meter:
        torch.cat([torch.nn.Linear(4, 8)(torch.ones(2, 4)), torch.ones(2, 100)], 1)
    assert meter.numbers == 16 + 200 + 216
