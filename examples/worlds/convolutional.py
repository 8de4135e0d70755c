"""The simple generator of the dSprites experiments of the Hessian Penalty and OroJaR papers, a critic for it, and its file.

Peebles et al. 2020 (arXiv 2008.10599) and Wei et al. 2021 (arXiv 2108.07668): transposed 4x4 convolutions with instance normalisation from
z straight to the image, without a mapping.  The critic mirrors it with strided 4x4 convolutions and no normalisation.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from orojar_cli.files import write_bytes
from orojar_cli.generators.families import empty_network
from orojar_cli.generators.simplegan.config import SimpleGANConfig
from orojar_cli.generators.simplegan.network import SimpleGAN

SLOPE = 0.2


def widths(resolution: int, width: int, most: int) -> tuple[int, ...]:
    """Channels from 4x4 up: `width` at full resolution, twice as many at each half of it up to `most`."""
    return tuple(min(width * 2**halvings, most) for halvings in reversed(range(resolution.bit_length() - 2)))


def new_critic(resolution: int, channels: int, width: int, most: int) -> nn.Sequential:
    """Images [N, channels, R, R] -> logits [N, 1]."""
    up = widths(resolution, width, most)
    layers: list[nn.Module] = [nn.Conv2d(channels, up[-1], 3, 1, 1), nn.LeakyReLU(SLOPE)]
    for finer, coarser in zip(up[:0:-1], up[-2::-1], strict=True):
        layers += [nn.Conv2d(finer, coarser, 4, 2, 1), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(16 * up[0], 1))


def new_convolutional(resolution: int, channels: int, width: int, most: int, latent: int, seed: int) -> tuple[SimpleGAN, nn.Sequential]:
    """A generator and a critic; weights by He et al. 2015, as both have leaky ReLUs."""
    torch.manual_seed(seed)
    generator: Any = empty_network(SimpleGANConfig(latent, widths(resolution, width, most), channels)).to_empty(device="cpu")
    critic = new_critic(resolution, channels, width, most)
    for network in (generator, critic):
        initialise(network)
    return generator, critic


@torch.no_grad()
def initialise(network: nn.Module) -> None:
    """Weights of the variance that keeps the features', norms that change nothing, zero biases."""
    for name, tensor in network.state_dict().items():
        if "norm" in name and name.endswith("weight"):
            tensor.fill_(1)
        elif name.endswith(("bias", "w_avg")):
            tensor.zero_()
        elif name.endswith("affine.weight"):
            tensor.normal_(std=tensor.shape[1] ** -0.5)
        else:
            nn.init.kaiming_normal_(tensor, SLOPE)


def state(generator: SimpleGAN) -> dict[str, Tensor]:
    """Its tensors under the names that these experiments give them in their files (`netG.pth`)."""
    parts = dict(generator.synthesis.named_parameters())
    count = len(generator.config.channels)
    matrix = parts["first.affine.weight"]
    tensors = {
        "layers.0.layers.conv.weight": matrix.T.unflatten(1, (-1, 4, 4)),
        "layers.0.layers.conv.bias": parts["first.bias"],
    }
    for index in range(1, count):
        tensors[f"layers.{index}.layers.conv.weight"] = parts[f"conv{index}.weight"]
        tensors |= {f"layers.{index}.layers.instancenorm.{part}": parts[f"norm{index}.{part}"] for part in ("weight", "bias")}
    tensors |= {f"layers.{count}.layers.conv.{part}": parts[f"last.{part}"] for part in ("weight", "bias")}
    return {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}


def write_convolutional(generator: SimpleGAN, path: Path) -> None:
    """A state dictionary of the generator alone, whole or not at all."""
    buffer = io.BytesIO()
    torch.save(state(generator), buffer)
    write_bytes(path, buffer.getvalue())
