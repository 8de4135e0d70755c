"""A large network with structure: a trained StyleGAN2 enlarged by blocks that only upsample, so that quality can be judged at full size.

python examples/benchmark/structured.py [checkpoints/shapes32.pkl] [--resolution 1024] [--out structured1024.pkl]

Further blocks add nothing to the image (their toRGB layers are zero), so it is the small network's, upsampled by the architecture's own
filter.  All widths, z and w become those of the published networks: channels that are added are zero, and dimensions of z and w that are
added move each other but no pixel.  Time and memory are those of a network of that size.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

import orojar_cli as orojar
from orojar_cli.checkpoint.emitter import write_pickle
from orojar_cli.generators.families import empty_network
from orojar_cli.generators.stylegan2.config import StyleGAN2Config
from orojar_cli.generators.stylegan2.network import StyleGAN2

# Standard deviation of the dimensions of w that are added, over that of the others: their principal components come last.
_FAINT = 0.1
_SAMPLES = 4096


@torch.no_grad()
def enlarged(
    generator: StyleGAN2, resolution: int, dims: int = 512, channel_base: int = 32768, channel_max: int = 512, seed: int = 0
) -> StyleGAN2:
    """`generator` (skip architecture, no labels) at `resolution`, with z and w of `dims` dimensions and the widths given.

    Its z is `rotation(dims, seed)` times (z of the small network, `dims` - z_dim numbers that move no pixel), so that no axis is a
    direction already.  Images equal the small network's, upsampled, where the norms do: z is normalised, the small one over its own
    dimensions and this one over all (for 64 of 512 the norm of what is read varies by 9 %).
    Raises ValueError for a network of another kind, or one that does not fit in.
    """
    old = generator.config
    if type(generator) is not StyleGAN2 or old.synthesis.architecture != "skip" or old.mapping.c_dim or old.mapping.layer_features:
        raise ValueError("only a StyleGAN2 of the skip architecture without labels can be enlarged")
    synthesis = replace(old.synthesis, img_resolution=resolution, channel_base=channel_base, channel_max=channel_max, w_dim=dims)
    narrow = [each for each in old.synthesis.resolutions if synthesis.channels(each) < old.synthesis.channels(each)]
    if narrow or max(generator.z_dim, generator.w_dim) > dims or resolution < old.synthesis.img_resolution:
        raise ValueError("the network has more channels, dimensions or pixels than the enlarged one would have")
    config = StyleGAN2Config(replace(old.mapping, z_dim=dims, w_dim=dims, num_ws=synthesis.num_ws), synthesis)
    rng = torch.Generator().manual_seed(seed)
    network: Any = empty_network(config).to_empty(device="cpu").eval().requires_grad_(False)
    large, small = network.state_dict(), generator.state_dict()
    for name, tensor in large.items():
        tensor.copy_(_new(name, tensor, rng) if name not in small else _padded(name, small[name], tensor))
    for name in [name for name in large if ".affine." in name]:
        known = name if name in small else f"synthesis.b{old.synthesis.img_resolution}.conv1.affine.{name.rpartition('.')[2]}"
        # The same rows again and again: what SeFa factorises keeps its shape, and styles their size.
        rows = small[known][torch.arange(len(large[name]), device="cpu") % len(small[known])]
        large[name].copy_(rows if rows.ndim == 1 else _wide(rows, large[name].shape[1]))
    _mix(network, generator, rng)
    first = network.mapping.layers[0].weight
    first.copy_(first @ rotation(dims, seed).T)
    return network


def rotation(dims: int, seed: int = 0) -> Tensor:
    """Random orthogonal [dims, dims]."""
    return torch.linalg.qr(torch.randn(dims, dims, generator=torch.Generator().manual_seed(seed + 1), dtype=torch.float64)).Q.float()


def _new(name: str, tensor: Tensor, rng: torch.Generator) -> Tensor:
    """What stands in blocks that the small network does not have: random convolutions that reach no pixel."""
    if name.endswith("resample_filter"):
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0], device="cpu")[:, None] * torch.tensor([1.0, 3.0, 3.0, 1.0], device="cpu")
        return taps / taps.sum()
    if "conv" in name and name.endswith((".weight", "noise_const")) and "affine" not in name:
        return torch.randn(tensor.shape, generator=rng)
    return torch.zeros_like(tensor)


def _padded(name: str, known: Tensor, tensor: Tensor) -> Tensor:
    """Zeros around the small network's numbers; gains that depend on the width are made up for."""
    result = torch.zeros_like(tensor)
    result[tuple(map(slice, known.shape))] = known
    if name.endswith("torgb.weight"):
        result *= math.sqrt(tensor.shape[1] / known.shape[1])
    return result


def _wide(rows: Tensor, dims: int) -> Tensor:
    """Rows of a fully connected layer that reads `dims` inputs, of which it heeds the first."""
    return torch.nn.functional.pad(rows, (0, dims - rows.shape[1])) * math.sqrt(dims / rows.shape[1])


def _mix(network: StyleGAN2, generator: StyleGAN2, rng: torch.Generator) -> None:
    """Fill the mapping: the small one beside a random one of the dimensions added."""
    for layer, known in zip(network.mapping.layers, generator.mapping.layers, strict=True):
        (rows, columns), (old_rows, old_columns) = layer.weight.shape, known.weight.shape
        layer.weight.zero_()
        layer.weight[:old_rows] = _wide(known.weight, columns)
        if rows > old_rows and columns > old_columns:
            size = math.sqrt(columns / (columns - old_columns)) / known.bias_gain
            layer.weight[old_rows:, old_columns:] = size * torch.randn(rows - old_rows, columns - old_columns, generator=rng)
    if network.w_dim == generator.w_dim:
        return
    w = network.mapping.w(torch.randn(_SAMPLES, network.z_dim, generator=rng))
    added = slice(generator.w_dim, None)
    faint = _FAINT * w[:, : generator.w_dim].std(0).mean() / w[:, added].std(0).mean().clamp_min(1e-12)
    # A leaky rectifier passes a positive factor on.
    network.mapping.layers[-1].weight[added] *= faint
    network.mapping.w_avg[added] = w[:, added].mean(0) * faint


def main() -> None:
    """Write the enlarged network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", nargs="?", default=str(Path(__file__).parents[2] / "checkpoints" / "shapes32.pkl"))
    parser.add_argument("--resolution", type=int, default=1024)
    parser.add_argument("--dims", type=int, default=512, help="of z and w")
    parser.add_argument("--channel-base", type=int, default=32768)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    small = orojar.load(options.checkpoint).generator
    network = enlarged(small, options.resolution, options.dims, options.channel_base, seed=options.seed)
    out = options.out or Path(f"structured{options.resolution}.pkl")
    write_pickle(SimpleNamespace(generator=network, critic=None), out)
    print(f"{out}: {options.resolution}x{options.resolution}, {sum(tensor.numel() for tensor in network.state_dict().values()):,} numbers")


if __name__ == "__main__":
    main()
