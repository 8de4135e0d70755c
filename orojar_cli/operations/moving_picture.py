"""What the operations give that make films without walking along a dimension: it is shown, saved, and says how long it will take."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.errors import OptionError
from orojar_cli.files import written_file
from orojar_cli.generators.protocol import Generator
from orojar_cli.media import picture_html, save_animation, save_image
from orojar_cli.operations.drawing import save_previewed, say_drawing
from orojar_cli.operations.network import Network, network_of, quiet
from orojar_cli.operations.resolve import Source, resolve_network
from orojar_cli.operations.traverse import FILMS, check_suffix, frames_of, shared_name, source_of
from orojar_cli.pictures.dimensions import chosen_dimensions
from orojar_cli.pictures.film import write_frames
from orojar_cli.pictures.loop import Material, Travel
from orojar_cli.pictures.recipe import Recipe, direction_identity, tensor_identity
from orojar_cli.progress import Notice, Progress

# Kept small by their formats, or meant to be worked on.
_FULL_SIZE = (".mp4",)


def is_film(path: str | os.PathLike[str]) -> bool:
    """Whether a path of that name is written as a film, or its frames."""
    return Path(path).suffix.lower() in FILMS or frames_of(path) is not None


@dataclass(frozen=True)
class MovingPicture:
    """A film or a still of it, ready to be drawn; with the files that its directions and photographs come from."""

    network: Network
    scene: Travel
    notice: Notice = field(default=quiet, repr=False)
    directions_path: Path | None = None
    photographs: tuple[Path, ...] = ()

    def frames(self, *, full_size: bool = False, progress: Progress | None = None) -> Iterator[np.ndarray]:
        """The frames [H, W, 3] uint8 of the film, of which the first comes after the last; large pictures in their `full_size`, or as
        small as is shared.  Raises OptionError for a film that cannot be."""
        raise NotImplementedError

    def show(self, progress: Progress | None = None) -> Image.Image:
        """A still of it."""
        raise NotImplementedError

    def image_count(self, film: bool) -> int:
        """How many images are drawn for it.  Raises OptionError for a film or still that cannot be."""
        raise NotImplementedError

    def save(self, path: str | os.PathLike[str], progress: Progress | None = None) -> list[Path]:
        """Write a film (.gif, .webp, .apng, .mp4), its frames one by one (a folder/, or a name such as f_%04d.png), or a still (.png,
        .jpg); the paths written.  Every file is written whole or not at all.

        PNG, APNG and GIF keep what it takes to make them again.  Says beforehand what takes long.  MP4 films and single frames show large
        pictures in their full size, others at most 512 pixels.
        Raises OptionError for another suffix; OutputFileError, before anything is drawn, where it could not be written.
        """
        check_suffix(path)
        names, film = frames_of(path), Path(path).suffix.lower() in FILMS
        if names is None:
            written_file(path)
        count = self.image_count(is_film(path))
        say_drawing(self.network.generator, count, self.notice)
        metadata = self.recipe().to_dict()
        if names is not None:
            return write_frames(self.frames(full_size=True, progress=progress), names, metadata)
        if film:
            full_size = Path(path).suffix.lower() in _FULL_SIZE

            def write(generator: Generator, to: Path) -> None:
                whole = generator is self.network.generator
                drawn = (self if whole else self.drawn_by(generator)).frames(full_size=full_size, progress=progress)
                save_animation(drawn, to, fps=self.scene.fps, metadata=metadata if whole else None)

            save_previewed(path, self.network.generator, count, write, self.notice)
        else:
            save_image(self.show(progress), path, metadata)
        return [Path(path)]

    def drawn_by(self, generator: Generator) -> MovingPicture:
        """The same, drawn by another view of the network."""
        raise NotImplementedError

    def material_shown(self) -> Material:
        """The network with its directions, and the ws of all photographs."""
        raise NotImplementedError

    def recipe(self) -> Recipe:
        """What a picture keeps to be made again."""
        material = self.material_shown()
        directions = material.directions
        return Recipe(
            scene=self.scene,
            checkpoint=shared_name(self.network.path),
            sha256=material.generator.sha256 if directions is None else directions.checkpoint,
            directions=None if self.directions_path is None else shared_name(self.directions_path),
            identity="" if directions is None else direction_identity(directions),
            projected=", ".join(shared_name(path) for path in self.photographs)[:1000] or None,
            projected_identity=None if material.projected is None else tensor_identity(material.projected),
        )

    def _repr_html_(self) -> str:
        return picture_html(self.show(), repr(self).strip("<>"))


@dataclass(frozen=True)
class Moved:
    """A network; where edits are applied throughout, its directions, with their file, and the edits."""

    network: Network
    directions: DirectionSet | None = None
    path: Path | None = None
    edits: tuple[tuple[int, float], ...] = ()


def moved(network: Any, directions: Any, dims: Any, device: str, notice: Notice, recipe: Recipe | None = None) -> Moved:
    """A network with directions only where `dims`, or a recipe that they do not replace, name edits such as "3:+2".

    Raises OptionError for a dimension without a strength, and for directions without edits.
    """
    words = [dims] if isinstance(dims, str) else list(dims)
    kept = recipe.scene.edits if recipe is not None and not words else ()
    if words or kept:
        source = source_of(network, directions, device, notice)
        walked, edits = chosen_dimensions(source.directions, words)
        if walked:
            raise OptionError(f"dimension {walked[0]} without a strength: what is applied throughout is written 3:+2 or 'smile:-1'")
        return Moved(source.checkpoint, source.directions, source.path, edits or kept)
    if directions is not None:
        raise OptionError("directions without edits do nothing: give some, such as --dim 3:+2")
    if isinstance(network, Source):
        return Moved(network.checkpoint)
    if isinstance(network, (str, Path)):
        return Moved(resolve_network(network, device=device, notice=notice))
    return Moved(network_of(network, device, notice))


def check_remade(recipe: Recipe, material: Material, same_images: bool) -> None:
    """Raise InputFileError unless a picture can be made again of this network, with its directions where its edits are kept, and with its
    photographs where it shows the `same_images`."""
    directions = material.directions
    if recipe.scene.edits and directions is not None:
        recipe.check(material, images=same_images)
    else:
        replaced = replace(recipe, identity="" if directions is None else direction_identity(directions))
        replaced.check(material, images=same_images)
