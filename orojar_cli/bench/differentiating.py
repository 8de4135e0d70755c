"""What d columns of the Jacobian cost in forward passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch

from orojar_cli.bench.measurement import Effort, Row, interleaved
from orojar_cli.bench.networks import stylegan2
from orojar_cli.latents.points import Latents
from orojar_cli.response.jacobian import DEFAULT_BUDGET, Response, chunk_sizes, gram_matrices
from orojar_cli.response.outputs import default_output

_GOALS = {"exact": "<= 2.2", "central": "", "forward": "<= 1.3"}


@torch.no_grad()
def differentiating(effort: Effort) -> Iterator[Row]:
    """Gram matrices at one point by each method, for every direction, against an image of the same output in the same batch."""
    network = stylegan2(effort.pick(32, 256))
    directions = effort.pick(8, 32)
    output = default_output(network)
    response = Response(network, "w", outputs=(output,))
    at = Latents(torch.randn(1, network.z_dim, generator=torch.Generator().manual_seed(1)))
    tangents = torch.eye(network.w_dim, device="cpu")[:directions]
    batch = chunk_sizes(response, directions, "central", DEFAULT_BUDGET)[1]
    sides: dict[str, Callable[[], object]] = {"image": partial(response, at, torch.zeros(batch, network.w_dim, device="cpu"))}
    sides |= {method: partial(gram_matrices, response, at, tangents, method=method) for method in _GOALS}
    seconds = interleaved(sides, effort.repeats if effort.quick else 3)
    image = seconds["image"] / batch
    for method, goal in _GOALS.items():
        each = seconds[method] / directions
        what = f"{directions} directions of {output}, {network.img_resolution}x{network.img_resolution}, {method}"
        yield Row("jacobian", what, 1000 * each, "ms/direction", each / image, "one image of that output", goal)
