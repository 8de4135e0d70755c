"""Networks with random weights, and what an image of theirs costs in arithmetic."""

from __future__ import annotations

from typing import Any

import torch

from orojar_cli.generators.families import empty_network
from orojar_cli.generators.mapping_config import MappingConfig
from orojar_cli.generators.protocol import arrange
from orojar_cli.generators.stylegan2.config import StyleGAN2Config, SynthesisConfig
from orojar_cli.generators.stylegan3.config import AliasFreeConfig, StyleGAN3Config


def stylegan2(resolution: int, channel_base: int = 16384) -> Any:
    """A StyleGAN2 of the published proportions; 16384 are those of the smaller 256x256 networks.  Its file would say that it was trained
    in float16 as the published ones are."""
    entries = 2 * (resolution.bit_length() - 2)
    synthesis = SynthesisConfig(512, resolution, 3, channel_base, num_fp16_res=4)
    return arranged(randomised(StyleGAN2Config(MappingConfig(z_dim=512, c_dim=0, w_dim=512, num_ws=entries), synthesis)))


def stylegan3(resolution: int, channel_base: int = 16384) -> Any:
    """A StyleGAN3 of configuration T."""
    synthesis = AliasFreeConfig(512, resolution, 3, channel_base=channel_base)
    return arranged(randomised(StyleGAN3Config(MappingConfig(z_dim=512, c_dim=0, w_dim=512, num_ws=16), synthesis)))


def randomised(config: object) -> Any:
    """The network of a configuration with the same random numbers every time, frozen."""
    network: Any = empty_network(config).to_empty(device="cpu")
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if tensor.ndim == 0:
                tensor.fill_(0.1)
            elif name.endswith("filter"):
                tensor.fill_(1 / tensor.numel())
            else:
                tensor.copy_(0.1 * torch.randn(tensor.shape, generator=rng))
    return network.eval().requires_grad_(False)


def arranged(generator: Any) -> Any:
    """The generator itself, laid out for speed as commands do."""
    arrange(generator)
    return generator


def convolution_gflop(network: Any) -> float:
    """Floating-point operations of the convolutions of one image, in 10^9: two for each multiplication."""
    total = 0
    layers = zip(network.config.layers(), network.config.costs(), strict=True)
    for layer, cost in layers:
        # A convolution that doubles the resolution multiplies at the pixels below.
        total += cost.multiplications // (4 if layer.name.endswith("conv0") else 1)
    return 2 * total / 1e9
