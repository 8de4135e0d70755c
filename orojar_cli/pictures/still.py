"""Still pictures of directions: dimensions by strengths, two dimensions against each other, before and after; page by page."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.errors import OptionError
from orojar_cli.files import written_file
from orojar_cli.media import display_size, labelled_grid, resize, save_image, stacked
from orojar_cli.pictures.scene import Still, Subject, strength_text
from orojar_cli.pictures.walk import Renderer, pictures_at, strengths
from orojar_cli.pictures.ways import Ways
from orojar_cli.progress import Progress

PADDING = 2
_PAGE_WIDTH = 2600
_PAIRS = 8


@dataclass(frozen=True)
class Strip:
    """One of the strips that stand above one another: cells [rows, columns, h, w, 3] and their labels; where several images' walks
    stand side by side, how many columns each has and what it is called."""

    cells: np.ndarray
    rows: list[str]
    columns: list[str]
    group: int | None = None
    groups: list[str] | None = None


class Cells:
    """Renders a still's images at the size of its cells and counts them."""

    def __init__(self, subject: Subject, still: Still, progress: Progress | None = None) -> None:
        self.subject, self.still, self.progress = subject, still, progress
        self.renderer, self.at = Renderer(subject.generator, still.noise_mode), subject.points(still)
        self.size, self.ways = still_cell_size(subject, still), Ways(subject, still, self.at, progress)
        self.names, self.done, self.total = subject.point_names(still), 0, image_count(subject, still)

    def drawn(self, displacements: Tensor) -> np.ndarray:
        """[S, N, h, w, 3] of S displacements of the N points."""
        parts = []
        for images in pictures_at(self.renderer, self.at, self.subject.directions, displacements, self.still.layers):
            parts.append(resize(images, self.size))
            self.done += len(images)
            if self.progress is not None:
                self.progress("rendering", self.done, self.total)
        return np.stack(parts)


def cell_size(resolution: int, wanted: int | None = None, smallest: int = 64) -> int:
    """Longer side of a picture in a grid, of pictures of `resolution` pixels: as asked, else at least `smallest` and at most twice that."""
    return wanted or min(display_size(resolution, smallest), 2 * smallest)


def still_cell_size(subject: Subject, still: Still) -> int:
    """Size of a picture in this still: the fewer there are, the larger."""
    smallest = 128 if not still.dimensions else 96 if len(still.dimensions) == 1 and still.by is None else 64
    return cell_size(max(subject.generator.image_shape[1:]), still.size, smallest)


def row_labels(directions: DirectionSet, dimensions: Sequence[int]) -> list[str]:
    """ "x position" over "dim 3, act 0.12", or "dim 3" over "act 0.12" where there is neither a label nor a measured name."""
    labels, measured = [], bool(directions.activeness.any())
    for index in dimensions:
        # Directions made on the spot have no activeness.
        label, active = directions.shown(index), f"act {directions.activeness[index]:.3g}" if measured else "not measured"
        labels.append(f"{label}\ndim {index}, {active}" if label else f"dim {index}\n{active}")
    return labels


def image_count(subject: Subject, still: Still) -> int:
    """How many images a still shows."""
    rows = still.steps if still.by is not None else len(still.dimensions)
    return subject.count(still) * (rows * still.steps if rows else 2)


