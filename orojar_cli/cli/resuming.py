"""What a command leaves behind when it is interrupted, and how it goes on from there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from orojar_cli.cli.console import say

if TYPE_CHECKING:
    from orojar_cli.runs.partial import Partial
    from orojar_cli.runs.run import RunWriter

PARTIAL = "partial.safetensors"


@contextmanager
def resumable(run: RunWriter | None, identity: dict[str, Any]) -> Iterator[Partial]:
    """Yield what keeps the finished parts of long work in the run's folder; removed when the work is done.

    Interrupted, the command says how to continue.  A folder that would stay empty is removed.  Without a run nothing is kept.
    """
    from orojar_cli.runs.partial import Partial

    if run is None:
        yield Partial()
        return
    hint = f"to continue, repeat the command with --resume {run.path}"
    partial = Partial(run.path / PARTIAL, identity, began=lambda: say(f"after an interruption {hint}"))
    try:
        yield partial
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and partial.flush():
            say(hint)
        run.abandon()
        raise
    partial.remove()
