"""Style mixing: the table of images whose chosen layers are another image's, and films of it (Karras et al. 2019, section 3.1)."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from orojar_cli.errors import OptionError
from orojar_cli.generators.protocol import Generator
from orojar_cli.media import labelled_grid, resize
from orojar_cli.media.grid import BACKGROUND
from orojar_cli.pictures.film import picture_size
from orojar_cli.pictures.loop import AT_ONCE, Journey, Material, Travel
from orojar_cli.pictures.still import PADDING, cell_size
from orojar_cli.pictures.walk import Renderer, drawn_once
from orojar_cli.progress import Progress

_LARGEST = 1 << 27


@dataclass(frozen=True)
class Mix(Travel):
    """A table: the images of `seeds` across the top, those of `rows` at the left, and in each cell the row's image whose entries `mixed`
    of ws are the column's.  As a film every column travels on to the next one's image, and the last to the first's."""

    rows: tuple[int, ...] = (0, 1, 2, 3)
    seeds: tuple[int, ...] = (4, 5, 6, 7, 8, 9)
    mixed: tuple[int, ...] = (0, 1, 2, 3)
    caption: bool = True


@dataclass(frozen=True)
class Sources:
    """The images at the left and across the top of a table."""

    rows: Material
    columns: Material

    def check(self, mix: Mix) -> None:
        """Raise OptionError for a network without layers to mix, and for layers that it does not have."""
        check_mixed(self.columns.generator, mix.mixed)

    def counts(self, mix: Mix) -> tuple[int, int]:
        """(rows, columns) of the cells."""
        return len(self.rows.stops(_of_rows(mix))), len(self.columns.stops(mix))

    def names(self, mix: Mix) -> tuple[list[str], list[str]]:
        """How the rows and the columns are called."""
        return self.rows.names(_of_rows(mix)), self.columns.names(mix)


def check_mixed(generator: Generator, mixed: tuple[int, ...]) -> None:
    """Raise OptionError for a network without layers to mix, and for layers that it does not have."""
    if generator.num_ws == 1:
        raise OptionError(
            f"nothing to mix: {generator.config.family} draws from one latent as a whole; style mixing needs a network that is given a "
            "latent for each layer, such as StyleGAN or BigGAN"
        )
    if not mixed or max(mixed) >= generator.num_ws:
        raise OptionError(f"no layer {max(mixed, default=0)}: this network has layers 0-{generator.num_ws - 1}")


def _of_rows(mix: Mix) -> Mix:
    return replace(mix, seeds=mix.rows)


def mixed_ws(rows: Tensor, columns: Tensor, layers: tuple[int, ...]) -> Tensor:
    """ws [R, C, num_ws, w_dim]: those of `rows` [R, num_ws, w_dim] with the entries `layers` of `columns` [C, num_ws, w_dim]."""
    ws = rows.unsqueeze(1).repeat(1, len(columns), 1, 1)
    entries = torch.tensor(layers, device=ws.device)
    ws[:, :, entries] = columns[:, entries]
    return ws


def _table(left: np.ndarray, top: np.ndarray, body: np.ndarray) -> np.ndarray:
    """Cells [1 + R, 1 + C, h, w, 3] of pictures at the left [R, ...], across the top [C, ...] and of the body [R, C, ...]."""
    corner = np.empty((1, *top.shape[1:]), np.uint8)
    corner[:] = BACKGROUND
    return np.concatenate([np.concatenate([corner, top])[None], np.concatenate([left[:, None], body], 1)])


def draw_mix(sources: Sources, mix: Mix, progress: Progress | None = None) -> Image.Image:
    """The table as an RGB picture.  `progress` counts rendered images.

    Raises OptionError for seeds, classes and layers that there are not, for networks without layers to mix, and for a picture of more
    than 134 million pixels.
    """
    sources.check(mix)
    generator = sources.rows.generator
    side = cell_size(max(generator.image_shape[1:]), mix.size, 96)
    _check_size(sources, mix, side)
    at = sources.rows.stops(_of_rows(mix)), sources.columns.stops(mix)
    rows, columns = (material.ws(points, mix) for material, points in zip((sources.rows, sources.columns), at, strict=True))
    ws = torch.cat([rows, columns, mixed_ws(rows, columns, mix.mixed).flatten(0, 1)])
    # A cell's random noise is its row's.
    of_rows, of_columns = list(at[0].seeds or ()), list(at[1].seeds or ())
    seeds = of_rows + of_columns + [seed for seed in of_rows for _ in of_columns]
    renderer, parts = Renderer(generator, mix.noise_mode), []
    for start in range(0, len(ws), renderer.batch):
        part = slice(start, start + renderer.batch)
        parts.append(resize(renderer.images(ws[part], sources.rows.styles(mix, len(ws[part])), seeds[part]), side))
        if progress is not None:
            progress("rendering", min(len(ws), part.stop), len(ws))
    drawn = np.concatenate(parts)
    left, top, body = np.split(drawn, [len(rows), len(rows) + len(columns)])
    cells = _table(left, top, body.reshape(len(rows), len(columns), *body.shape[1:]))
    if not mix.caption:
        return labelled_grid(cells, padding=PADDING, margin=0, header=True)
    row_names, column_names = sources.names(mix)
    return labelled_grid(
        cells,
        row_labels=["", *row_names],
        column_labels=["", *column_names],
        title=title(sources, mix),
        footer=_footer(sources, mix),
        padding=PADDING,
        header=True,
    )


