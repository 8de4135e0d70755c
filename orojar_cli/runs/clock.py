"""When work began: with the command, or with the call of an operation; what a run says it took counts from there."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
_BEGAN: ContextVar[float | None] = ContextVar("began", default=None)


def began() -> float:
    """When the work that is going on began (as time.time() counts); now, where nobody said."""
    at = _BEGAN.get()
    return time.time() if at is None else at


@contextmanager
def work(at: float | None = None) -> Iterator[None]:
    """Work that began at `at`, or now.  Inside other work it is part of that."""
    if _BEGAN.get() is not None:
        yield
        return
    token = _BEGAN.set(time.time() if at is None else at)
    try:
        yield
    finally:
        _BEGAN.reset(token)


def timed(operation: Callable[P, R]) -> Callable[P, R]:
    """An operation whose runs count their time from its call, or from the command that calls it."""

    @functools.wraps(operation)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        with work():
            return operation(*args, **kwargs)

    return inside
