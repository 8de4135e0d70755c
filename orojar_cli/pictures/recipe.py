"""What a picture keeps to be made again: its scene, and which network and directions it was made with."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.errors import InputFileError, OptionError
from orojar_cli.media import read_metadata
from orojar_cli.pictures.loop import Loop, Material
from orojar_cli.pictures.mixing import Mix
from orojar_cli.pictures.scene import Scene, Still, Subject, Walk

FORMAT = "orojar-picture-1"
_KINDS: dict[str, type[Scene]] = {"still": Still, "walk": Walk, "loop": Loop, "mix": Mix}
# The command that makes each.
_COMMANDS = {"still": "traverse", "walk": "traverse", "loop": "interpolate", "mix": "mix"}
_HASH = re.compile(r"[0-9a-f]{64}\Z")
_LONGEST_NAME = 1000


@dataclass(frozen=True)
class Recipe:
    """A scene and the names and SHA-256 of what it needs.

    The names (relative paths without "..", None where there was no file) only help to find the files again; the hashes say whether
    they are the right ones.  `identity` is "" where no directions move the pictures.
    """

    scene: Scene
    checkpoint: str
    sha256: str
    directions: str | None
    identity: str
    projected: str | None = None
    projected_identity: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-serialisable form, for the metadata of a picture."""
        kind = next(name for name, scene in _KINDS.items() if type(self.scene) is scene)
        document = {
            "format": FORMAT,
            "kind": kind,
            "scene": self.scene.to_dict(),
            "checkpoint": {"name": self.checkpoint, "sha256": self.sha256},
            "directions": None if not self.identity else {"name": self.directions, "sha256": self.identity},
        }
        return document | ({"projected": {"name": self.projected, "sha256": self.projected_identity}} if self.projected_identity else {})

    def check(self, subject: Subject | Material, images: bool = True) -> None:
        """Raise InputFileError unless the subject is what the picture was made of; without `images` others may be shown."""
        directions = subject.directions
        present = subject.generator.sha256 if directions is None else directions.checkpoint
        if present != self.sha256:
            told = f"checkpoint {self.sha256[:12]}…, not {present[:12]}…"
            raise InputFileError(f"the picture was made with another network ({self.checkpoint}: {told}); name its run or checkpoint")
        if ("" if directions is None else direction_identity(directions)) != self.identity:
            kept = self.directions or f"those computed from {self.checkpoint} on the spot"
            raise InputFileError(f"the picture was made with other directions ({kept}); name them with --directions")
        shown = None if subject.projected is None else tensor_identity(subject.projected)
        if images and shown != self.projected_identity:
            raise InputFileError(f"the picture shows the projected w of {self.projected}; pass that file with --projected-w")


def direction_identity(directions: DirectionSet) -> str:
    """SHA-256 of what moves the pictures: space, layers, directions and sigma; labels and scores do not count."""
    head = json.dumps([directions.space, list(directions.layers), list(directions.directions.shape)])
    return hashlib.sha256(head.encode() + _raw(directions.directions) + _raw(directions.sigma)).hexdigest()


def tensor_identity(tensor: Tensor) -> str:
    """SHA-256 of a tensor's shape and float32 numbers."""
    return hashlib.sha256(json.dumps(list(tensor.shape)).encode() + _raw(tensor)).hexdigest()


def _raw(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().float().contiguous().numpy().tobytes()


def read_recipe(path: str | os.PathLike[str], command: str = "traverse") -> Recipe:
    """The recipe in a picture that a command made.  A picture is data from elsewhere: every field is checked.

    Raises InputFileError for a picture without a recipe, with one that cannot be, or with another command's.
    """
    return recipe_of(read_metadata(path), Path(path).name, command=command)


def recipe_of(found: dict[str, Any] | None, name: str, scene: Scene | None = None, command: str = "traverse") -> Recipe:
    """The recipe in settings from elsewhere, as `read_recipe` reads it; `scene` takes the place of theirs, where they have none.

    Raises InputFileError naming `name`.
    """
    if found is None or (scene is None and found.get("format") != FORMAT):
        raise InputFileError(f"{name} does not say how it was made: only PNG, APNG and GIF written by orojar {command} do")
    kind = found.get("kind")
    if scene is None and isinstance(kind, str) and _COMMANDS.get(kind, command) != command:
        raise InputFileError(f"{name} was made by another command: orojar {_COMMANDS[kind]} --from {name}")
    try:
        without = kind in ("loop", "mix") and found["directions"] is None
        directions = {"name": None, "sha256": ""} if without else found["directions"]
        projected = found.get("projected") or {"name": None, "sha256": None}
        return Recipe(
            scene=scene or _KINDS[found["kind"]].from_dict(dict(found["scene"])),
            checkpoint=_name(found["checkpoint"]["name"]),
            sha256=_hash(found["checkpoint"]["sha256"]),
            directions=None if directions["name"] is None else _name(directions["name"]),
            identity="" if without else _hash(directions["sha256"]),
            projected=None if projected["name"] is None else _name(projected["name"]),
            projected_identity=None if projected["sha256"] is None else _hash(projected["sha256"]),
        )
    except (OptionError, KeyError, TypeError, ValueError) as error:
        reason = str(error) if isinstance(error, OptionError) else "a field is missing or of the wrong kind"
        raise InputFileError(f"the settings in {name} cannot be used: {reason}") from error


def _name(value: Any) -> str:
    """A relative path below the folder it is looked up in, or a ValueError."""
    if type(value) is not str or not 0 < len(value) <= _LONGEST_NAME or not value.isprintable() or "\\" in value or ":" in value:
        raise ValueError("name")
    if value.startswith(("/", "~")) or ".." in value.split("/"):
        raise ValueError("name")
    return value


def _hash(value: Any) -> str:
    if type(value) is not str or not _HASH.match(value):
        raise ValueError("hash")
    return value
