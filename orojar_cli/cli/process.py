"""Settings of the process that only a program, never a library, may change."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# Parameter numbers of glibc's mallopt.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -4, -8


def keep_freed_memory() -> None:
    """Let the C library reuse large buffers instead of returning them to the system after every layer.

    A generator's activations are allocated and freed by the hundred; fetching zeroed pages anew for each took as long as the
    arithmetic (Gram matrices of the demonstration network: 69 ms a sample before, 39 ms after).
    Threads share one pool, for their own ones hold no large buffers (a film rendered in a second thread: 19.2 s before, 15.7 s after).
    Does nothing where the C library is not glibc.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    for parameter, value in ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 1 << 30), (_M_TOP_PAD, 1 << 26), (_M_ARENA_MAX, 1)):
        mallopt(parameter, value)


_asked = False


class Terminated(KeyboardInterrupt):
    """The process was asked to end (SIGTERM), by `kill` or a scheduler: it ends as on Ctrl-C, with nothing half-written left."""


def hear_signals() -> None:
    """Let SIGTERM end the program as Ctrl-C does, and both at once while torch is imported, unless whoever started it said otherwise.

    What a signal raises then can meet initialisers of C++ that pass no exception on, and abort the process (SIGABRT).
    """

    def end(*_: object) -> None:
        global _asked
        _asked = True
        if _importing_torch():
            _leave("asked to end", 143)
        raise Terminated

    def interrupt(*_: object) -> None:
        if _importing_torch():
            _leave("interrupted", 130)
        raise KeyboardInterrupt

    with suppress(ValueError):  # not in the main thread
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, end)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, interrupt)


def _importing_torch() -> bool:
    return bool(getattr(getattr(sys.modules.get("torch"), "__spec__", None), "_initializing", False))


def _leave(word: str, status: int) -> None:
    """End without Python's own end: nothing is open or computed before torch is there."""
    with suppress(OSError):
        os.write(2, f"{word}\n".encode())
    os._exit(status)


def check_asked() -> None:
    """Raise Terminated where that was asked for: Python drops what a signal raises while a callback or a finaliser runs."""
    if _asked:
        raise Terminated


@contextmanager
def process_group() -> Iterator[int]:
    """Join the group that torchrun started this process for, and yield the rank: 0 for the one that writes and prints, or alone.

        torchrun --standalone --nproc-per-node 2 -m -- orojar_cli discover ckpt.pkl

    torchrun tells by environment variables.  Gloo carries what lies on the processor, and NCCL, where it is, what lies on GPUs.
    Raises ProcessError in the others where one process ends before its time.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or "RANK" not in os.environ:
        yield 0
        return
    import torch
    import torch.distributed as dist

    from orojar_cli.distributed import wait_for_all

    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo")
    try:
        yield dist.get_rank()
        wait_for_all()
    finally:
        dist.destroy_process_group()


def local_rank() -> int | None:
    """This process's number on this machine under torchrun, which chooses its GPU; None alone."""
    return int(os.environ["LOCAL_RANK"]) if int(os.environ.get("LOCAL_WORLD_SIZE", "1")) > 1 else None
