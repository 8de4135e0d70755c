"""What the configurations of networks of transposed 4x4 convolutions have in common (no torch)."""

from __future__ import annotations

from orojar_cli.containers.derived import Form
from orojar_cli.generators.options import LayerCost
from orojar_cli.generators.unmapped_config import START, UnmappedConfig

KERNEL = START  # the first convolution sees one pixel and gives all of its kernel
NORM = ("weight", "bias", "running_mean", "running_var")  # of a batch normalisation
# The first convolution [w_dim, channels, 4, 4] as the matrix [channels * 4 * 4, w_dim].
MATRIX = Form(
    lambda shape: (shape[1], shape[0] // KERNEL**2, KERNEL, KERNEL),
    lambda tensor: tensor.flatten(1).T.contiguous(),
    lambda tensor: tensor.T.unflatten(1, (-1, KERNEL, KERNEL)),
)


def transposed_costs(config: UnmappedConfig) -> list[LayerCost]:
    """What every transposed convolution costs: each output pixel of a stride of 2 sees a quarter of the kernel."""
    costs = [LayerCost(START, START**2 * config.channels[0], config.w_dim * START**2 * config.channels[0])]
    for resolution, inputs, outputs in zip(config.resolutions[1:], config.channels[:-1], config.channels[1:], strict=True):
        pixels = resolution**2
        costs.append(LayerCost(resolution, inputs * pixels // 4 + outputs * pixels, inputs * outputs * KERNEL**2 // 4 * pixels))
    return costs
