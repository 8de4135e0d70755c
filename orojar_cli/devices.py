"""Devices: numbers that are right on them, what fits into their memory, and how numbers come home.

A GPU computes float32 convolutions in TF32 unless it is told otherwise, with 10 bits of mantissa: central differences of a generator are
then off by more than what they measure.  `prepare` tells it.  MPS has no float64; `wide` says what there is, and `on_processor` is the one
way to bring numbers to where there always is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

# Of what is free: estimates of activations are rough, and convolutions want workspaces.
_SHARE = 0.5
# Beyond it batches gain nothing on any card, and one that is too large costs a try.
_MOST = 32 << 30
# What says that memory was lacking, and nothing else: neither an illegal access to it nor a leak is.
_LACKING = re.compile(
    r"(CUDA|HIP|XPU|MPS|CPU)( error| backend)?:? out of memory|_STATUS_ALLOC_FAILED|([Cc]annot|can't) allocate memory|not enough memory"
)


def prepare(device: str | torch.device, *, program: bool = False) -> None:
    """Make a device compute float32 in float32, for good; `program` also makes it repeat itself and the process's own.

    Nothing is asked of a processor.  On NVIDIA's GPUs TF32 is turned off, in convolutions and in matrix products, for everything that this
    process computes: whoever wants it in a training loop of his own turns it on again behind the last call into this package.
    A program, which is alone in its process, also chooses algorithms that give the same numbers each time, and makes the device the
    current one.  What has no such algorithm (the gradient of reflected padding, for one) PyTorch warns of.
    """
    device = torch.device(device)
    if device.type == "cpu":
        return
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    if not program:
        return
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    if device.type == "cuda":
        # Read when cuBLAS starts, which is later.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        if device.index is not None:
            torch.cuda.set_device(device)


def wide(device: torch.device) -> torch.dtype:
    """float64 where the device has it, else float32."""
    try:
        torch.zeros((), dtype=torch.float64, device=device)
    except (TypeError, RuntimeError):
        return torch.float32
    return torch.float64


def on_processor(tensor: Tensor) -> Tensor:
    """The numbers in float64, on the processor: not every device has float64, so they come before they are widened."""
    return tensor.detach().cpu().double()


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor of the processor on a device that goes on meanwhile: what was drawn here, for instance, for a step of training there."""
    # CUDA takes numbers from ordinary memory before the call returns; elsewhere that is not said.
    return tensor.to(device, non_blocking=device.type == "cuda")


def synchronise(device: torch.device) -> None:
    """Wait until the device has done what it was given: a clock is read only then."""
    if device.type != "cpu":
        torch.get_device_module(device).synchronize()


def memory_budget(device: torch.device, usual: int) -> int:
    """Bytes of activations to hold at once: `usual` on a processor, on a GPU half of what is free there now, at most 32 GiB.

    Where the device does not say what is free it is `usual` too.
    """
    free = free_memory(device)
    return usual if free is None else max(1, min(_MOST, int(free * _SHARE)))


def free_memory(device: torch.device) -> int | None:
    """Bytes free on a GPU, with those that PyTorch keeps for its next tensors; None for a processor and a device that does not say."""
    if device.type == "cpu":
        return None
    module: Any = torch.get_device_module(device)
    if hasattr(module, "mem_get_info"):
        free, _ = module.mem_get_info(device)
        return int(free) + module.memory_reserved(device) - module.memory_allocated(device)
    if device.type == "mps":
        return int(module.recommended_max_memory() - module.driver_allocated_memory())
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory was lacking: the allocator's own, or what a library below says of it."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and _LACKING.search(str(error)) is not None


class Chunks:
    """Stretches (start, stop) of the items from `begin` to `end`, `size` at a time: half as many where memory does not hold them.

        chunks = Chunks(0, len(at), size)
        for start, stop in chunks:
            with chunks.fitting():
                ...

    A stretch that fails for want of memory is given again, shorter: nothing may be kept of its block before all of it is computed, and
    what stands behind the block looks at `failed`.  Where each item's own work comes in pieces too, `inside` of them are taken at once,
    half as many when a single item fails.  What cannot be halved any further is an error.
    """

    def __init__(self, begin: int, end: int, size: int, inside: int = 1) -> None:
        self.size, self.inside, self.failed = max(1, size), max(1, inside), False
        self._next, self._end = begin, end

    def __iter__(self) -> Iterator[tuple[int, int]]:
        while self._next < self._end:
            stop = min(self._next + self.size, self._end)
            self.failed = False
            yield self._next, stop
            if self.failed:
                release_memory()
            else:
                self._next = stop

    @contextmanager
    def fitting(self) -> Iterator[None]:
        """What is done for a stretch; afterwards `failed` says whether memory was lacking."""
        try:
            yield
        except (MemoryError, RuntimeError) as error:
            taken = min(self.size, self._end - self._next)
            if taken * self.inside < 2 or not is_out_of_memory(error):
                raise
            self.failed = True
            if taken > 1:
                self.size = taken // 2
            else:
                self.inside //= 2


def release_memory() -> None:
    """Give back what PyTorch keeps for its next tensors, so that pieces too small for them become one."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
