"""Films of directions: there and back along each dimension, the images side by side."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from orojar_cli.errors import OptionError
from orojar_cli.media import FrameComposer, Numbered, display_size, resize, save_animation, save_image
from orojar_cli.pictures.scene import Subject, Walk, strength_text
from orojar_cli.pictures.walk import Renderer, pictures_at, there_and_back
from orojar_cli.pictures.ways import Ways
from orojar_cli.progress import Progress

_WIDTH = 1024
_LARGEST_SIDE = 512
_LARGEST_FRAME = 1 << 26


def picture_size(resolution: int, columns: int, wanted: int | None = None) -> int:
    """Longer side of one picture of a film: as asked, else `resolution`, that of the network's pictures (small ones enlarged), unless the
    film becomes too wide to share."""
    if wanted or resolution < 256:
        return wanted or display_size(resolution, 128)
    return min(resolution, _LARGEST_SIDE, max(256, _WIDTH // columns))


def film_length(walk: Walk) -> int:
    """Frames of the whole film."""
    return walk.frames * max(1, len(walk.dimensions))


def film_frames(subject: Subject, walk: Walk, progress: Progress | None = None) -> Iterator[np.ndarray]:
    """The frames [H, W, 3] uint8 of a film one after another, all of one size; `progress` counts them.

    The film is a seamless loop: each dimension starts and ends at the images themselves.  Of several dimensions one follows another.
    Raises OptionError for a dimension, layer or class the subject does not have, and for frames of more than 67 million pixels.
    """
    if not walk.dimensions and not walk.edits:
        raise OptionError("nothing to show: name a dimension to walk along, or edits such as 3:+2")
    at = subject.points(walk)
    renderer = Renderer(subject.generator, walk.noise_mode)
    columns = FrameComposer.columns_for(len(at), walk.columns)
    side = picture_size(max(subject.generator.image_shape[1:]), columns, walk.size)
    if len(at) * side**2 > _LARGEST_FRAME:
        raise OptionError(f"{len(at)} pictures of {side} pixels are too many for a frame; use fewer --seeds or a smaller --size")
    done, ways = itertools.count(1), Ways(subject, walk, at, progress)
    for index in walk.dimensions or (None,):
        positions, displacements, caption, ends = movement(ways, walk, index)
        composer = None
        drawn = pictures_at(renderer, at, subject.directions, displacements, walk.layers)
        for position, images in zip(positions, drawn, strict=True):
            shown = resize(images, side)
            if composer is None:
                text = caption if walk.caption else ""
                composer = FrameComposer(len(shown), shown.shape[1:3], columns=columns, caption=text, marker=walk.marker, ends=ends)
            yield composer.compose(shown, position)
            if progress is not None:
                progress("rendering", next(done), film_length(walk))


def movement(ways: Ways, walk: Walk, index: int | None) -> tuple[list[float], Tensor, str, Sequence[str]]:
    """(places of the marker in [-1, 1], displacements as of `Ways`, caption, what stands at the marker's ends)."""
    subject, kept = ways.subject, f", {ways.subject.keep_text(walk)}" if walk.bends else ""
    if index is None:
        phases = [number / walk.frames for number in range(walk.frames)]
        parts = [(1 - math.cos(2 * math.pi * phase)) / 2 if walk.ease else 1 - abs(2 * phase - 1) for phase in phases]
        return [2 * part - 1 for part in parts], ways.edited(parts), subject.edit_text(walk) + kept, ("before", "after")
    values = there_and_back(walk.extent, walk.frames, walk.ease, rest=len(walk.dimensions) > 1)
    caption = subject.directions.name(index)
    if walk.edits:
        caption += f", with {subject.edit_text(walk)}"
    places = [value / walk.extent if walk.extent else 0.0 for value in values]
    return places, ways.walked(index, values), caption + kept, (strength_text(-walk.extent), strength_text(walk.extent))


def save_film(
    subject: Subject,
    walk: Walk,
    path: str | os.PathLike[str],
    *,
    metadata: dict[str, Any] | None = None,
    progress: Progress | None = None,
) -> None:
    """Write a film as .gif, .webp, .apng or .mp4, whole or not at all; GIF and APNG keep `metadata` (see recipes.py)."""
    save_animation(film_frames(subject, walk, progress), path, fps=walk.fps, metadata=metadata)


def save_frames(
    subject: Subject, walk: Walk, names: Numbered, *, metadata: dict[str, Any] | None = None, progress: Progress | None = None
) -> list[Path]:
    """Write the frames of a film one by one, from number 0 on, each whole or not at all; PNGs keep `metadata`, that of the film.

    The folder is made first, so that one that cannot be is noticed before anything is drawn.
    """
    return write_frames(film_frames(subject, walk, progress), names, metadata)


def write_frames(frames: Iterable[np.ndarray], names: Numbered, metadata: dict[str, Any] | None = None) -> list[Path]:
    """Write frames [H, W, 3] uint8 one by one, from number 0 on, each whole or not at all."""
    names.make_folder()
    written = []
    for number, frame in enumerate(frames):
        save_image(frame, names(number), metadata)
        written.append(names(number))
    return written