def title(sources: Sources, mix: Mix) -> str:
    """ "layers 0-3 of the columns in the rows", with the edits."""
    text = f"layers {_ranges(mix.mixed)} of the top row in the images at the left"
    return text + (f", with {sources.rows.edit_text(mix)}" if mix.edits else "")


def _footer(sources: Sources, mix: Mix) -> str:
    return ", ".join(part for part in (sources.rows.name, f"truncation {mix.psi:g}" if mix.psi != 1 else "") if part)


def _ranges(numbers: tuple[int, ...]) -> str:
    """ "0-3,6"."""
    parts: list[list[int]] = []
    for number in sorted(set(numbers)):
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ",".join(f"{part[0]}-{part[-1]}" if len(part) > 1 else str(part[0]) for part in parts)


def journey_of_mix(sources: Sources, mix: Mix) -> Journey:
    """The way of the first column; the others are ahead of it.  Raises OptionError for a film that cannot be."""
    sources.check(mix)
    columns = sources.counts(mix)[1]
    if columns == 1:
        raise OptionError("one column goes nowhere: a film of the table needs two --cols or more")
    return Journey(sources.columns, mix, mix.timetable(columns))


def mix_frames(sources: Sources, mix: Mix, progress: Progress | None = None) -> Iterator[np.ndarray]:
    """The frames [H, W, 3] uint8 of a film of the table, a seamless loop; `progress` counts them.

    All columns go the same way, so each of its places is drawn once, where a gigabyte holds what comes again.
    """
    journey = journey_of_mix(sources, mix)
    generator, material = sources.rows.generator, sources.rows
    count, columns = sources.counts(mix)
    side = picture_size(max(generator.image_shape[1:]), columns + 1, mix.size)
    _check_size(sources, mix, side)
    renderer = Renderer(generator, mix.noise_mode)
    at = material.stops(_of_rows(mix))
    rows, seeds = material.ws(at, mix), list(at.seeds or ())
    left = resize(renderer.images(rows, material.styles(mix, count), seeds), side)
    frames = len(journey.keys)
    order = [(frame + column * (frames // columns)) % frames for frame in range(frames) for column in range(columns)]

    def draw(chosen: list[int]) -> Iterator[np.ndarray]:
        at_once = max(1, min(renderer.batch, AT_ONCE) // (count + 1))
        for start in range(0, len(chosen), at_once):
            ways = journey.ws([order[number] for number in chosen[start : start + at_once]])[:, 0]
            ws = torch.cat([ways.unsqueeze(1), mixed_ws(rows, ways, mix.mixed).transpose(0, 1)], 1)
            noise = [journey.seeds[0], *seeds] * len(ws)
            drawn = renderer.images(ws.flatten(0, 1), material.styles(mix, len(noise)), noise)
            for number in range(len(ws)):
                yield resize(drawn[number * (count + 1) : (number + 1) * (count + 1)], side)

    keys: list[Hashable] = [journey.keys[number] for number in order]
    pictures = drawn_once(keys, draw, 3 * (count + 1) * side**2)
    names = sources.names(mix)[0]
    words: dict[str, Any] = {"row_labels": ["", *names], "title": title(sources, mix)} if mix.caption else {"margin": 0}
    for frame in range(frames):
        shown = np.stack([next(pictures) for _ in range(columns)], 1)
        cells = _table(left, shown[0], shown[1:])
        yield np.asarray(labelled_grid(cells, padding=PADDING, header=True, **words))
        if progress is not None:
            progress("rendering", frame + 1, frames)


def mix_image_count(sources: Sources, mix: Mix, film: bool) -> int:
    """How many images a table or its film draws."""
    rows, columns = sources.counts(mix)
    if not film:
        return rows + columns + rows * columns
    return len(set(journey_of_mix(sources, mix).keys)) * (rows + 1) + rows


def _check_size(sources: Sources, mix: Mix, side: int) -> None:
    rows, columns = sources.counts(mix)
    if (rows + 1) * (columns + 1) * side**2 > _LARGEST:
        raise OptionError(f"a table of {rows} rows and {columns} columns of {side} pixels is too large; use fewer, or a smaller --size")
