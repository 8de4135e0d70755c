"""The memory of a training step through a large network: on the output directions are measured on by default, and on the full image."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from orojar_cli.bench.measurement import Effort, ProcessCost, Row, program_cost

_STEP = """
import sys, torch
from orojar_cli.bench.networks import stylegan2
from orojar_cli.response.outputs import Output, default_output
from orojar_cli.tuning.estimators import axis_grams, gram_energies
from orojar_cli.response.penalties import orojar_penalty
from orojar_cli.response.recomputation import pieces, recomputed
torch.set_num_threads(int(sys.argv[1]))
resolution, batch = map(int, sys.argv[2:4])
network = stylegan2(resolution, 32768)
output = Output() if "image" in sys.argv else default_output(network)
network.mapping.requires_grad_(True)
z = torch.randn(batch, network.z_dim, generator=torch.Generator().manual_seed(3))

def respond(z, label=None):
    return (output(network, network.mapping(z)),)

if "axes" in sys.argv:
    grams = axis_grams(respond, z, z[:, :0], 10, at_once=pieces(network, (output,), batch, 10))
    loss = torch.stack([off / total for off, total in map(gram_energies, grams)]).mean()
else:
    few = None if "kept" in sys.argv else pieces(network, (output,), 3 * batch)
    loss = orojar_penalty(recomputed(respond, few and few[0]), z, normalised=True)
loss.backward()
"""


def training(effort: Effort) -> Iterator[Row]:
    """Single steps of the paper's loss with a gradient for the mapping, each a process of its own: the most memory it ever had.

    `full` also takes a step on ten exact columns, which is more than ten minutes of work.
    """
    large, middle, threads = effort.pick(32, 1024), effort.pick(16, 256), str(torch.get_num_threads())

    def cost(resolution: int, *how: str) -> ProcessCost:
        return program_cost(_STEP, threads, str(resolution), "4", *how)

    for name, how in (("the default output", ()), ("the full image", ("image",)), ("ten axes of the full image", ("image", "axes"))):
        if "axes" not in how or effort.full:
            gibibytes = cost(large, *how).peak_mib / 1024
            yield Row("training", f"OroJaR step on {name}, {large}x{large}, batch 4", gibibytes, "GiB", goal="<= 10")
    kept, again = cost(middle, "image", "kept"), cost(middle, "image")
    what = f"full image, {middle}x{middle}, batch 4, recomputed for its gradient"
    yield Row("training", f"memory, {what}", again.peak_mib / 1024, "GiB", again.peak_mib / kept.peak_mib, "everything kept")
    yield Row("training", f"time, {what}", again.seconds, "s", again.seconds / kept.seconds, "everything kept")
