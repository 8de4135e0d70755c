"""The Jacobian engine: J v for many v at once, and the Gram matrices J^T J, within a memory budget.

For a response f(u) of the generator and tangent vectors b_1..b_K the columns are J b_k, exact by forward-mode differentiation or by
differences.  Gram matrices M_kl = <J b_k, J b_l> are what the OroJaR loss (Wei et al. 2021, eq. 4-6) is made of; J itself
is never kept for more than a chunk of points.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.func import jvp, vmap

from orojar_cli.devices import Chunks, memory_budget, prepare, wide
from orojar_cli.distributed import gathered, share
from orojar_cli.errors import NumericalError, OptionError
from orojar_cli.generators.protocol import Generator, arrange
from orojar_cli.latents.points import Latents
from orojar_cli.latents.projected import Points, ProjectedLatents
from orojar_cli.latents.spaces import all_layers, displaced_from, displaced_ws, style_offsets
from orojar_cli.response.outputs import Output, computed_layers
from orojar_cli.runs.resume import Section

METHODS = ("exact", "central", "forward")
# Of estimated activations on a processor; a GPU says what it has.  The points' own forward pass is shared by the tangents of a chunk, so
# that chunks of 3 instead of 14 cost half as much again by exact derivatives; beyond this they gain little (docs/performance.md).
DEFAULT_BUDGET = 1 << 30
# Of the matrices themselves: beyond it the space is too large to be rotated as a whole (d = 9000 of w+ or s in a 1024x1024 network).
_LARGEST_RESULT = 4 << 30
# Displacement of central differences in tangent lengths.  Networks of leaky rectifiers have kinks everywhere, so the error falls only
# with the first power of the step, until float32 rounding takes over: on the demonstration network 0.6 % of the Gram matrix here.
_STEP = 5e-4
# One-sided differences lose more to rounding, so their step is longer: on the demonstration network 0.8 % of the Gram matrix.
_FORWARD_STEP = 1e-3


@dataclass(frozen=True)
class Response:
    """A generator's response to displacements in one latent space, at the layers given, as [N, P] for each output.

    Its generator's device is prepared to compute in full float32 (`orojar_cli.devices.prepare`): differences are of nothing else.
    """

    generator: Generator
    space: str = "w"
    layers: tuple[int, ...] = ()
    outputs: tuple[Output, ...] = field(default=(Output(),))

    def __post_init__(self) -> None:
        if not self.layers:
            object.__setattr__(self, "layers", all_layers(self.generator))
        arrange(self.generator)
        prepare(self.generator.device)

    def __call__(self, at: Points, displacement: Tensor) -> tuple[Tensor, ...]:
        """The outputs at the points `at` displaced by [N, D], or by [R * N, D]: all points by the first N, by the next N and so on."""
        repeats = len(displacement) // len(at)
        if isinstance(at, ProjectedLatents):
            ws = at.repeat(repeats).displaced(self.generator, displacement, self.space, self.layers)
        elif self.space in ("z", "p"):
            ws = displaced_ws(self.generator, at.repeat(repeats), displacement, self.space, self.layers)
        else:
            ws = self.generator.mapping(at.z, at.label, at.psi, at.cutoff).repeat(repeats, 1, 1)
            ws = displaced_from(self.generator, ws, displacement, self.space, self.layers)
        styles = style_offsets(self.generator, displacement, self.space, self.layers)
        return tuple(output(self.generator, ws, style_offsets=styles) for output in self.outputs)

    def bytes_per_point(self) -> int:
        """Estimated memory of one point's forward pass: the widest layer with its input, output and temporaries, in float32."""
        return 4 * 6 * max((cost.numbers for cost in computed_layers(self.generator, self.outputs)), default=1)

    def at_once(self, images: int = 1, budget: int | None = None) -> int:
        """How many points to compute at once so that `images` forward passes of each stay within `budget` bytes, at least one.

        Without a budget a GPU's free memory is filled, and a processor gets 1 GiB.
        """
        bytes_at_once = memory_budget(self.generator.device, DEFAULT_BUDGET) if budget is None else budget
        return max(1, bytes_at_once // (images * self.bytes_per_point()))


def jacobian_columns(
    response: Response, at: Points, tangents: Tensor, method: str = "exact", origin: Tensor | None = None
) -> tuple[Tensor, ...]:
    """J b_k for every point and tangent: for each output [K, N, P].

    `tangents` is [K, D], the same at every point, or [K, N, D]; the points are displaced by `origin` [N, D], where it is given.
    `method` "exact" is forward-mode (torch.func.jvp under vmap; the primal is computed once for all tangents), "central" is
    (f(u + h b) - f(u - h b)) / 2h, "forward" (f(u + h b) - f(u)) / h, which needs half as many images.
    """
    count, points = len(tangents), len(at)
    spread = tangents if tangents.ndim == 3 else tangents.unsqueeze(1).expand(-1, points, -1)
    origin = torch.zeros_like(spread[0]) if origin is None else origin
    if method == "exact" and getattr(response.generator, "forward_mode", True):

        def column(tangent: Tensor) -> tuple[Tensor, ...]:
            return jvp(lambda displacement: response(at, displacement), (origin,), (tangent,))[1]

        return vmap(column)(spread)
    if method not in METHODS:
        raise OptionError(f"unknown Jacobian method {method!r}; choose one of {', '.join(METHODS)}")
    # One flat batch, ordered [steps, N]: the tangents ahead, then the other end of the differences.
    if method == "forward":
        length = _FORWARD_STEP
        steps = torch.cat([spread * length, torch.zeros_like(spread[:1])])
    else:
        length = 2 * _STEP
        steps = torch.cat([spread * _STEP, spread * -_STEP])
    values = (value.unflatten(0, (len(steps), points)) for value in response(at, (origin + steps).flatten(0, 1)))
    return tuple((value[:count] - value[count:]) / length for value in values)


def chunk_sizes(response: Response, tangents: int, method: str, budget: int | None) -> tuple[int, int]:
    """(points, tangents) to process at once so that the activations stay within `budget` bytes; at least one of each."""
    # Exact: tangents, their temporaries and the primal; central: both displacements.
    affordable = response.at_once({"exact": 3, "forward": 1}.get(method, 2), budget)
    together = min(tangents, affordable)
    return max(1, affordable // together), together


@torch.no_grad()
def gram_matrices(
    response: Response,
    at: Latents,
    tangents: Tensor,
    *,
    method: str = "exact",
    budget: int | None = None,
    callback: Callable[[int], None] | None = None,
    kept: Section | None = None,
) -> Tensor:
    """Gram matrices [N, K, K] (float64) of J b_1..b_K at each of N points; tangents [K, D] or [K, N, D].

    With several outputs each output's matrices are divided by their mean trace before they are averaged, so that every layer counts
    the same (the paper regularises several layers); with one output they are returned as they are.
    `budget` bounds the bytes of activations held at once (`Response.at_once`), and what does not fit after all is computed in smaller
    pieces; `callback(points_done)` reports progress.  In a group of processes
    (torch.distributed) each computes its share of the points and all get every matrix; the callback then counts the share in points
    of the whole.  What `kept` holds of an interrupted computation is not computed again; on a processor the result is the same bit for
    bit, and on a GPU, whose free memory chooses the pieces, up to rounding.
    Raises NumericalError when a response is not finite or does not change at all, OptionError for matrices of more than 4 GiB.
    """
    count, mine = len(tangents), share(len(at))
    needed = 8 * len(at) * count**2 * len(response.outputs)
    if needed > _LARGEST_RESULT:
        raise OptionError(
            f"{len(at)} Gram matrices of {count} x {count} need {needed / 2**30:.0f} GiB; "
            "choose fewer --layers, another --space or fewer --samples"
        )
    points_at_once, tangents_at_once = chunk_sizes(response, count, method, budget)
    parts = [torch.empty(len(mine), count, count, dtype=torch.float64) for _ in response.outputs]
    begin = mine.start
    if kept is not None and (found := kept.read()):
        parts, begin = [found[str(index)] for index in range(len(parts))], int(found["stop"])
    chunks = Chunks(begin, mine.stop, points_at_once, tangents_at_once)
    for start, stop in chunks:
        with chunks.fitting():
            here = tangents if tangents.ndim == 2 else tangents[:, start:stop]
            pieces = [jacobian_columns(response, at[start:stop], part, method) for part in here.split(chunks.inside)]
            grams = [products(torch.cat(columns).transpose(0, 1)) for columns in zip(*pieces, strict=True)]
            del pieces
            for part, gram in zip(parts, torch.stack(grams).cpu(), strict=True):
                part[start - mine.start : stop - mine.start] = gram
        if chunks.failed:
            continue
        if kept is not None:
            kept.write({str(index): part for index, part in enumerate(parts)} | {"stop": torch.tensor(stop, device="cpu")})
        if callback is not None:
            callback((stop - mine.start) * len(at) // len(mine))
    sums = [gathered(part, len(at)) for part in parts]
    traces = [total.diagonal(dim1=1, dim2=2).sum(1).mean() for total in sums]
    if not all(bool(torch.isfinite(trace)) and trace > 0 for trace in traces):
        raise NumericalError("the generator's response is not finite or does not change along any direction; its weights may be damaged")
    if len(sums) == 1:
        return sums[0]
    return sum(total / trace for total, trace in zip(sums, traces, strict=True)) / len(sums)  # type: ignore[return-value]


def products(columns: Tensor, block: int = 1 << 22) -> Tensor:
    """[n, K, P] -> [n, K, K] inner products, in float64 where the device has it, a few million numbers at a time."""
    kind = wide(columns.device)
    step = max(1, block // max(1, columns.shape[0] * columns.shape[1]))
    total = torch.zeros(columns.shape[0], columns.shape[1], columns.shape[1], dtype=kind, device=columns.device)
    for part in columns.split(step, 2):
        part = part.to(kind)
        total += part @ part.transpose(1, 2)
    return total
