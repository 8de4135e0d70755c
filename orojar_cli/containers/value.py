"""What a file holds, in whichever of the containers it is."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from orojar_cli.containers.constructors import read_pickle
from orojar_cli.containers.file import CheckpointFile, container_of
from orojar_cli.containers.limits import DEFAULT_LIMITS, Limits
from orojar_cli.containers.safetensors_file import read_safetensors
from orojar_cli.containers.torch_file import read_torch_stream, read_torch_zip


def read_value(file: CheckpointFile, limits: Limits = DEFAULT_LIMITS) -> tuple[str, Any]:
    """(container, value) of a file recognised by its content: plain data and inert records, of .safetensors (tensors, metadata).

    Raises the four CheckpointError classes and nothing else.
    """
    container = container_of(file)
    with _uncollected():
        if container == "safetensors":
            return container, read_safetensors(file)
        if container == "pickle":
            return container, read_pickle(file, limits)
        return container, read_torch_zip(file, limits) if container == "torch zip" else read_torch_stream(file, limits)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the search for unreachable cycles: a file's many small records are all in use, and it took half the time of reading them."""
    searching = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searching:
            gc.enable()
