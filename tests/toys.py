"""Generators whose Jacobians are known by hand."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import Tensor, nn

from orojar_cli.generators.options import LayerCost, LayerInfo


class ToyGenerator(nn.Module):
    """An image of one channel that is a function of u = z = w; no mapping to speak of."""

    sha256 = identity = ""
    device = torch.device("cpu")

    def __init__(self, function, dim: int, side: int) -> None:
        super().__init__()
        self.function, self.anchor = function, nn.Parameter(torch.zeros(()))
        self.z_dim = self.w_dim = dim
        self.c_dim, self.num_ws, self.img_resolution, self.img_channels = 0, 1, side, 1
        self.image_shape = 1, side, side
        self.config = SimpleNamespace(
            layers=lambda: [LayerInfo("b4.conv1", 0, side, 1, 1)],
            costs=lambda: [LayerCost(side, 2 * side * side, dim * side * side)],
            architecture="orig",
        )
        self.mapping = ToyMapping()

    def synthesis(self, ws: Tensor, noise_mode: str = "const", resolution: int | None = None, rng=None) -> Tensor:
        return self.function(ws[:, 0]).reshape(len(ws), 1, self.img_resolution, self.img_resolution)

    def forward(self, z: Tensor, label=None, psi: float = 1.0, cutoff=None) -> Tensor:
        return self.synthesis(self.mapping(z))


class ToyMapping(nn.Module):
    def w(self, z: Tensor, label=None) -> Tensor:
        return z

    def forward(self, z: Tensor, label=None, psi: float = 1.0, cutoff=None) -> Tensor:
        return z.unsqueeze(1)


def linear(matrix: Tensor) -> ToyGenerator:
    """g(u) = A u with A [side^2, d]: the Jacobian is A everywhere."""
    return ToyGenerator(lambda u: u @ matrix.T, matrix.shape[1], round(matrix.shape[0] ** 0.5))


def rotated_product(dim: int, seed: int = 0) -> tuple[ToyGenerator, Tensor]:
    """(g, B): every row b_i of the orthonormal B drives two pixels of its own, through a sine and a cosine of b_i u.

    J B^T has orthogonal columns whose lengths vary from point to point, so B is the only joint diagonaliser; on average all columns are
    equally long, so the mean Gram matrix is a multiple of I and tells nothing of B.
    """
    rng = torch.Generator().manual_seed(seed)
    basis = torch.linalg.qr(torch.randn(dim, dim, generator=rng, dtype=torch.float64)).Q.float()
    side = int((2 * dim) ** 0.5) + 1

    def draw(u: Tensor) -> Tensor:
        coordinates = u @ basis.T.to(u)
        drawn = torch.cat([torch.sin(0.7 * coordinates), torch.cos(0.4 * coordinates + 1)], 1)
        return torch.nn.functional.pad(drawn, (0, side * side - 2 * dim))

    return ToyGenerator(draw, dim, side), basis


def alignment(directions: Tensor, basis: Tensor) -> float:
    """1 where every direction is a basis vector up to sign: the smallest best cosine."""
    return float((directions.double() @ basis.double().T).abs().max(1).values.min())
