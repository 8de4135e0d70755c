"""Pictures made again: what is written into them, and how the files they name are found."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from orojar_cli.cli.console import say

if TYPE_CHECKING:
    from orojar_cli.cli.sources import Source
    from orojar_cli.pictures.recipe import Recipe
    from orojar_cli.pictures.scene import Scene, Subject


def recipe_of(found: Source, subject: Subject, scene: Scene, projected: Path | None) -> Recipe:
    """What a picture keeps."""
    from orojar_cli.pictures.recipe import Recipe, direction_identity, tensor_identity

    return Recipe(
        scene=scene,
        checkpoint=shared_name(found.checkpoint.path),
        sha256=found.directions.checkpoint,
        directions=shared_name(found.path) if found.path else None,
        identity=direction_identity(found.directions),
        projected=shared_name(projected) if projected else None,
        projected_identity=None if subject.projected is None else tensor_identity(subject.projected),
    )


def shared_name(path: str | Path) -> str:
    """How a picture that goes to others names a file: relative to this folder where it lies below, else by its last part alone.

    The folders of whoever made it are nobody's business.
    """
    try:
        relative = Path(os.path.abspath(path)).relative_to(Path.cwd())
    except ValueError:
        relative = Path(Path(path).name)
    return "".join(character if character.isprintable() and character not in '\\:"' else "_" for character in relative.as_posix())


def recipe_source(recipe: Recipe, picture: Path, device: str, own: str | None = None) -> Source:
    """The network and directions that a picture names, where they are found; `own` is the user's code instead of the network.

    Raises InputFileError where a named file is neither in this folder, nor beside the picture, nor bundled.
    """
    from orojar_cli.cli.sources import SEFA, load_source
    from orojar_cli.errors import InputFileError

    checkpoint = None if own else located(recipe.checkpoint, picture)
    wanted = recipe.directions or recipe.checkpoint
    kept = located(wanted, picture)
    if kept is None:
        raise InputFileError(f"{picture} was made with {wanted}, which is not here; name it: orojar traverse SOURCE --from {picture}")
    say(f"made with {kept}" + (f" and {checkpoint}" if checkpoint and recipe.directions else ""))
    if recipe.directions is None:
        return load_source(str(kept), directions=SEFA, network=None, device=device, own=own)
    return load_source(None, directions=str(kept), network=str(checkpoint) if checkpoint else None, device=device, own=own)


def located(name: str, picture: Path) -> Path | None:
    """The regular file a picture's name stands for, in this folder, beside the picture, or in the bundled demonstration."""
    from orojar_cli.demonstration import demonstration

    bundled = {path.name: path for path in demonstration()}
    candidates = [Path(name), picture.parent / name]
    if name in bundled:
        candidates.append(bundled[name])
    elif Path(name).name in bundled and name == f"checkpoints/{Path(name).name}":
        candidates.append(bundled[Path(name).name])
    return next((path for path in candidates if path.is_file()), None)
