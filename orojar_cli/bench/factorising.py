"""SeFa of all layers: a Gram matrix and its eigenvectors."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from orojar_cli.bench.measurement import Effort, Row, interleaved
from orojar_cli.bench.networks import stylegan2
from orojar_cli.directions.sefa import style_factors, style_weights
from orojar_cli.latents.spaces import all_layers


def factorising(effort: Effort) -> Iterator[Row]:
    """All layers' style weights, against the singular values of the stacked rows."""
    network = stylegan2(effort.pick(64, 1024), 32768)
    weights = style_weights(network, all_layers(network))
    rows = torch.cat(weights).double()
    sides = {
        "eigenvectors": lambda: style_factors(weights),
        "svd": lambda: torch.linalg.svd(rows / rows.norm(dim=1, keepdim=True), full_matrices=False),
    }
    seconds = interleaved(sides, 3)
    resolution = network.img_resolution
    what = f"all {network.num_ws} layers, {resolution}x{resolution}"
    yield Row("sefa", what, seconds["eigenvectors"], "s", goal="<= 2")
    yield Row("sefa", what, seconds["eigenvectors"], "s", seconds["eigenvectors"] / seconds["svd"], "a singular value decomposition")
