"""Films on their way from the network to their file."""

from __future__ import annotations

import math
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from orojar_cli.media import save_animation


class Reel:
    """Frames [H, W, 3] uint8, all of one size, that wait on disk."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed, and so removed, with the reel)
        weakref.finalize(self, self._file.close)
        self._shape: tuple[int, ...] = ()
        self._count = 0

    def add(self, frame: np.ndarray) -> int:
        """Keep a frame; the bytes of all until now."""
        self._file.write(frame.tobytes())
        self._shape, self._count = frame.shape, self._count + 1
        return self._count * frame.nbytes

    def __iter__(self) -> Iterator[np.ndarray]:
        self._file.seek(0)
        for _ in range(self._count):
            yield np.frombuffer(self._file.read(math.prod(self._shape)), np.uint8).reshape(self._shape)


def film_bytes(frames: Iterable[np.ndarray], fps: float, metadata: dict[str, Any] | None = None, kind: str = "gif") -> bytes:
    """The film as a file of a kind."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"film.{kind}"
        save_animation(frames, path, fps=fps, metadata=metadata)
        return path.read_bytes()
