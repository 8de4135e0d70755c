"""How much each dimension changes the image (OroJaR, Wei et al. 2021, section 4.1)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from orojar_cli.devices import Chunks, on_processor, wide
from orojar_cli.distributed import gathered, share
from orojar_cli.latents.points import Latents
from orojar_cli.response.budget import affordable, arithmetic
from orojar_cli.response.jacobian import DEFAULT_BUDGET, Response
from orojar_cli.runs.resume import Section

VALUES = (-2.0, 0.0, 2.0)
ACTIVENESS = 2e12
"""Multiplications of measuring a set of directions, at most: about twenty seconds on a core that does 200 GFLOP/s."""
_FEWEST, _FEWEST_ROWS = 4, 16


def activeness(
    response: Response,
    at: Latents,
    steps: Tensor,
    *,
    values: tuple[float, ...] = VALUES,
    budget: int | None = None,
    callback: Callable[[int], None] | None = None,
    kept: Section | None = None,
) -> Tensor:
    """[K] mean over points and pixels of the variance (ddof 1) of the images with each dimension at `values`.

    `steps` [K, D] is one unit of each dimension.  In z the dimension is set to the values, as in the paper; in the other spaces,
    whose dimensions have no zero of their own, the values are added.  `callback(dimensions_done)` reports progress.
    In a group of processes (torch.distributed) each measures its share of the dimensions and all get every value.
    What `kept` holds of an interrupted computation is not computed again.
    """
    mine = share(len(steps))
    report = None if callback is None else lambda done: callback(done * len(steps) // len(mine))
    variances = image_variances(response, at, steps[mine.start : mine.stop], values=values, budget=budget, callback=report, kept=kept)
    return gathered(variances.mean(1).float(), len(steps))


def affordable_samples(response: Response, dimensions: int, most: int) -> int:
    """At how many points to measure so many dimensions: `most`, in large networks fewer, at least 4."""
    each = len(VALUES) * max(1, dimensions) * arithmetic(response.generator, response.outputs)
    return min(most, affordable(each, most, _FEWEST, ACTIVENESS))


def affordable_rows(response: Response, dimensions: int) -> int:
    """How many of so many dimensions to measure at 4 points or more: all, in large networks fewer, at least 16."""
    each = len(VALUES) * _FEWEST * arithmetic(response.generator, response.outputs)
    return min(dimensions, affordable(each, dimensions, _FEWEST_ROWS, ACTIVENESS))


def leading_activeness(
    response: Response,
    draw: Callable[[int], Latents],
    steps: Tensor,
    most: int,
    predicted: Callable[[], Tensor] | None = None,
    *,
    callback: Callable[[int], None] | None = None,
    kept: Section | None = None,
) -> Tensor:
    """`activeness` [K] at up to `most` points that `draw(count)` gives, in seconds whatever the network.

    Where measuring all of them would take minutes, only those most active by `predicted` () -> [K] (squared changes to first order) are
    measured; the others get what that predicts, on the scale of those measured, and never more than the least of these.  Without a
    prediction all are measured.
    """
    measured = len(steps) if predicted is None else affordable_rows(response, len(steps))
    at = draw(affordable_samples(response, measured, most))
    if predicted is None or measured == len(steps):
        return activeness(response, at, steps, callback=callback, kept=kept)
    expected = on_processor(predicted())
    first = expected.argsort(descending=True, stable=True)[:measured]
    # The others take no time: of all the work so much is done.
    report = None if callback is None else lambda done: callback(done * len(steps) // measured)
    values = activeness(response, at, steps[first.to(steps.device)], callback=report, kept=kept)
    scale = float(values.sum() / expected[first].sum().clamp_min(1e-300))
    result = (expected * scale).float().clamp_max(float(values.min()))
    result[first] = values
    return result


@torch.no_grad()
def image_variances(
    response: Response,
    at: Latents,
    steps: Tensor,
    *,
    values: tuple[float, ...] = VALUES,
    budget: int | None = None,
    callback: Callable[[int], None] | None = None,
    kept: Section | None = None,
) -> Tensor:
    """[K, N] float64, before the mean over points: `activeness` at every point."""
    lengths = steps.norm(dim=1, keepdim=True)
    units = steps / lengths.clamp_min(torch.finfo(steps.dtype).tiny)
    at_once = response.at_once(2 * len(values), budget)
    # On the device until all are there: bringing each home would wait for each.
    kind = wide(steps.device)
    result, begin = torch.empty(len(steps), len(at), dtype=kind, device=steps.device), 0
    if kept is not None and (found := kept.read()):
        result, begin = found["variances"].to(result), int(found["stop"])
    # Where values are added, what is at 0 is the same for every dimension.
    moving = [value for value in values if value or response.space == "z"]
    still: dict[tuple[int, int], Tensor] = {}
    for row in range(begin, len(steps)):
        step, unit = steps[row], units[row]
        chunks = Chunks(0, len(at), at_once)
        for start, stop in chunks:
            with chunks.fitting():
                chunk = at[start:stop]
                origin = -(chunk.z @ unit).unsqueeze(1) * unit if response.space == "z" else steps.new_zeros(len(chunk), steps.shape[1])
                (image,) = response(chunk, torch.cat([origin + value * step for value in moving]))
                images = image.unflatten(0, (len(moving), len(chunk)))
                if len(moving) < len(values):
                    if (start, stop) not in still:
                        (still[start, stop],) = response(chunk, origin)
                    images = torch.cat([images, still[start, stop].expand(len(values) - len(moving), -1, -1)])
                    if len(at) * images[0].numel() * images.element_size() > (budget or DEFAULT_BUDGET) * len(chunk):
                        still.clear()
                result[row, start:stop] = images.var(0, correction=1).to(kind).mean(1)
            if chunks.failed:
                still.clear()
        at_once = chunks.size
        if kept is not None:
            kept.write({"variances": result, "stop": torch.tensor(row + 1, device="cpu")})
        if callback is not None:
            callback(row + 1)
    return on_processor(result)
