"""How much each dimension changes the image (OroJaR, Wei et al. 2021, section 4.1)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from orojar_cli.distributed import gathered, share
from orojar_cli.jacobian import DEFAULT_BUDGET, Response
from orojar_cli.spaces import Latents

VALUES = (-2.0, 0.0, 2.0)


@torch.no_grad()
def activeness(
    response: Response,
    at: Latents,
    steps: Tensor,
    *,
    values: tuple[float, ...] = VALUES,
    budget: int = DEFAULT_BUDGET,
    callback: Callable[[int], None] | None = None,
) -> Tensor:
    """[K] mean over points and pixels of the variance (ddof 1) of the images with each dimension at `values`.

    `steps` [K, D] is one unit of each dimension.  In z the dimension is set to the values, as in the paper; in the other spaces,
    whose dimensions have no zero of their own, the values are added.  `callback(dimensions_done)` reports progress.
    In a group of processes (torch.distributed) each measures its share of the dimensions and all get every value.
    """
    lengths = steps.norm(dim=1, keepdim=True)
    units = steps / lengths.clamp_min(torch.finfo(steps.dtype).tiny)
    at_once = max(1, budget // (2 * response.bytes_per_point() * len(values)))
    result, mine = [], share(len(steps))
    for done, row in enumerate(mine, 1):
        step, unit = steps[row], units[row]
        total, count = 0.0, 0
        for start in range(0, len(at), at_once):
            chunk = at[start : start + at_once]
            origin = -(chunk.z @ unit).unsqueeze(1) * unit if response.space == "z" else torch.zeros(len(chunk), steps.shape[1]).to(steps)
            displacements = torch.cat([origin + value * step for value in values])
            label = None if chunk.label is None else chunk.label.repeat(len(values), 1)
            (image,) = response(Latents(chunk.z.repeat(len(values), 1), label, chunk.psi, chunk.cutoff), displacements)
            variance = image.unflatten(0, (len(values), len(chunk))).var(0, correction=1)
            total += float(variance.double().mean(1).sum())
            count += len(chunk)
        result.append(total / count)
        if callback is not None:
            callback(done * len(steps) // len(mine))
    return gathered(torch.tensor(result), len(steps))
