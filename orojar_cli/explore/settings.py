"""Settings of the page that survive: in a saved picture, in a small JSON file, in a link."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.errors import InputFileError, OptionError
from orojar_cli.explore.view import LARGEST_STRENGTH, MOST_SEEDS, dimensions_of, edits_of, text_of, view_of, whole_of, word_of
from orojar_cli.media.metadata import read_metadata
from orojar_cli.pictures.recipe import Recipe, direction_identity, recipe_of
from orojar_cli.pictures.scene import UNITS, Still

FORMAT = "orojar-explore-1"
# Under this name a picture that orojar traverse can make again keeps them as well.
KEY = "explore"
_LARGEST_FILE = 1 << 16
_MOST_METHODS = 8


@dataclass(frozen=True)
class Saved:
    """Settings that were saved: the recipe names what they belong to; `state` is the page's, None in a picture of orojar traverse."""

    recipe: Recipe
    state: dict[str, Any] | None


def checked_state(found: Any) -> dict[str, Any]:
    """The state of a page, checked number by number: what all methods share, and by method `edits`, `keep` and `walked`.

    Raises OptionError for what is none.
    """
    if not isinstance(found, dict):
        raise OptionError("the settings hold no state of the page")
    # What is shared is that of any method's view.
    view = view_of({**found, "method": "own", "edits": [], "keep": None})
    state = {
        "view": text_of(found, "view", 32),
        "seeds": list(view.seeds),
        "class": view.class_index,
        "psi": view.psi,
        "layers": None if view.layers is None else list(view.layers),
        "noise": view.noise_mode,
        "mix": None if view.mix is None else {"seed": view.mix[0], "layers": list(view.mix[1])},
        "unit": word_of(found, "unit", UNITS, "sigma"),
    }
    return state | {
        "edits": _by_method(found, "edits", lambda value: [list(pair) for pair in edits_of(value)]),
        "keep": _by_method(found, "keep", lambda value: list(dimensions_of(value))),
        "walked": _by_method(found, "walked", lambda value: whole_of({"dimension": value}, "dimension", 1 << 16)),
    }


def saved_of(found: Any, name: str) -> Saved:
    """Settings in a JSON object, of the page or of a picture; raises InputFileError where there are none."""
    if not isinstance(found, dict):
        raise InputFileError(f"{name} holds no settings of orojar")
    within = found.get(KEY)
    own = within if isinstance(within, dict) else found
    if own.get("format") != FORMAT:
        return Saved(recipe_of(found, name), None)
    try:
        state = checked_state(own.get("state"))
    except OptionError as error:
        raise InputFileError(f"the settings in {name} cannot be used: {error}") from error
    return Saved(recipe_of(own, name, Still()), state)


def read_saved(path: str | Path) -> Saved:
    """Settings in a file: a PNG, APNG or GIF of the page or of orojar traverse, or a .json file of the page.

    Raises InputFileError for a file without.
    """
    path = Path(path)
    if path.suffix.lower() != ".json":
        return saved_of(read_metadata(path), path.name)
    try:
        with open(path, "rb") as file:
            data = file.read(_LARGEST_FILE + 1)
        return saved_of(json.loads(data) if len(data) <= _LARGEST_FILE else None, path.name)
    except OSError as error:
        raise InputFileError(f"cannot read {path}: {error.strerror or error}; check the path") from error
    except (ValueError, RecursionError) as error:
        raise InputFileError(f"{path.name} holds no settings of orojar") from error


def state_for(saved: Saved, sets: Iterable[tuple[str, DirectionSet]]) -> tuple[dict[str, Any], list[str]]:
    """(state of the page, what could not be kept of it) for settings that belong to one of the direction sets (method, set) of a network.

    Raises InputFileError where they belong to another network or to other directions.
    """
    recipe = saved.recipe
    for method, found in sets:
        if found.checkpoint != recipe.sha256:
            raise InputFileError(f"these settings are of another network, {recipe.checkpoint}; open it first")
        if direction_identity(found) == recipe.identity:
            return (saved.state, []) if saved.state is not None else _state_of(recipe, method, found)
    kept = recipe.directions or f"those computed from {recipe.checkpoint} on the spot"
    raise InputFileError(f"these settings are of other directions of this network, {kept}; open them first")


def _state_of(recipe: Recipe, method: str, directions: DirectionSet) -> tuple[dict[str, Any], list[str]]:
    """The state that shows what a picture of orojar traverse was made of, as far as the page does."""
    scene, told = recipe.scene, list[str]()
    if recipe.projected_identity is not None:
        raise InputFileError("this picture shows a projected w, which the page does not; use orojar traverse --from")
    if not isinstance(scene.class_index, int | None):
        raise InputFileError("this picture shows a mixture of classes, which the page does not; use orojar traverse --from")
    if len(scene.seeds) > MOST_SEEDS:
        told.append(f"the first {MOST_SEEDS} of {len(scene.seeds)} seeds")
    if scene.cutoff is not None:
        told.append("truncation of all layers, not of the first alone")
    if scene.keep_picture is not None:
        told.append("no part of the picture that is held still")
    sigma = {index: 1.0 if scene.unit == "sigma" else float(directions.sigma[directions.index(index)]) for index, _ in scene.edits}
    edits = [[index, round(value / sigma[index], 4)] for index, value in scene.edits]
    if any(abs(value) > LARGEST_STRENGTH for _, value in edits):
        raise InputFileError(f"this picture has strengths beyond {LARGEST_STRENGTH:g} sigmas, which the page does not")
    state = {
        "view": method,
        "seeds": list(scene.seeds[:MOST_SEEDS]),
        "class": scene.class_index,
        "psi": scene.psi,
        "layers": None if scene.layers is None else list(scene.layers),
        "noise": scene.noise_mode,
        "mix": None,
        "unit": scene.unit,
        "edits": {method: edits},
        "keep": {method: list(scene.keep)},
        "walked": {method: scene.dimensions[0]} if scene.dimensions else {},
    }
    return checked_state(state), told


def _by_method(found: dict[str, Any], name: str, read: Callable[[Any], Any]) -> dict[str, Any]:
    values = found.get(name) or {}
    if not isinstance(values, dict) or len(values) > _MOST_METHODS or any(len(method) > 32 for method in values):
        raise OptionError(f"{name} are given by method")
    return {method: read(value) for method, value in values.items()}
