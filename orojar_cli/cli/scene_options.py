"""From the words of the line to a scene: dimensions and edits, the kind of picture, where it goes."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orojar_cli.cli.options import NumberList
from orojar_cli.errors import OptionError

if TYPE_CHECKING:
    from orojar_cli.directions import DirectionSet
    from orojar_cli.pictures.scene import Scene

FILMS = (".gif", ".webp", ".apng", ".mp4")
STILLS = (".png", ".jpg", ".jpeg")
_EDIT = re.compile(r"(.+):\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+))\s*", re.DOTALL)


def chosen_dimensions(directions: DirectionSet, texts: Sequence[str]) -> tuple[tuple[int, ...], tuple[tuple[int, float], ...]]:
    """(dimensions to walk along, edits) of the values of --dim: "3", "0-9,12", "all", a label, and edits such as "3:+2"."""
    walked: list[int] = []
    edits: list[tuple[int, float]] = []
    labels = {label.casefold() for label in directions.labels if label}
    for text in texts:
        edit = _EDIT.fullmatch(text)
        # A label may itself end in a colon and a number.
        if edit is None or text.strip().casefold() in labels:
            walked.extend(_rows(directions, text))
        else:
            edits.extend((row, float(edit[2])) for row in _rows(directions, edit[1]))
    return tuple(dict.fromkeys(walked)), tuple(edits)


def _rows(directions: DirectionSet, text: str) -> list[int]:
    if text.strip() == "all":
        return list(range(len(directions)))
    if re.fullmatch(r"[\d,\s-]+", text) and not text.strip().startswith("-"):
        return [directions.index(number) for number in NumberList("dim").convert(text, None, None)]
    return [directions.index(text)]


def check_suffix(out: Path | None) -> None:
    """Raise OptionError for a name that is neither a film's nor a picture's, before anything is loaded."""
    if out is not None and out.suffix.lower() not in FILMS + STILLS:
        raise OptionError(f"cannot write {out.name}: its name must end in one of {', '.join(FILMS + STILLS)}")


def check_out(out: Path, *read: Path | None) -> None:
    """Raise OptionError where the result would take the place of a file it is made from."""
    for path in read:
        if path is not None and out.resolve() == path.resolve():
            raise OptionError(f"{out} is what the picture is made from; choose another --out")


def default_out(values: dict[str, Any], remade: Scene | None) -> Path:
    """Where the picture goes if the line does not say."""
    from orojar_cli.pictures.scene import Walk

    if remade is not None:
        return Path("again.gif" if isinstance(remade, Walk) else "again.png")
    if values.get("by") is not None:
        return Path("grid.png")
    return Path("walk.gif" if values["dimensions"] else "edit.png")


def make_scene(out: Path, values: dict[str, Any]) -> Scene:
    """The Walk or Still (as the name of `out` asks for) of these values; those the kind does not have are left out."""
    from orojar_cli.pictures.scene import Still, Walk

    kind = Walk if out.suffix.lower() in FILMS else Still
    if kind is Walk and values.get("by") is not None:
        raise OptionError(f"two dimensions against each other make a grid: end --out in one of {', '.join(STILLS)}")
    if values.get("by") is not None and len(values["dimensions"]) != 1:
        raise OptionError("--by needs exactly one --dim to walk along")
    return kind.from_dict({field.name: values[field.name] for field in dataclasses.fields(kind) if field.name in values})
