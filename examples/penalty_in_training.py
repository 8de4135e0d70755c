"""The OroJaR penalty in a training loop of one's own: one line beside the loss that is there already.

A small generator learns a mixture of sines; the penalty, 1 % of the loss, pulls the changes that its latent dimensions cause apart.

    python examples/penalty_in_training.py
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from orojar_cli import orojar_penalty


def data(z: Tensor) -> Tensor:
    """[N, 32] curves: phase and height, wound up in a rotation of z [N, 2]."""
    turned = z @ torch.tensor([[0.8, 0.6], [-0.6, 0.8]], device=z.device)
    t = torch.linspace(0, 6.3, 32, device=z.device)
    return (1 + 0.3 * turned[:, :1]) * torch.sin(t + 0.5 * turned[:, 1:])


def train(weight: float, steps: int = 400) -> tuple[float, float]:
    """(reconstruction error, normalised OroJaR loss) after training with the penalty at `weight`."""
    torch.manual_seed(0)
    rng = torch.Generator().manual_seed(0)
    encoder = nn.Sequential(nn.Linear(32, 64), nn.SiLU(), nn.Linear(64, 2))
    generator = nn.Sequential(nn.Linear(2, 64), nn.SiLU(), nn.Linear(64, 32))
    optimiser = torch.optim.Adam([*encoder.parameters(), *generator.parameters()], 3e-3)
    for _ in range(steps):
        curves = data(torch.randn(128, 2, generator=rng))
        code = encoder(curves)
        loss = (generator(code) - curves).square().mean()
        loss = loss + weight * orojar_penalty(generator, code, normalised=True, rng=rng)  # <- the one line
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        curves = data(torch.randn(2000, 2, generator=rng))
        code = encoder(curves)
        return float((generator(code) - curves).square().mean()), float(orojar_penalty(generator, code, k=8, normalised=True, rng=rng))


if __name__ == "__main__":
    for weight in (0.0, 0.01):
        error, share = train(weight)
        print(f"weight {weight:4}: reconstruction error {error:.4f}, off-diagonal share {share:.4f}")
