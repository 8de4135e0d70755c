"""Work shared by several processes: each does its stretch of the items, and all get the whole.

Every function does nothing special in a process of its own.  The process group is the caller's (torch.distributed); the library never
starts one and never reads the environment.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor


def is_shared() -> bool:
    """Whether a process group of more than one process exists."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def share(count: int, rank: int | None = None, world_size: int | None = None) -> range:
    """The items of 0..count-1 that belong to a process: contiguous, in the order of ranks, sizes equal up to one (then the last are
    shorter or empty).  `rank` and `world_size` are this process's by default."""
    if rank is None or world_size is None:
        rank, world_size = (dist.get_rank(), dist.get_world_size()) if is_shared() else (0, 1)
    each, longer = divmod(count, world_size)
    start = rank * each + min(rank, longer)
    return range(start, start + each + (rank < longer))


def gathered(part: Tensor, count: int) -> Tensor:
    """All processes' parts [n_rank, ...] of `count` items, joined in order to [count, ...] on `part`'s device; a collective call.

    Every part must be the process's `share(count)`.  Every process gets the same numbers, bit for bit.
    """
    if not is_shared():
        return part
    sizes = [len(share(count, rank, dist.get_world_size())) for rank in range(dist.get_world_size())]
    # NCCL moves only what is on a GPU, and both backends only tensors of one size.
    device = torch.device("cuda", torch.cuda.current_device()) if dist.get_backend() == "nccl" else torch.device("cpu")
    padded = torch.zeros(max(sizes), *part.shape[1:], dtype=part.dtype, device=device)
    padded[: len(part)] = part
    everyone = [torch.empty_like(padded) for _ in sizes]
    dist.all_gather(everyone, padded)
    return torch.cat([piece[:size] for piece, size in zip(everyone, sizes, strict=True)]).to(part.device)
