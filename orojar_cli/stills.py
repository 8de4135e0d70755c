"""Still pictures of directions, drawn and written page by page."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from orojar_cli.errors import OptionError
from orojar_cli.layouts import PADDING, Cells, grid_bands, image_count, pair_bands, plane_bands, side_by_side, still_cell_size
from orojar_cli.media import labelled_grid, save_image, stacked
from orojar_cli.progress import Progress
from orojar_cli.scene import Still, Subject

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
    total, before = image_count(subject, still), 0

    def counted(stage: str, done: int, of: int) -> None:
        if progress is not None:
            progress(stage, before + done, total)

    for number, page in enumerate(scenes, 1):
        out = first if number == 1 else first.with_stem(f"{first.stem}-{number}")
        save_image(draw_still(subject, page, counted), out, metadata(page) if metadata else None)
        before += image_count(subject, page)
        written.append(out)
    return written


def _title(subject: Subject, still: Still) -> str:
    if not still.dimensions:
        return subject.edit_text(still)
    if still.by is not None:
        title = f"{subject.short_name(still.dimensions[0])} to the right, {subject.short_name(still.by)} upwards"
    elif len(still.dimensions) == 1:
        title = subject.directions.name(still.dimensions[0])
    else:
        title = _dimension_text(still.dimensions, len(subject.directions))
    return title + (f", with {subject.edit_text(still)}" if still.edits else "")


def _dimension_text(dimensions: tuple[int, ...], count: int) -> str:
    """ "all 10 dimensions", "dimensions 0-21 of 64" or "5 of 64 dimensions"."""
    if dimensions == tuple(range(count)):
        return f"all {count} dimensions"
    if dimensions == tuple(range(dimensions[0], dimensions[-1] + 1)):
        return f"dimensions {dimensions[0]}-{dimensions[-1]} of {count}"
    return f"{len(dimensions)} of {count} dimensions"


def _footer(subject: Subject, still: Still) -> str:
    parts = [f"{subject.directions.method} in {subject.directions.space}, strength in sigmas", subject.name]
    if still.psi != 1 and subject.projected is None:
        parts.append(f"truncation {still.psi:g}")
    if still.layers is not None:
        parts.append(f"layers {','.join(map(str, still.layers))}")
    return ", ".join(part for part in parts if part)
