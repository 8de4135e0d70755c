"""Edits as a tool: the single images of any number of seeds, before and after moving along dimensions, at their full size."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from orojar_cli.directions.applied import displaced
from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.errors import InputFileError, OptionError
from orojar_cli.latents.points import seed_latents
from orojar_cli.latents.projected import Points, ProjectedLatents, check_projected_out, load_projected, projected_writer
from orojar_cli.latents.spaces import named_layers, style_offsets
from orojar_cli.media import PICTURES, WITH_ALPHA, Numbered, numbered, resize, save_image
from orojar_cli.numbers import check_seeds
from orojar_cli.operations.network import check_noise, quiet, say_white, shown_class
from orojar_cli.operations.traverse import painted, source_of
from orojar_cli.pictures.dimensions import chosen_dimensions, kept_dimensions
from orojar_cli.pictures.scene import Scene, Subject
from orojar_cli.pictures.walk import Renderer
from orojar_cli.pictures.ways import Ways
from orojar_cli.progress import Notice, Progress

_AT_ONCE = 64
_LARGEST_TABLE = 1 << 26
_LARGEST_STRENGTH = 1000.0
_SEED_COLUMNS = ("seed", "picture")
Strengths = Mapping[int, Mapping[str, float]]


@dataclass(frozen=True)
class Edited:
    """One image: its `number` (a seed, or from 1 on that of a projected picture), the files before and after, the strengths by name."""

    number: int
    original: Path
    edited: Path
    strengths: dict[str, float]


@dataclass(frozen=True)
class Edits:
    """What was edited and where it is: `numbered` says "seed" or "picture", `w` where the edited latents were written, if anywhere."""

    images: list[Edited]
    numbered: str
    w: Path | None = None

    def __repr__(self) -> str:
        where = f" in {self.images[0].edited.parent}" if self.images else ""
        return f"<Edits, {len(self.images)} images before and after{where}>"

    def to_dict(self) -> dict[str, Any]:
        """The files, JSON-serialisable."""
        listed = [
            {self.numbered: image.number, "original": str(image.original), "edited": str(image.edited), "strengths": image.strengths}
            for image in self.images
        ]
        return {"images": listed} | ({} if self.w is None else {"w": str(self.w)})


def save_edits(
    network: Any,
    directions: Any = None,
    dims: str | Iterable[str] = (),
    out: str | os.PathLike[str] = "edits/",
    *,
    strengths: str | os.PathLike[str] | Strengths | None = None,
    keep: int | str | Sequence[int | str] = (),
    keep_picture: str | os.PathLike[str] | None = None,
    seeds: Iterable[int] | None = None,
    projected: str | os.PathLike[str] | None = None,
    save_w: str | os.PathLike[str] | None = None,
    unit: str = "sigma",
    layers: Any = None,
    size: int | None = None,
    class_index: Any = None,
    psi: float = 1.0,
    cutoff: int | None = None,
    noise_mode: str = "const",
    device: str = "auto",
    progress: Progress | None = None,
    notice: Notice = quiet,
) -> Edits:
    """Write every image as it is and as it is after the edits, each a file of its own, as they are drawn: memory does not grow with them.

    `network` and `directions` as in `traverse`.  `dims` are edits such as "3:-1" and "smile:+2" of all images; `strengths` those of each:
    {seed: {dimension: strength}}, or a file of them, .csv (a column "seed" or "picture", then one for each dimension by number or label) or
    .json ({"7": {"smile": 2}}, or a list of objects with "seed"). What the dimensions `keep` do to the picture is taken out of the
    movements of the others, and `keep_picture` holds a part of it still, as in `traverse`.  `seeds` are 0 to 9, with a file those in it;
    `projected` takes their place with the pictures of an .npz with w, numbered from 1.  `out` is a folder, which gets seed0007.png and
    seed0007-edited.png, or a name with a place for the number such as face_%04d.jpg.  `save_w` also writes the edited w, a row an image,
    under the key "w".
    `unit` "latent" measures strengths in the latent's own unit of length instead of sigmas; `size` makes the images smaller or larger.
    Raises OptionError, DirectionSetError and InputFileError for what does not fit, before anything is drawn.
    """
    word = "seed" if projected is None else "picture"
    names = numbered(out, word) or Numbered(Path(out), word)
    if names.suffix.lower() not in PICTURES:
        raise OptionError(f"cannot write {out}: a picture's name ends in {', '.join(PICTURES)}, a folder's in a slash")
    table = read_strengths(strengths) if isinstance(strengths, (str, os.PathLike)) else strengths
    if save_w is not None:
        check_projected_out(save_w)
        if projected is not None and Path(save_w).resolve() == Path(projected).resolve():
            raise OptionError(f"{save_w} is what the pictures are made from; choose another --save-w")
    source = source_of(network, directions, device, notice)
    found, generator = source.directions, source.checkpoint.generator
    ws = None if projected is None else load_projected(projected, generator)
    numbers = _numbers(seeds, table, None if ws is None else len(ws))
    walked, edits = chosen_dimensions(found, [dims] if isinstance(dims, str) else list(dims))
    if walked:
        raise OptionError(f"dimension {walked[0]} without a strength: an edit is written 3:+2 or 'smile:-1'")
    if layers is not None:
        layers = named_layers(generator, layers)
    # The scene checks what it shares with pictures: edits, layers, unit, noise, class and truncation.
    kept = kept_dimensions(found, [keep] if isinstance(keep, (int, str)) else list(keep))
    held_still = None if keep_picture is None else painted(keep_picture, generator, notice)
    shared: dict[str, Any] = {"noise_mode": noise_mode, "class_index": class_index, "psi": psi, "cutoff": cutoff, "size": size}
    scene = Scene(edits=edits, layers=layers, unit=unit, keep=kept, keep_picture=held_still, **shared)
    subject = Subject(generator, found)
    rows = _rows(found, scene.edits, table, numbers)
    if not any(rows):
        raise OptionError("nothing to change: give dimensions with their strengths, such as --dim 3:+2, or a file of --strengths")
    if kept and not any(set(row) - set(kept) for row in rows):
        raise OptionError(f"--keep {','.join(map(str, kept))}: all that moves would be kept; name other dimensions")
    if save_w is not None and found.space == "s":
        raise OptionError("directions in s move styles, which no w holds: leave out --save-w")
    if ws is None:
        class_index = shown_class(generator, class_index, "showing", notice)
    check_noise(source.checkpoint, noise_mode, notice)
    if names.suffix.lower() not in WITH_ALPHA:
        say_white(generator, notice, f"{names.suffix} has", f"{', '.join(WITH_ALPHA)} keep it")
    names.make_folder()
    renderer, images = Renderer(generator, noise_mode), list[Edited]()
    at_once = max(1, min(_AT_ONCE, renderer.batch))
    with ExitStack() as stack:
        shape = len(numbers), generator.num_ws, generator.w_dim
        held = None if save_w is None else stack.enter_context(projected_writer(save_w, shape))
        for start in range(0, len(numbers), at_once):
            part = numbers[start : start + at_once]
            at: Points
            if ws is None:
                at = seed_latents(generator, part, class_index, psi, cutoff)
            else:
                rest = torch.tensor([number - 1 for number in part], device="cpu")
                at = ProjectedLatents(ws[rest], tuple(rest.tolist()))
            steps = _steps(subject, scene, at, rows[start : start + at_once]).to(generator.device)
            for number, row, before, after in _pairs(renderer, at, found, steps, scene.layers, part, rows[start : start + at_once], held):
                image = Edited(number, names(number), names(number).with_stem(f"{names(number).stem}-edited"), _named(found, row))
                save_image(resize(before[None], size)[0] if size else before, image.original)
                save_image(resize(after[None], size)[0] if size else after, image.edited)
                images.append(image)
            if progress is not None:
                progress("editing", len(images), len(numbers))
    return Edits(images, word, None if save_w is None else Path(save_w))


def _pairs(
    renderer: Renderer, at: Points, moving: DirectionSet, steps: Tensor, layers: Any, part: tuple[int, ...], rows: Any, keep: Any
) -> Iterator[tuple[int, Any, Any, Any]]:
    """(number, edits, image before, image after) of some points, moved by `steps` [N, D]; the moved ws go to `keep`."""
    generator, seeds = renderer.generator, at.seeds
    with torch.no_grad():
        still = at.ws if isinstance(at, ProjectedLatents) else generator.mapping(at.z, at.label, at.psi, at.cutoff)
        ws = displaced(generator, at, moving, steps, layers)
        styles = style_offsets(generator, steps, moving.space, moving.layers)
        before = renderer.images(still, seeds=seeds, alpha=True)
        after = renderer.images(ws, styles, seeds=seeds, alpha=True)
    if keep is not None:
        keep(ws)
    yield from zip(part, rows, before, after, strict=True)


def _steps(subject: Subject, scene: Scene, at: Points, rows: Sequence[Mapping[int, float]]) -> Tensor:
    """The displacements [N, D] of the edits of some points; those edited alike go together."""
    steps = torch.zeros(len(at), subject.directions.directions.shape[1], device="cpu")
    for edits in dict.fromkeys(tuple(row.items()) for row in rows):
        alike = torch.tensor([number for number, row in enumerate(rows) if tuple(row.items()) == edits], device="cpu")
        steps[alike] = Ways(subject, replace(scene, edits=edits), at[alike]).edited([1.0])[0]
    return steps


def _named(found: DirectionSet, row: Mapping[int, float]) -> dict[str, float]:
    return {found.labels[index] or str(index): strength for index, strength in row.items()}


def _numbers(seeds: Iterable[int] | None, table: Strengths | None, pictures: int | None) -> tuple[int, ...]:
    """The seeds to draw, or the numbers of projected pictures; raises OptionError for those that there are not."""
    if pictures is not None:
        if seeds is not None:
            raise OptionError("--seeds and --projected-w name two sets of images; leave one out")
        wanted = tuple(range(1, pictures + 1) if table is None else table)
        if wrong := [number for number in wanted if not 1 <= number <= pictures]:
            raise OptionError(f"no picture {wrong[0]}: the file of --projected-w holds {pictures}, numbered from 1")
        return wanted
    chosen = tuple(seeds) if seeds is not None else tuple(range(10)) if table is None else tuple(table)
    check_seeds(chosen)
    if table is not None and (missing := [seed for seed in chosen if seed not in table]):
        raise OptionError(f"seed {missing[0]} has no strengths in the table; leave out --seeds to draw those that have")
    return chosen


def _rows(
    found: DirectionSet, edits: tuple[tuple[int, float], ...], table: Strengths | None, numbers: tuple[int, ...]
) -> list[dict[int, float]]:
    """The edits of every image by dimension: those of all, and its own.  Raises OptionError for a dimension given twice, or not there."""
    rows, known = [], dict[str, int]()
    for number in numbers:
        row = dict(edits)
        for name, strength in ({} if table is None else table[number]).items():
            index = known[name] if name in known else known.setdefault(name, found.index(name))
            if index in row:
                raise OptionError(f"dimension {name} of image {number} is edited twice; give it one strength")
            row[index] = _strength(strength, name, number)
        rows.append({index: strength for index, strength in row.items() if strength})
    return rows


def _strength(value: Any, name: str, number: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= _LARGEST_STRENGTH:
        raise OptionError(f"strength {value!r:.40} of dimension {name!s:.40} of image {number} is not a number from -1000 to 1000")
    return float(value)


def read_strengths(path: str | os.PathLike[str]) -> dict[int, dict[str, float]]:
    """The strengths {seed: {dimension: strength}} in a .csv or .json file; cells left empty are none.

    Raises InputFileError for a file that is something else or too large, with the place of what cannot be.
    """
    name, suffix = Path(path).name, Path(path).suffix.lower()
    if suffix not in (".csv", ".json"):
        raise InputFileError(f"{name} is no table of strengths: its name ends in .csv or .json")
    try:
        with open(path, "rb") as file:
            data = file.read(_LARGEST_TABLE + 1)
        if len(data) > _LARGEST_TABLE:
            raise InputFileError(f"{name} is larger than {_LARGEST_TABLE >> 20} MiB")
        text = data.decode("utf-8-sig")
        found = _of_csv(text) if suffix == ".csv" else _of_json(text)
    except OSError as error:
        raise InputFileError(f"cannot read {path}: {error.strerror or error}; check the path") from error
    except (ValueError, RecursionError, csv.Error) as error:
        reason = str(error) if type(error) is _Wrong else f"not readable as {suffix[1:].upper()}"
        raise InputFileError(f"{name} is no table of strengths: {reason}") from error
    if not found:
        raise InputFileError(f"{name} holds no strengths; give a row for each seed")
    return found


class _Wrong(ValueError):
    """What is wrong with a table, in words."""


def _of_csv(text: str) -> dict[int, dict[str, float]]:
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    header = [cell.strip() for cell in next(lines, [])]
    if not header or header[0].casefold() not in _SEED_COLUMNS:
        raise _Wrong(f"its first column must be called seed (or picture), and then one for each dimension, not {header[:1]!r:.60}")
    if len(set(header)) < len(header) or "" in header:
        raise _Wrong("two of its columns have the same name, or one has none")
    found: dict[int, dict[str, float]] = {}
    for number, cells in enumerate(lines, 2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            raise _Wrong(f"line {number} has {len(cells)} cells, the header {len(header)}")
        given = {name: _number(cell, f"line {number}") for name, cell in zip(header[1:], cells[1:], strict=True) if cell.strip()}
        _add(found, cells[0], given, f"line {number}")
    return found


def _of_json(text: str) -> dict[int, dict[str, float]]:
    document = json.loads(text)
    found: dict[int, dict[str, float]] = {}
    if isinstance(document, list):
        for number, entry in enumerate(document):
            key = next((key for key in _SEED_COLUMNS if isinstance(entry, dict) and key in entry), None)
            if key is None:
                raise _Wrong(f'entry {number} is no object with a "seed"')
            _add(found, entry[key], {name: value for name, value in entry.items() if name != key}, f"entry {number}")
    elif isinstance(document, dict):
        for seed, given in document.items():
            _add(found, seed, given, f"seed {seed!r:.30}")
    else:
        raise _Wrong('it must be {"7": {"smile": 2}}, or a list of objects with a "seed"')
    return found


def _add(found: dict[int, dict[str, float]], seed: Any, given: Any, where: str) -> None:
    if not isinstance(given, dict):
        raise _Wrong(f"{where} has no object of strengths")
    digits = str(seed).strip() if type(seed) in (int, str) else ""
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 10):
        raise _Wrong(f"{where}: {seed!r:.40} is no seed")
    if int(digits) in found:
        raise _Wrong(f"{where}: seed {int(digits)} is there twice")
    found[int(digits)] = {str(name): _number(value, where) for name, value in given.items()}


def _number(value: Any, where: str) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not abs(number) <= _LARGEST_STRENGTH:
        raise _Wrong(f"{where}: {value!r:.40} is no strength from -1000 to 1000")
    return number
