"""The bundled demonstration network and its directions."""

from __future__ import annotations

import sys
from pathlib import Path

from orojar_cli.errors import InputFileError

CHECKPOINT, DIRECTIONS = "shapes32.pkl", "shapes32-directions.safetensors"


def demonstration() -> tuple[Path, Path]:
    """(checkpoint, directions): in the source tree's `checkpoints/`, or installed under share/orojar."""
    for folder in (Path(__file__).parent.parent / "checkpoints", Path(sys.prefix) / "share" / "orojar"):
        if (folder / CHECKPOINT).is_file() and (folder / DIRECTIONS).is_file():
            return folder / CHECKPOINT, folder / DIRECTIONS
    raise InputFileError("the demonstration network is not installed; name a run or a checkpoint")
