"""Style mixing: images whose chosen layers are another image's, in a table and as films of it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
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
from orojar_cli.pictures.loop import Material, is_mapped
from orojar_cli.pictures.mixing import Mix, Sources, check_mixed, draw_mix, mix_frames, mix_image_count
from orojar_cli.pictures.recipe import Recipe
from orojar_cli.progress import Notice, Progress

Images = Iterable[int] | str | os.PathLike[str]
"""Seeds, or the name of an .npz with w."""
# Of a scene, what a table does not use, or has an argument of its own for.
_UNUSED = {"dimensions", "extent", "center", "keep", "edits", "rows", "seeds", "mixed", "layers", "columns"}


@dataclass(frozen=True)
class StyleMixing(MovingPicture):
    """A table of style mixing, ready to be drawn: `.save("mix.png")`, `.save("mix.gif")`, `.show()`."""

    scene: Mix
    sources: Sources = dataclasses.field(kw_only=True)

    def __repr__(self) -> str:
        rows, columns = self.sources.counts(self.scene)
        return f"<StyleMixing of {self.network.name}: {rows} rows, {columns} columns, layers {','.join(map(str, self.scene.mixed))}>"

    def frames(self, *, full_size: bool = False, progress: Progress | None = None) -> Iterator[np.ndarray]:
        """The frames [H, W, 3] uint8: every column travels on to the next one's image, and the last to the first's."""
        return mix_frames(self.sources, self.scene, progress)

    def show(self, progress: Progress | None = None) -> Image.Image:
        """The table."""
        return draw_mix(self.sources, self.scene, progress)

    def image_count(self, film: bool) -> int:
        return mix_image_count(self.sources, self.scene, film)

    def drawn_by(self, generator: Generator) -> StyleMixing:
        rows, columns = (replace(one, generator=generator) for one in (self.sources.rows, self.sources.columns))
        return replace(self, sources=Sources(rows, columns))

    def material_shown(self) -> Material:
        photographs = [one.projected for one in (self.sources.rows, self.sources.columns) if one.projected is not None]
        return replace(self.sources.rows, projected=torch.cat(photographs) if photographs else None)

    def to_dict(self, written: Iterable[Path] = ()) -> dict[str, Any]:
        """What is shown, JSON-serialisable; with the paths that were written."""
        paths, (rows, columns) = [str(path) for path in written], self.sources.names(self.scene)
        return ({"out": paths[0], "files": len(paths)} if paths else {}) | {
            "rows": rows,
            "columns": columns,
            "layers": list(self.scene.mixed),
            "edits": [list(edit) for edit in self.scene.edits],
            "checkpoint": self.network.path,
        }


def mix(
    network: Any,
    rows: Images | None = None,
    columns: Images | None = None,
    layers: Any = None,
    *,
    directions: Any = None,
    dims: str | Iterable[str] = (),
    recipe: Recipe | None = None,
    film: bool = False,
    device: str = "auto",
    notice: Notice = quiet,
    **values: Any,
) -> StyleMixing:
    """The table of style mixing (Karras et al. 2019, arXiv 1812.04948, section 3.1): in each cell the image of its row, whose entries
    `layers` of ws are those of its column's image.

    `rows` and `columns` are seeds (0 to 3, 4 to 9 unless said), or an .npz with w such as `project` writes; `layers` numbers (0 to 3), or
    "coarse", "mid" or "fine".  As a film
    every column travels on to the next one's image; for a `film` of large networks on a processor fewer than the usual rows and columns
    are taken, as many as a minute or so draws.  `network`, `directions` and `dims` as in `interpolate`; all further `values` are
    those of `Mix`: class_index, psi, cutoff, noise_mode, unit, size, caption; leg, hold, pace, fps and space of a film.
    With `recipe`, what a picture of this function keeps, everything that is not said is as it was there; photographs are named again.
    A network that is given its latent as a whole has no layers to mix; BigGAN has, where each block is given its part of z and the class.
    Raises OptionError, DirectionSetError and InputFileError for what does not fit.
    """
    change = moved(network, directions, dims, device, notice, recipe)
    loaded, generator = change.network, change.network.generator
    known = {entry.name for entry in dataclasses.fields(Mix)}
    known -= _UNUSED
    if unknown := sorted(set(values) - known):
        raise OptionError(f"a table has no {unknown[0]!r:.60}; it has {', '.join(sorted(known))}")
    if recipe is not None:
        kept = recipe.scene.to_dict()
        values = {name: kept[name] for name in known} | values
        layers = kept["mixed"] if layers is None else layers
    mixed = Mix.mixed if layers is None else tuple(named_layers(generator, layers) or ())
    check_mixed(generator, mixed)
    files = [images if isinstance(images, (str, os.PathLike)) else None for images in (rows, columns)]
    seeds = [_seeds(images, name, recipe) for images, name in ((rows, "rows"), (columns, "seeds"))]
    if film and recipe is None and rows is None and columns is None:
        usual = [len(some) for some in seeds]
        counts = _affordable(generator, usual[0], usual[1], round(2 * values.get("leg", Mix.leg) * values.get("fps", Mix.fps)) // 2)
        if list(counts) != usual:
            notice(f"large images: a film of {counts[0]} rows and {counts[1]} columns; --rows and --cols say otherwise")
        seeds = [some[:count] for some, count in zip(seeds, counts, strict=True)]
    materials = [
        Material(generator, change.directions, loaded.name, None if file is None else load_projected(file, generator)) for file in files
    ]
    if any(file is None for file in files):
        values["class_index"] = shown_class(generator, values.get("class_index"), "showing", notice)
    values["space"] = values.get("space") or ("w" if is_mapped(generator) else "z")
    scene = Mix(rows=seeds[0], seeds=seeds[1], mixed=mixed, edits=change.edits, **values)
    sources = Sources(*materials)
    table = StyleMixing(loaded, scene, notice, change.path, tuple(Path(file) for file in files if file is not None), sources=sources)
    if recipe is not None:
        check_remade(recipe, table.material_shown(), same_images=rows is None and columns is None)
    sources.check(scene)
    sources.counts(scene)
    check_noise(loaded, scene.noise_mode, notice)
    say_white(generator, notice)
    return table


def _affordable(generator: Generator, rows: int, columns: int, frames: int) -> tuple[int, int]:
    """How many of so many rows and columns a film has whose columns take so many frames to the next: fewer columns first, two at least."""
    columns = affordable_images(generator, columns, frames * (rows + 1), 2)
    return (rows if columns > 2 else affordable_images(generator, rows + 1, 2 * frames, 2) - 1), columns


def _seeds(images: Images | None, name: str, recipe: Recipe | None) -> tuple[int, ...]:
    """The seeds given, those of the recipe, or the usual ones; the latter also where photographs take their place."""
    if images is not None and not isinstance(images, (str, os.PathLike)):
        return tuple(images)
    kept: tuple[int, ...] = getattr(Mix if recipe is None else recipe.scene, name)
    return kept
