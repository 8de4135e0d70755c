"""Work shared by several processes: each does its stretch of the items, and all get the whole.

Every function does nothing special in a process of its own.  The process group is the caller's (torch.distributed); the library never
starts one and never reads the environment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor

from orojar_cli.errors import ProcessError

_alone = False
# How backends tell that the other end is not there any more.
_GONE = re.compile(r"gloo|NCCL|Connection|[Tt]imed? ?out")


def is_shared() -> bool:
    """Whether a process group of more than one process exists."""
    return not _alone and dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def processes() -> int:
    """How many processes share the work."""
    return dist.get_world_size() if is_shared() else 1


@contextmanager
def alone() -> Iterator[None]:
    """Work that this process does without the others, such as the first one's pictures while they wait."""
    global _alone
    before, _alone = _alone, True
    try:
        yield
    finally:
        _alone = before


def is_first() -> bool:
    """Whether this process is the one that writes files: the first of the group, or alone."""
    return not is_shared() or dist.get_rank() == 0


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
    # Backends move only tensors of one size.
    padded = torch.zeros(max(sizes), *part.shape[1:], dtype=part.dtype, device=_device(part))
    padded[: len(part)] = part
    everyone = [torch.empty_like(padded) for _ in sizes]
    with _together():
        dist.all_gather(everyone, padded)
    return torch.cat([piece[:size] for piece, size in zip(everyone, sizes, strict=True)]).to(part.device)


def own(items: Tensor) -> Tensor:
    """This process's share of items [N, ...]."""
    mine = share(len(items))
    return items[mine.start : mine.stop]


def joined(part: Tensor, count: int) -> Tensor:
    """`gathered`, with a gradient through this process's own part: losses of the whole are then the same in every process, and
    `add_gradients` makes up the whole gradient."""
    if not is_shared():
        return part
    mine, whole = share(count), gathered(part.detach(), count)
    return torch.cat([whole[: mine.start], part, whole[mine.stop :]])


def add_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Sum every parameter's gradient over the processes, in place."""
    if not is_shared():
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    sums = _everywhere(torch.cat([gradient.flatten() for gradient in gradients]), dist.all_reduce)
    for gradient, part in zip(gradients, sums.split([gradient.numel() for gradient in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


def as_first(tensor: Tensor) -> Tensor:
    """The first process's tensor of this shape and type, in every process."""
    return _everywhere(tensor.clone(), lambda moved: dist.broadcast(moved, 0)) if is_shared() else tensor


def wait_for_all() -> None:
    """Go on when every process is here: one that leaves while another still receives from it takes both down."""
    if is_shared():
        _everywhere(torch.zeros(1, device="cpu"), dist.all_reduce)


@contextmanager
def _together() -> Iterator[None]:
    """An exchange; raises ProcessError where another process is gone."""
    try:
        yield
    except RuntimeError as error:
        if _GONE.search(str(error)) is None:
            raise
        raise ProcessError("another process that shares this work ended, or cannot be reached; its own last line says why") from error


def _everywhere(tensor: Tensor, exchange: Callable[[Tensor], object]) -> Tensor:
    """What an exchange in place makes of a tensor."""
    moved = tensor.to(_device(tensor)).contiguous()
    with _together():
        exchange(moved)
    return moved.to(tensor.device)


def _device(tensor: Tensor) -> torch.device:
    """Where the group exchanges a tensor: where it lies if that is a GPU and NCCL is there; else the processor."""
    backends = dict(pair.split(":", 1) for pair in dist.get_backend_config().split(","))
    if backends.get("cuda") == "nccl" and tensor.is_cuda:
        return tensor.device
    return torch.device("cpu") if "cpu" in backends else torch.device("cuda", torch.cuda.current_device())
