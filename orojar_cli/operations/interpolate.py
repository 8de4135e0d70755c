"""Between points: seamless films through the images of seeds, classes and photographs."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from orojar_cli.errors import OptionError
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.projected import load_projected
from orojar_cli.latents.spaces import named_layers
from orojar_cli.operations.moving_picture import MovingPicture, check_remade, moved
from orojar_cli.operations.network import check_noise, quiet, say_white, shown_class
from orojar_cli.pictures.axes import affordable_images
from orojar_cli.pictures.loop import Loop, Material, draw_strip, image_count, is_mapped, journey_of, loop_frames
from orojar_cli.pictures.recipe import Recipe
from orojar_cli.progress import Notice, Progress

# Of a scene, what a loop does not use; and what has an argument of its own.
_UNUSED = {"dimensions", "extent", "center", "keep", "edits", "psi_to"}
_NAMED = {"seeds", "space", "psi", "classes"}


@dataclass(frozen=True)
class Interpolation(MovingPicture):
    """A closed way through images of a network, ready to be drawn: `.save("film.gif")`, `.show()`."""

    scene: Loop
    material: Material = dataclasses.field(kw_only=True)

    def __repr__(self) -> str:
        names, loops = self.material.names(self.scene), self.scene.loops
        shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        swept = "" if self.scene.psi_to is None else f", truncation {self.scene.psi:g} to {self.scene.psi_to:g}"
        return f"<Interpolation of {self.network.name} in {self.scene.space}: {shown}{swept}{f', {loops} loops' if loops > 1 else ''}>"

    def frames(self, *, full_size: bool = False, progress: Progress | None = None) -> Iterator[np.ndarray]:
        return loop_frames(self.material, self.scene, full_size=full_size, progress=progress)

    def show(self, progress: Progress | None = None) -> Image.Image:
        """A row for each loop, with some pictures from each image to the next, or at several truncations."""
        return draw_strip(self.material, self.scene, progress)

    def image_count(self, film: bool) -> int:
        journey = journey_of(self.material, self.scene)
        if film:
            return image_count(journey)
        return (1 if journey.stops == 1 else journey.stops) * self.scene.steps * self.scene.loops

    def drawn_by(self, generator: Generator) -> Interpolation:
        return dataclasses.replace(self, material=dataclasses.replace(self.material, generator=generator))

    def material_shown(self) -> Material:
        return self.material

    def to_dict(self, written: Iterable[Path] = ()) -> dict[str, Any]:
        """What is shown, JSON-serialisable; with the paths that were written."""
        paths, journey = [str(path) for path in written], journey_of(self.material, self.scene)
        return ({"out": paths[0], "files": len(paths)} if paths else {}) | {
            "images": self.material.names(self.scene),
            "loops": self.scene.loops,
            "space": self.scene.space,
            "frames": len(journey.keys),
            "fps": self.scene.fps,
            "edits": [list(edit) for edit in self.scene.edits],
            "checkpoint": self.network.path,
        }


def interpolate(
    network: Any,
    seeds: Iterable[int] | None = None,
    *,
    directions: Any = None,
    dims: str | Iterable[str] = (),
    projected: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None = None,
    space: str | None = None,
    psi: float | tuple[float, float] | None = None,
    classes: Iterable[Any] | None = None,
    recipe: Recipe | None = None,
    device: str = "auto",
    notice: Notice = quiet,
    **values: Any,
) -> Interpolation:
    """A seamless loop through the images of `seeds`, or of `projected`, one or several .npz with w such as `project` and `edit`
    write.

    `network` is a loaded one or the name of a checkpoint or run.  `space` is where lies what is between two images: "w", of truncated
    latents, or "z", along great circles, the default where the network has no mapping.  `psi` (0, 1) sweeps truncation there and back
    over the loop, also of single images.  `classes` gives each image a class of its own, or leads one seed through several.
    `directions` are applied throughout with the edits `dims`, such as "3:+2".  All further `values` are those of `Loop`: leg (seconds
    from one image to the next), hold, pace ("ease", "flow", "even"), fps, loops (side by side, among which the images are divided),
    columns, steps of a still, class_index, cutoff, noise_mode, unit, layers, size, caption.
    With `recipe`, what a film of this function keeps, everything that is not said is as it was there; photographs are named again.
    Of large networks on a processor fewer than the four default seeds are passed, as many as a minute or so draws.
    Raises OptionError, DirectionSetError and InputFileError for what does not fit.
    """
    change = moved(network, directions, dims, device, notice, recipe)
    loaded, generator = change.network, change.network.generator
    known = {entry.name for entry in dataclasses.fields(Loop)} - _UNUSED
    if unknown := sorted(set(values) - known):
        raise OptionError(f"a loop has no {unknown[0]!r:.60}; it has {', '.join(sorted(known))}")
    files = [projected] if isinstance(projected, (str, os.PathLike)) else list(projected or ())
    ws = torch.cat([load_projected(file, generator) for file in files]) if files else None
    if ws is not None and seeds is not None:
        raise OptionError("--seeds and --projected-w name two sets of images; leave one out")
    chosen = Loop.seeds if seeds is None else tuple(seeds)
    if recipe is not None:
        check_remade(recipe, Material(generator, change.directions, projected=ws), same_images=ws is None and seeds is None)
        kept = recipe.scene.to_dict()
        chosen = kept["seeds"] if seeds is None else chosen
        if seeds is None and classes is None and "class_index" not in values:
            classes = kept["classes"]
        psi = (kept["psi"], kept["psi_to"]) if psi is None else psi
        space = space or kept["space"]
        values = {name: kept[name] for name in known - _NAMED} | values
    psi = 1.0 if psi is None else psi
    if seeds is None and ws is None and classes is None and recipe is None:
        leg = round(2 * Loop.leg * Loop.fps) // 2
        if (count := affordable_images(generator, len(chosen), leg, 2)) < len(chosen):
            notice(f"large images: passing {count} of the seeds 0 to {len(chosen) - 1}; --seeds says otherwise")
            chosen = chosen[:count]
    if isinstance(values.get("layers"), str):
        values["layers"] = named_layers(generator, values["layers"])
    if space is None:
        space = "w" if is_mapped(generator) else "z"
    sweep = psi if isinstance(psi, tuple) else (psi, None)
    chosen_classes = _classes(generator, classes, values, ws, notice)
    loop = Loop(seeds=chosen, space=space, psi=sweep[0], psi_to=sweep[1], edits=change.edits, **chosen_classes)
    material = Material(generator, change.directions, loaded.name, ws)
    journey_of(material, loop)
    check_noise(loaded, loop.noise_mode, notice)
    say_white(generator, notice)
    return Interpolation(loaded, loop, notice, change.path, tuple(map(Path, files)), material=material)


def _classes(generator: Any, classes: Any, values: dict[str, Any], ws: Any, notice: Notice) -> dict[str, Any]:
    """The values with a class for all images, or one for each."""
    chosen = tuple(classes or ()) or None
    if ws is not None:
        return values
    if chosen is not None and values.get("class_index") is not None:
        raise OptionError("class_index is a class for all images and classes one for each; leave one out")
    if chosen is not None and len(chosen) == 1:
        values, chosen = values | {"class_index": chosen[0]}, None
    if chosen is not None:
        return values | {"classes": chosen}
    return values | {"class_index": shown_class(generator, values.get("class_index"), "showing", notice)}
