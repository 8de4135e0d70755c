"""The bundled demonstration network and its directions: files of this package, so every way of installing it brings them."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from orojar_cli.errors import InputFileError

CHECKPOINT, DIRECTIONS = "shapes32.pkl", "shapes32-directions.safetensors"
# In place of a checkpoint's name: the bundled one.
DEMO = "demo"


def demonstration() -> tuple[Path, Path]:
    """(checkpoint, directions).  Raises InputFileError where an installation has lost them."""
    folder = Path(str(files(__name__)))
    if not ((folder / CHECKPOINT).is_file() and (folder / DIRECTIONS).is_file()):
        raise InputFileError(f"the demonstration network is missing from {folder}; install orojar again, or name a run or a checkpoint")
    return folder / CHECKPOINT, folder / DIRECTIONS


def is_demonstration(directions: Path) -> bool:
    """Whether a file is the bundled direction set, or the copy of it that a source tree shows in `checkpoints/`."""
    shown = Path(__file__).parents[2] / "checkpoints" / DIRECTIONS
    return directions.resolve() in (demonstration()[1].resolve(), shown.resolve())
