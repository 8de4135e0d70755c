"""The memory of a training step through a large network, on the output that directions are measured on by default."""

from __future__ import annotations

from collections.abc import Iterator

from orojar_cli.bench.measurement import Effort, Row, program_cost

_STEP = """
import sys, torch
from orojar_cli.bench.networks import stylegan2
from orojar_cli.outputs import default_output
from orojar_cli.penalties import orojar_penalty
resolution, batch = map(int, sys.argv[1:])
network = stylegan2(resolution, 32768)
output = default_output(network)
network.mapping.requires_grad_(True)
z = torch.randn(batch, network.z_dim, generator=torch.Generator().manual_seed(3))
orojar_penalty(lambda z: output(network, network.mapping(z)), z, normalised=True).backward()
"""


def training(effort: Effort) -> Iterator[Row]:
    """One step of the paper's stochastic OroJaR loss with a gradient for the mapping at batch 4, as a process of its own."""
    resolution = effort.pick(32, 1024)
    cost = program_cost(_STEP, str(resolution), "4")
    yield Row(
        "training", f"OroJaR step on the default output, {resolution}x{resolution}, batch 4", cost.peak_mib / 1024, "GiB", goal="<= 10"
    )
