"""The two sides of a comparison, as people have them: seeds, files of ws, folders of these or of pictures, lists of the explorer."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from orojar_cli.errors import InputFileError, OptionError
from orojar_cli.explore.choices import FILE, LISTS, Choices
from orojar_cli.latents.points import seed_latents
from orojar_cli.latents.projected import Points, ProjectedLatents, load_projected
from orojar_cli.numbers import check_seeds
from orojar_cli.operations.project import W_PLUS, W
from orojar_cli.operations.resolve import Source
from orojar_cli.pictures.recipe import direction_identity
from orojar_cli.progress import Notice

_WS = (".npz", ".npy", ".pt")
_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
_MOST_FILES = 10_000
# Of every example, and of all.
_RANDOM_EACH, _FEWEST_RANDOM, _MOST_RANDOM = 4, 100, 1000


@dataclass(frozen=True)
class Side:
    """What one side is made of: `points` that are known, `pictures` that are to be projected; `seeds` are those of the points, if any.

    `named` is what the user gave, as it is recorded.
    """

    named: str | list[int]
    points: tuple[Points, ...] = ()
    pictures: tuple[Path, ...] = ()
    seeds: tuple[int, ...] = ()

    def __len__(self) -> int:
        return sum(map(len, self.points)) + len(self.pictures)


def side_of(given: Any, source: Source, class_index: Any = None, psi: float = 1.0, cutoff: int | None = None) -> Side:
    """The side that somebody names: seeds, the ws of a file, those of all files below a folder or else its pictures, or ws themselves.

    Of a folder of `orojar project`, which has each picture's w twice, the one for all layers is taken.
    Raises InputFileError for what is not there or not readable, OptionError for ws of another network's shape and for what is no side.
    """
    generator = source.checkpoint.generator
    if isinstance(given, Tensor):
        if given.ndim != 3 or given.shape[1:] != (generator.num_ws, generator.w_dim):
            raise OptionError(f"ws of shape {list(given.shape)}; this network's are [N, {generator.num_ws}, {generator.w_dim}]")
        return Side("ws", (ProjectedLatents(given.to(generator.device)),))
    if isinstance(given, (str, os.PathLike)):
        path = Path(given)
        if not path.is_dir():
            return Side(str(path.resolve()), (ProjectedLatents(load_projected(path, generator)),))
        files = _below(path, _WS)
        files = [file for file in files if file.name != W_PLUS or file.with_name(W) not in files]
        if files:
            ws = torch.cat([load_projected(file, generator) for file in files])
            return Side(str(path.resolve()), (ProjectedLatents(ws),))
        pictures = [file for file in _below(path, _PICTURES) if file.parent == path]
        if not pictures:
            raise InputFileError(f"{path} has neither files with w (.npz of orojar project) nor pictures ({', '.join(_PICTURES)})")
        return Side(str(path.resolve()), pictures=tuple(pictures))
    try:
        seeds = tuple(dict.fromkeys(given))
    except TypeError as error:
        raise OptionError(f"{given!r:.60} is neither seeds nor a file or folder") from error
    check_seeds(seeds)
    return Side(list(map(int, seeds)), (seed_latents(generator, seeds, class_index, psi, cutoff),), seeds=seeds)


def chosen_sides(path: str | os.PathLike[str], source: Source, notice: Notice) -> tuple[Side, Side | None]:
    """(what is liked, the others or None where there are none) of the lists that `orojar explore` keeps beside a run's directions.

    Directions in z need the z of images: those moved along other directions, mixed, or with something kept have none and are left out,
    which `notice` is told.  Raises InputFileError where there are no lists, or lists of another network.
    """
    file = Path(path)
    file = file if file.suffix == ".json" else file / FILE
    if not file.is_file():
        raise InputFileError(f"there is no {file}; mark images as liked in orojar explore {path} first")
    document = Choices(source.directions.checkpoint, file).document()
    sides = []
    for name in LISTS:
        points = tuple(_entries(document[name], source, file))
        if lacking := len(document[name]) - len(points):
            notice(f"{name}: {lacking} images left out, which were mixed or moved along other directions and so have no z")
        sides.append(Side(str(file.resolve()), points))
    return sides[0], sides[1] if len(sides[1]) else None


def random_side(examples: int, source: Source, seed: int, but: Sequence[int], class_index: Any, psi: float, cutoff: int | None) -> Side:
    """Four times as many images as there are examples, at least 100, of seeds drawn by `seed`, none of them in `but`."""
    count = min(max(_RANDOM_EACH * examples, _FEWEST_RANDOM), _MOST_RANDOM)
    drawn = np.random.default_rng(seed).integers(0, 1 << 32, count + len(but)).tolist()
    return side_of([number for number in dict.fromkeys(drawn) if number not in set(but)][:count], source, class_index, psi, cutoff)


def _below(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    found = []
    for below, folders, files in os.walk(folder):
        folders.sort()
        found += [Path(below) / name for name in sorted(files) if name.lower().endswith(suffixes)]
        if len(found) > _MOST_FILES:
            raise InputFileError(f"{folder} has more than {_MOST_FILES} files; choose a smaller folder")
    return found


def _entries(entries: list[dict[str, Any]], source: Source, file: Path) -> Iterator[Points]:
    generator, directions = source.checkpoint.generator, source.directions
    identity = direction_identity(directions)
    for entry in entries:
        if directions.space != "z":
            yield ProjectedLatents(_ws_of(entry, source, file))
        elif not entry.get("mix") and not entry.get("keep") and (not entry["edits"] or entry.get("directions") == identity):
            classes = entry["class"] if generator.c_dim else None
            at = seed_latents(generator, [entry["seed"]], classes, entry["psi"])
            moved = sum((directions.displacement(index, strength) for index, strength in entry["edits"]), torch.zeros(1, device="cpu"))
            yield type(at)(at.z + moved.to(at.z), at.label)


def _ws_of(entry: dict[str, Any], source: Source, file: Path) -> Tensor:
    """ws [1, num_ws, w_dim] of an entry, which anybody may have changed."""
    generator = source.checkpoint.generator
    try:
        ws = torch.tensor(entry["w"], dtype=torch.float32, device="cpu")
        if ws.ndim != 2 or ws.shape[0] not in (1, generator.num_ws) or ws.shape[1] != generator.w_dim or not bool(ws.isfinite().all()):
            raise ValueError("shape")
    except (KeyError, TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise InputFileError(f"{file.name} holds images without their w ({json.dumps(entry.get('seed'))[:20]}); mark them again") from error
    return ws.expand(generator.num_ws, -1).unsqueeze(0).to(generator.device)
