"""Running the user's own code: what it prints goes to stderr, what goes wrong in it becomes one sentence."""

from __future__ import annotations

import contextlib
import os
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path

from orojar_cli.devices import is_out_of_memory
from orojar_cli.errors import OrojarError, OwnCodeError

# Frames of these are not where the user's mistake is.
_LIBRARIES = tuple(
    os.path.join(os.path.realpath(folder), "")
    for folder in (str(Path(__file__).parents[2]), *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")))
)


@contextlib.contextmanager
def own_code(name: str, what: str) -> Iterator[None]:
    """Run a part `what` of the code the user calls `name`; raises OwnCodeError naming the exception and its line.

    Errors of orojar, a lack of memory and an interruption pass as they are.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except (OrojarError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        if is_out_of_memory(error):
            raise
        text = " ".join(str(error).split())[:200]
        raise OwnCodeError(f"{name} failed in {what}: {type(error).__name__}{f': {text}' if text else ''}{_place(error)}") from error


def _place(error: BaseException) -> str:
    """ " (file, line N)" of the innermost line that is in no library."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({Path(error.filename).name}, line {error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith("<") and not os.path.realpath(frame.filename).startswith(_LIBRARIES)]
    return f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