def side_by_side(subject: Subject, still: Still) -> int:
    """How many images' walks stand side by side: as asked, else as many as fit a page, in bands of equal length."""
    count = subject.count(still)
    if still.columns:
        return min(count, still.columns)
    if len(still.dimensions) == 1 and still.by is None:
        return 1
    width = (still.steps if still.dimensions else 1) * (still_cell_size(subject, still) + PADDING)
    fitting = max(1, _PAGE_WIDTH // width)
    fitting = fitting if still.dimensions else min(fitting, _PAIRS)
    return -(-count // -(-count // fitting))


def grid_bands(cells: Cells) -> list[Strip]:
    """One row per dimension, strengths from left to right, the images side by side; of a single dimension one row per image."""
    subject, still = cells.subject, cells.still
    values = strengths(still.extent, still.steps)
    walks = [cells.drawn(cells.ways.walked(index, values)) for index in still.dimensions]
    drawn, texts = np.stack(walks).swapaxes(1, 2), [strength_text(value) for value in values]
    if len(still.dimensions) == 1 and side_by_side(subject, still) == 1:
        return [Strip(drawn[0], cells.names, texts)]
    return _bands(cells, drawn, row_labels(subject.directions, still.dimensions), texts)


def plane_bands(cells: Cells) -> list[Strip]:
    """For every image a square: strengths of the dimension from left to right, of the dimension `by` from bottom to top."""
    still = cells.still
    if len(still.dimensions) != 1 or still.by is None:
        raise OptionError("a plane needs exactly one dimension to walk along beside --by")
    values = strengths(still.extent, still.steps)
    drawn = cells.drawn(cells.ways.plane(still.dimensions[0], still.by, values))
    drawn = drawn.reshape(len(values), len(values), *drawn.shape[1:]).swapaxes(1, 2)
    texts = [strength_text(value) for value in values]
    return _bands(cells, drawn, texts[::-1], texts)


def pair_bands(cells: Cells) -> list[Strip]:
    """Every image before the edits and, below it, after them."""
    if not cells.still.edits:
        raise OptionError("nothing to show: name a dimension to walk along, or edits such as 3:+2")
    drawn = cells.drawn(cells.ways.edited([0.0, 1.0]))
    return [Strip(drawn[:, part], ["before", "after"], cells.names[part]) for part in _parts(cells)]


def _bands(cells: Cells, drawn: np.ndarray, rows: list[str], texts: list[str]) -> list[Strip]:
    """Bands of drawn [rows, images, steps, h, w, 3]."""
    bands = []
    for part in _parts(cells):
        joined = drawn[:, part].reshape(len(drawn), -1, *drawn.shape[3:])
        names = cells.names[part]
        bands.append(Strip(joined, rows, texts * len(names), len(texts), names))
    return bands


def _parts(cells: Cells) -> list[slice]:
    each = side_by_side(cells.subject, cells.still)
    return [slice(start, start + each) for start in range(0, len(cells.at), each)]


_PAGE_HEIGHT = 1600
_LARGEST = 1 << 27


def pages(subject: Subject, still: Still, rows: int | None = None) -> list[Still]:
    """The pages of a grid, each a scene of its own, with at most `rows` dimensions or as many as make a picture of comfortable height."""
    count = len(still.dimensions)
    if count < 2 or still.by is not None:
        return [still]
    bands = -(-subject.count(still) // side_by_side(subject, still))
    fitting = max(1, _PAGE_HEIGHT // (bands * (still_cell_size(subject, still) + PADDING)))
    # By default all pages are about equally long.
    each = rows or -(-count // -(-count // fitting))
    return [dataclasses.replace(still, dimensions=still.dimensions[start : start + each]) for start in range(0, count, each)]


def draw_still(subject: Subject, still: Still, progress: Progress | None = None) -> Image.Image:
    """The RGB picture of a scene, on one page.  `progress` counts rendered images.

    Raises OptionError for a dimension, layer or class the subject does not have and for a picture of more than 134 million pixels.
    """
    cells = Cells(subject, still, progress)
    if cells.total * cells.size**2 > _LARGEST:
        raise OptionError(
            f"{cells.total} pictures of {cells.size} pixels are too many for one page; use fewer --seeds or --steps, or a smaller --size"
        )
    draw = plane_bands if still.by is not None else grid_bands if still.dimensions else pair_bands
    bands = draw(cells)
    if not still.caption:
        return stacked([labelled_grid(band.cells, group=band.group, padding=PADDING, margin=0) for band in bands], PADDING)
    pictures = []
    for number, band in enumerate(bands):
        pictures.append(
            labelled_grid(
                band.cells,
                row_labels=band.rows,
                column_labels=band.columns,
                group=band.group,
                group_labels=band.groups,
                padding=PADDING,
                title=_title(subject, still) if number == 0 else None,
                footer=_footer(subject, still) if number == len(bands) - 1 else None,
            )
        )
    return stacked(pictures)


def save_stills(
    subject: Subject,
    still: Still,
    path: str | os.PathLike[str],
    *,
    rows: int | None = None,
    metadata: Callable[[Still], dict[str, Any]] | None = None,
    progress: Progress | None = None,
) -> list[Path]:
    """Write a scene's pages: grid.png, grid-2.png, …; `metadata` gives what a PNG keeps of its page (see recipes.py).

    Returns the paths; every page is written whole or not at all.
    """
    first, scenes, written = Path(path), pages(subject, still, rows), []
    outs = [first if number == 1 else first.with_stem(f"{first.stem}-{number}") for number in range(1, len(scenes) + 1)]
    for out in outs:
        written_file(out)  # before anything is drawn
    total, before = image_count(subject, still), 0

    def counted(stage: str, done: int, of: int) -> None:
        if progress is not None:
            progress(stage, before + done, total)

    for out, page in zip(outs, scenes, strict=True):
        save_image(draw_still(subject, page, counted), out, metadata(page) if metadata else None)
        before += image_count(subject, page)
        written.append(out)
    return written


def _title(subject: Subject, still: Still) -> str:
    kept = f", {subject.keep_text(still)}" if still.bends else ""
    if not still.dimensions:
        return subject.edit_text(still) + kept
    if still.by is not None:
        title = f"{subject.short_name(still.dimensions[0])} to the right, {subject.short_name(still.by)} upwards"
    elif len(still.dimensions) == 1:
        title = subject.directions.name(still.dimensions[0])
    else:
        title = _dimension_text(still.dimensions, len(subject.directions))
    return title + (f", with {subject.edit_text(still)}" if still.edits else "") + kept


def _dimension_text(dimensions: tuple[int, ...], count: int) -> str:
    """ "all 10 dimensions", "dimensions 0-21 of 64" or "5 of 64 dimensions"."""
    if dimensions == tuple(range(count)):
        return f"all {count} dimensions"
    if dimensions == tuple(range(dimensions[0], dimensions[-1] + 1)):
        return f"dimensions {dimensions[0]}-{dimensions[-1]} of {count}"
    return f"{len(dimensions)} of {count} dimensions"


def _footer(subject: Subject, still: Still) -> str:
    unit = "sigmas" if still.unit == "sigma" else f"units of {subject.directions.space}"
    parts = [f"{subject.directions.method} in {subject.directions.space}, strength in {unit}", subject.name]
    if still.center and still.dimensions:
        parts.append("centered")
    if still.psi != 1 and subject.projected is None:
        parts.append(f"truncation {still.psi:g}")
    if still.layers is not None:
        parts.append(f"layers {','.join(map(str, still.layers))}")
    return ", ".join(part for part in parts if part)
