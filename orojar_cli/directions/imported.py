"""Directions that other tools found, in their own files.

What a file does not say (the space, the layers) is deduced from the shapes where only one reading fits the network, and else asked for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from orojar_cli.containers.file import printable
from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.directions.frame import Frame, finished
from orojar_cli.directions.settings import Settings
from orojar_cli.errors import DirectionSetError, OptionError
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.arrays import read_arrays
from orojar_cli.latents.spaces import free_coordinates, named_layers, space_dim
from orojar_cli.progress import Progress

SUFFIXES = (".npy", ".npz", ".pt", ".pth", ".pkl", ".safetensors")
# By the names of arrays: rosinality's factorisation keeps its directions in columns, GANSpace one for each component.
_EIGENVECTORS, _GANSPACE = "eigvec", "lat_comp"
_NAMES = (_EIGENVECTORS, _GANSPACE, "directions", "direction", "boundary", "")
_THIRD = re.compile(r"(?:^|[_\-.])(coarse|mid|fine)(?=[_\-.]|$)")


class _Reading(NamedTuple):
    """One way to understand an array: directions [K, D] in a space, D of all coordinates or of the free ones."""

    space: str
    rows: Tensor


def read_directions(
    path: str | os.PathLike[str],
    generator: Generator,
    *,
    space: str | None = None,
    layers: Sequence[int] | str | None = None,
    label: str = "",
    num: int | None = None,
    orthonormal: bool | None = None,
    seed: int = 0,
    class_index: int | None = None,
    measured: bool = True,
    progress: Progress | None = None,
) -> DirectionSet:
    """Directions of another tool for `generator`, from a .npy, .npz, .pt, .pkl or plain .safetensors file; nothing in it is executed.

    Read are a bare array, rosinality's factorisation ("eigvec", in columns), GANSpace's components ("lat_comp"), and arrays called
    "directions", "direction" or "boundary".  Shapes: [D] one direction, [K, D], [K, 1, D], and in w+ [K, num_ws, w_dim], or
    [num_ws, w_dim] of one.  D is that of the `space`, or the number of coordinates of z that the `layers` read.  `layers` are entries of
    ws, or "coarse", "mid" or "fine", which a file's name may say too.
    `orthonormal` makes the rows so, one after another by Gram-Schmidt, as the authors of OroJaR and the Hessian Penalty do with their
    matrices before using them; None: where the matrix is one of theirs, square in z of a network that reads z in parts.  Otherwise
    rows are only scaled to unit length, and their signs and order kept.  Sigma and activeness are measured on the network, of a
    conditional one at a class (the first); not `measured`, the activeness of all is 0.
    Raises InputFileError for a file without such numbers, DirectionSetError for shapes that do not fit the network, or fit it in two ways.
    """
    name = Path(path).name
    class_index = 0 if class_index is None and generator.c_dim else class_index
    arrays = read_arrays(path, *_NAMES)
    key = next((key for key in _NAMES if key in arrays), None)
    if key is None and len(arrays) > 1:
        known = ", ".join(sorted(printable(key, 30) for key in arrays)[:6])
        raise DirectionSetError(f"{name} holds several arrays ({known}), none of them under a name of directions; save one alone")
    array = arrays[key] if key is not None else next(iter(arrays.values()))
    if key == _EIGENVECTORS and array.ndim == 2:
        array = array.T
    words = _THIRD.search(Path(path).stem)
    if layers is None and words is not None and free_coordinates(generator, "z", [0]) is not None:
        layers = words[1]
    entries = Settings(layers=named_layers(generator, layers)).layers_of(generator)
    found = _understood(array, generator, entries, space, name)
    settings = Settings(found.space, False, layers=entries, num=num, seed=seed, class_index=class_index)
    rows, free = found.rows, free_coordinates(generator, found.space, entries)
    if free is not None and rows.shape[1] != len(free):
        rows = rows[:, free.cpu()]
    if orthonormal is None:
        orthonormal = found.space == "z" and len(rows) == rows.shape[1] and free_coordinates(generator, "z", [0]) is not None
    rows = _gram_schmidt(rows.double()) if orthonormal else rows.double()
    lengths = rows.norm(dim=1, keepdim=True)
    if bool((lengths == 0).any()):
        raise DirectionSetError(f"{name} holds a direction of length 0, or (with Gram-Schmidt) one that the others span")
    frame = Frame.of(generator, settings)
    # An unwhitened frame has orthogonal steps of one length, so dividing by it gives unit vectors their coordinates.
    coordinates = (rows / lengths).float() / frame.steps.norm(dim=1).cpu()
    result = finished(
        generator, settings, frame, coordinates, "imported", by_activeness=False, measured=measured, keep_signs=True, progress=progress
    )
    return result.labelled(0, label) if label and len(result) == 1 else result


def _understood(array: Tensor, generator: Generator, layers: tuple[int, ...], space: str | None, name: str) -> _Reading:
    """The one reading of an array that fits the network; raises DirectionSetError where there is none, or more than one."""
    shape = tuple(array.shape)
    readings = [
        reading
        for candidate in ("z", "w", "w+", "s")
        if space in (None, candidate)
        for reading in _readings(array, candidate, generator, layers)
    ]
    # Where w is z, it is called z.
    if space is None and any(reading.space == "z" for reading in readings) and not hasattr(generator.mapping, "layers"):
        readings = [reading for reading in readings if reading.space == "z"]
    spaces = sorted({reading.space for reading in readings})
    if len(spaces) > 1:
        raise DirectionSetError(
            f"{name}: an array of shape {list(shape)} can be directions in {' or '.join(spaces)}; say which with --space"
        )
    if not readings:
        fits = f"z [K, {generator.z_dim}], w [K, {generator.w_dim}], w+ [K, {generator.num_ws}, {generator.w_dim}]"
        where = f" in {space}" if space else ""
        raise DirectionSetError(
            f"{name}: an array of shape {list(shape)} does not fit this network{where} ({fits}); was it made for another?"
        )
    return readings[0]


def _readings(array: Tensor, space: str, generator: Generator, layers: tuple[int, ...]) -> list[_Reading]:
    """The ways an array can be directions in `space`, the likeliest first."""
    try:
        wide = space_dim(generator, space, layers)
    except OptionError:  # this network does not have the space
        return []
    free = free_coordinates(generator, space, layers)
    widths = {wide} if free is None else {wide, len(free)}
    if space == "w+":
        per_layer = (len(layers), generator.w_dim)
        if array.ndim == 3 and tuple(array.shape[1:]) == per_layer:
            return [_Reading(space, array.flatten(1))]
        if len(layers) == 1:
            return []  # that is w
        if tuple(array.shape) == per_layer:
            return [_Reading(space, array.flatten().unsqueeze(0))]
    if array.ndim == 1:
        array = array.unsqueeze(0)
    if array.ndim == 3 and array.shape[1] == 1:
        array = array.squeeze(1)
    return [_Reading(space, array)] if array.ndim == 2 and array.shape[1] in widths else []


def _gram_schmidt(rows: Tensor) -> Tensor:
    """Each row minus its projections on the finished rows before it, then all scaled to unit length; 0 for a row that they span."""
    finished_rows: list[Tensor] = []
    for row in rows:
        rest = row.clone()
        for before in finished_rows:
            rest = rest - (rest @ before) * before
        length = rest.norm()
        finished_rows.append(rest / length if float(length) > 1e-6 * float(row.norm()) else torch.zeros_like(rest))
    return torch.stack(finished_rows)
