"""A generator of one's own, in a file of one's own: what `--generator` and the library need is `z_dim` and `forward`.

orojar discover --generator own_generator:blobs --space z     (in this folder)
python examples/own_generator.py                              (the same from Python)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from orojar_cli.directions import METHODS, Settings
from orojar_cli.generators.own.adapt import adapt


class Blobs(nn.Module):
    """z [N, 3] -> images [N, 1, 32, 32] of one soft spot: its place and its width, wound up in a rotation."""

    z_dim = 3

    def __init__(self) -> None:
        super().__init__()
        rotation = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(0))).Q
        self.register_buffer("rotation", rotation)

    def forward(self, z: Tensor) -> Tensor:
        x, y, width = (z @ self.rotation.T).T[:, :, None, None]
        axis = torch.linspace(-1, 1, 32, device=z.device)
        distance = (axis[None, None, :] - 0.3 * x).square() + (axis[None, :, None] - 0.3 * y).square()
        return (2 * torch.exp(-distance / (0.15 * torch.exp(0.3 * width))) - 1).unsqueeze(1)


def blobs() -> Blobs:
    """The factory that `--generator own_generator:blobs` calls."""
    return Blobs()


def main() -> None:
    blob = blobs()
    found = METHODS["orojar"](adapt(blob, "blobs"), Settings(space="z", num=3, samples=96, subspace=3))
    print("cosines between the directions found and the axes that mean one thing each:")
    for row in (found.directions @ blob.rotation.cpu().T).tolist():
        print("  " + "  ".join(f"{value:+.3f}" for value in row))


if __name__ == "__main__":
    main()
