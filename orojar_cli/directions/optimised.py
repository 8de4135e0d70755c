"""Directions by stochastic optimisation, as the papers do it: OroJaR (Wei et al. 2021) and Hessian Penalty (Peebles et al. 2020)."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from orojar_cli.devices import memory_budget
from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.directions.frame import Frame, finished
from orojar_cli.directions.method import Option, with_defaults
from orojar_cli.directions.settings import Settings
from orojar_cli.errors import OptionError
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.points import Latents
from orojar_cli.progress import Progress
from orojar_cli.response.jacobian import Response
from orojar_cli.response.penalties import REDUCTIONS
from orojar_cli.response.recomputation import pieces, recomputed

_STREAM = 20
# Of what a step's gradient keeps, on a processor: beside it there is the network, and all commands together stay within 4 GiB.
_BUDGET = 2 << 30
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")
OPTIONS = {
    "steps": Option(300, low=1),
    "batch": Option(32, low=1),
    "lr": Option(0.01, above=0),
    "k": Option(2, low=2),
    "epsilon": Option(0.1, above=0),
    "reduction": Option("mean", choices=REDUCTIONS),
    "init": Option("normal", choices=("normal", "identity")),
    "search_start": Option(0, low=0),
    "search_size": Option(None, int, low=1),
    "point": Option("zero", choices=("zero", "one-hot")),
}
# The searches in BigGAN of the OroJaR paper; that of the Hessian Penalty differs in the batch and the point.
PAPER = {"steps": 50_000, "batch": 32, "lr": 0.01, "k": 2, "epsilon": 0.1, "reduction": "mean", "init": "normal"}
_EXTENT = 5.0


def gram_schmidt(matrix: Tensor) -> Tensor:
    """Rows of [K, D] orthonormalised in order, differentiably (through the QR decomposition)."""
    q, r = torch.linalg.qr(matrix.T)
    return (q * r.diagonal().sign()).T


def first_matrix(count: int, width: int, init: str, rng: torch.Generator) -> Tensor:
    """The matrix [count, width] that the search starts from: the axes for "identity", else Kaiming-normal numbers."""
    return torch.eye(count, width, device="cpu") if init == "identity" else torch.randn(count, width, generator=rng) * (2 / width) ** 0.5


def coefficients(batch: int, count: int, point: str, rng: torch.Generator) -> Tensor:
    """Where the penalty is taken, in coefficients of the directions [batch, count]: at 0, or "one-hot", one of them in [-5, 5] each."""
    at = torch.zeros(batch, count, device="cpu")
    if point == "one-hot":
        chosen = torch.randint(count, (batch, 1), generator=rng)
        at.scatter_(1, chosen, (2 * torch.rand(batch, 1, generator=rng) - 1) * _EXTENT)
    return at


def descent(
    penalty: Callable[..., Tensor], generator: Generator, settings: Settings, steps: Tensor, count: int, options: Mapping[str, Any]
) -> Iterator[tuple[Tensor, float | None]]:
    """The papers' loop without an end: the start, then after every step of Adam, orthonormal rows [count, d] and the loss.

    The rows are coefficients of the coordinates' unit steps `steps` [d, D]; `options` as in `optimised`, all of them.
    """
    rng = torch.Generator().manual_seed(settings.seed * 1000 + _STREAM)
    matrix = first_matrix(count, len(steps), options["init"], rng).to(steps).requires_grad_(True)
    optimiser = torch.optim.Adam([matrix], lr=options["lr"])
    kept, first, last = settings.partial.section("optimisation"), 0, None
    if found := kept.read():
        first = int(found["step"])
        matrix.data.copy_(found["matrix"])
        optimiser.state[matrix] = {name: found[name].to(matrix if name != "step" else found[name]) for name in _MOMENTS}
        rng.set_state(found["rng"])
        last = float(found["loss"])
    response = Response(generator, settings.space, settings.layers_of(generator), settings.outputs)
    batch = options["batch"]
    # The penalties ask for every point at most twice along each vector, and once as it is.
    few = pieces(generator, settings.outputs, batch * (2 * options["k"] + 1), budget=memory_budget(generator.device, _BUDGET))
    yield gram_schmidt(matrix.detach()), last
    for step in itertools.count(first):
        at = settings.latents(generator, batch, _STREAM + 1 + step)
        directions = gram_schmidt(matrix) @ steps

        def moved(index: Tensor, c: Tensor, at: Latents = at, directions: Tensor = directions) -> tuple[Tensor, ...]:
            return response(at[index], c @ directions)

        draw = functools.partial(recomputed(moved, few and few[0]), torch.arange(batch, device=steps.device))
        loss = penalty(
            draw,
            coefficients(batch, count, options["point"], rng).to(steps),
            options["k"],
            options["epsilon"],
            reduction=options["reduction"],
            rng=rng,
        )
        optimiser.zero_grad()
        loss.backward(inputs=[matrix])  # a user's own generator may keep gradients of its weights
        optimiser.step()
        moments = {name: optimiser.state[matrix][name].clone() for name in _MOMENTS}
        kept.write(moments | {"matrix": matrix.detach().clone(), "rng": rng.get_state(), "loss": loss.detach()})
        yield gram_schmidt(matrix.detach()), float(loss.detach())


def images_of_search(settings: Settings, points: Callable[[int], int]) -> float:
    """What the search costs, in images: forward and backward through as many points as the penalty takes with so many vectors `k`."""
    options = with_defaults(OPTIONS, settings.options)
    return float(3 * options["steps"] * options["batch"] * points(options["k"]))


def optimised(
    name: str,
    penalty: Callable[..., Tensor],
    generator: Generator,
    settings: Settings,
    progress: Progress | None,
) -> DirectionSet:
    """Adam on a matrix A [num, d] whose rows are orthonormalised at every step; the penalty is taken in the coefficients.

    Options and their defaults, the papers': `steps` 300 (they: 50,000), `batch` 32, `lr` 0.01, `k` 2, `epsilon` 0.1,
    `reduction` mean, `init` "normal" (or "identity"), `search_start` / `search_size`: the stretch of coordinates searched (BigGAN's
    thirds, which `layers` choose too); `point` where the penalty is taken: with coefficients "zero", or "one-hot" with one of them
    anywhere in [-5, 5] (the Hessian Penalty's authors).
    """
    options = with_defaults(OPTIONS, settings.options)
    frame = Frame.of(generator, settings)
    start, size = options["search_start"], options["search_size"]
    steps = frame.steps[start : None if size is None else start + size]
    count = min(settings.num or len(steps), len(steps))
    if not count:
        raise OptionError(f"the search space starts at {start}, behind the last coordinate {len(frame.steps) - 1}")
    total = options["steps"]
    path = descent(penalty, generator, settings, steps, count, options)
    rows, loss = next(path)
    done = int(settings.partial.read("optimisation").get("step", torch.tensor(0, device="cpu")))
    for step in range(done, total):
        rows, loss = next(path)
        if progress is not None:
            progress("optimising", step + 1, total)
    coordinates = torch.zeros(count, len(frame.steps)).to(steps)
    coordinates[:, start : start + len(steps)] = rows
    found = finished(generator, settings, frame, coordinates, name, by_activeness=True, progress=progress)
    found.options.update(options | {"final_loss": loss})
    return found
