"""How time and memory grow: the exponent of resolution, directions and samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

import torch

from orojar_cli.bench.diagonalising import synthetic_grams
from orojar_cli.bench.measurement import Effort, Row, interleaved, program_cost
from orojar_cli.bench.networks import stylegan2
from orojar_cli.diagonaliser import joint_diagonalise
from orojar_cli.latents.points import Latents
from orojar_cli.response.jacobian import Response, gram_matrices
from orojar_cli.response.outputs import Output

_IMAGE = "import sys, torch; from orojar_cli.bench.networks import stylegan2; network = stylegan2(int(sys.argv[1])); "
_DRAWN = "torch.set_grad_enabled(False); network.synthesis(torch.zeros(1, network.num_ws, 512))"
_GRAMS = """
import sys, torch
from orojar_cli.bench.networks import stylegan2
from orojar_cli.response.jacobian import Response, gram_matrices
from orojar_cli.response.outputs import Output
from orojar_cli.latents.points import Latents
size, points, count = map(int, sys.argv[1:])
response = Response(stylegan2(size), "w", outputs=(Output(),))
gram_matrices(response, Latents(torch.zeros(points, 512)), torch.eye(512)[:count])
"""
_DOUBLING = [8, 16, 32, 64, 128, 256, 512]


@torch.no_grad()
def growing(effort: Effort) -> Iterator[Row]:
    """Each size is timed in turn with the others; an exponent is the slope of log time over log size by least squares."""
    resolutions = [16, 32] if effort.quick else [32, 64, 128, 256] + [512, 1024] * effort.full
    networks = {size: stylegan2(size) for size in resolutions}
    sides: dict[str, Callable[[], object]]
    sides = {str(size): partial(n.synthesis, torch.zeros(1, n.num_ws, n.w_dim, device="cpu")) for size, n in networks.items()}
    yield from _rows("an image against its resolution", resolutions, interleaved(sides, 3), "s")
    blank = {str(size): program_cost(_IMAGE, str(size)).peak_mib for size in resolutions}
    drawn = {str(size): program_cost(_IMAGE + _DRAWN, str(size)).peak_mib - blank[str(size)] for size in resolutions}
    yield from _rows("memory of an image against its resolution", resolutions, drawn, "MiB")

    response = Response(networks[resolutions[0]], "w", outputs=(Output(),))
    points = Latents(torch.randn(512, 512, generator=torch.Generator().manual_seed(4)))
    axes = torch.eye(512, device="cpu")
    gram_matrices(response, points[:1], axes[:2])
    counts = [2, 4] if effort.quick else _DOUBLING[: 7 if effort.full else 4]
    sides = {str(count): partial(gram_matrices, response, points[:1], axes[:count]) for count in counts}
    yield from _rows("a Gram matrix against its directions", counts, interleaved(sides, 1, warm_up=False), "s")
    sides = {str(count): partial(gram_matrices, response, points[:count], axes[:2]) for count in counts}
    yield from _rows("Gram matrices of 2 directions against samples", counts, interleaved(sides, 1, warm_up=False), "s")

    size = str(resolutions[0])
    memory = {str(count): program_cost(_GRAMS, size, "1", str(count)).peak_mib for count in counts}
    yield from _rows("memory of a Gram matrix against its directions", counts, memory, "MiB")
    memory = {str(count): program_cost(_GRAMS, size, str(count), "2").peak_mib for count in counts}
    yield from _rows("memory of Gram matrices against samples", counts, memory, "MiB")

    dims = [8, 16] if effort.quick else _DOUBLING[: 7 if effort.full else 5]
    sides = {str(dim): partial(joint_diagonalise, synthetic_grams(dim, 64)) for dim in dims}
    yield from _rows("joint diagonaliser of 64 matrices against directions", dims, interleaved(sides, 1), "s")
    samples = [8, 16] if effort.quick else _DOUBLING[: 7 if effort.full else 6]
    sides = {str(count): partial(joint_diagonalise, synthetic_grams(32, count)) for count in samples}
    yield from _rows("joint diagonaliser of 32 directions against samples", samples, interleaved(sides, 3), "s")


def _rows(what: str, sizes: list[int], figures: dict[str, float], unit: str) -> Iterator[Row]:
    # Memory of small images is lost in that of the program.
    known = [size for size in sizes if figures[str(size)] > 0]
    for size in known:
        figure, first = figures[str(size)], figures[str(known[0])]
        yield Row("growth", f"{what}: {size}", figure, unit, figure / first, f"that at {known[0]}")
    if len(known) > 1:
        yield Row("growth", f"{what}: exponent", exponent(known, [figures[str(size)] for size in known]), "")


def exponent(sizes: list[int], figures: list[float]) -> float:
    """The slope of log figure over log size by least squares; both positive."""
    across, up = ([math.log(number) for number in numbers] for numbers in (sizes, figures))
    middle, height = sum(across) / len(across), sum(up) / len(up)
    slope = sum((x - middle) * (y - height) for x, y in zip(across, up, strict=True))
    return slope / sum((x - middle) ** 2 for x in across)
