"""Pictures given by their ws, in the files that projectors and encoders of photographs write."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from orojar_cli.containers.file import printable
from orojar_cli.errors import InputFileError, OptionError
from orojar_cli.files import atomic_path, write_bytes, written_file
from orojar_cli.generators.primitives import activation_gain, bias_act
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.arrays import read_arrays
from orojar_cli.latents.points import Latents, taken
from orojar_cli.latents.spaces import displaced_from, layer_mask

KEY = "w"
# What other tools call them, in the order of preference.
_KEYS = (KEY, "ws", "latents", "latent", "w_plus", "projected_w")


@dataclass(frozen=True)
class ProjectedLatents:
    """Points given by their ws [N, num_ws, w_dim] themselves: no z, label or truncation belongs to them.

    `seeds` are what random noise of their images is drawn by.
    """

    ws: Tensor
    seeds: tuple[int, ...] | None = None

    def __len__(self) -> int:
        return len(self.ws)

    def __getitem__(self, index: slice | Tensor) -> ProjectedLatents:
        return ProjectedLatents(self.ws[index], taken(self.seeds, index))

    def repeat(self, count: int) -> ProjectedLatents:
        """All points `count` times, one whole round after another."""
        return ProjectedLatents(self.ws.repeat(count, 1, 1), self.seeds and self.seeds * count)

    def displaced(self, generator: Generator, displacement: Tensor, space: str, layers: tuple[int, ...]) -> Tensor:
        """ws [N, num_ws, w_dim] moved by `displacement` [N, D] in `space`, at the entries `layers` only.

        In p every entry goes back through the last activation, is moved there and comes forward again.
        Raises OptionError for z, which a projected picture does not have, and for p behind an activation that cannot be undone.
        """
        if space == "z":
            raise OptionError("a projected w has no z to move: use directions in w, w+, p or s, e.g. of orojar discover --space w")
        if space != "p":
            return displaced_from(generator, self.ws, displacement, space, layers)
        last = generator.mapping.layers[-1].activation
        moved = bias_act(before_activation(self.ws, last) + displacement.unsqueeze(1), None, last)
        chosen = layer_mask(generator, layers, moved)
        return torch.where(chosen, moved, self.ws)


Points = Latents | ProjectedLatents
"""Where pictures start from: z with their labels, or ws."""


def before_activation(w: Tensor, activation: str) -> Tensor:
    """What the mapping's last activation made w of; raises OptionError for one that cannot be undone."""
    if activation not in ("lrelu", "linear"):
        raise OptionError(f"the activation {activation} cannot be undone, so a projected w has no p: use directions in w or w+")
    x = w / activation_gain(activation)
    return x if activation == "linear" else torch.where(x < 0, x / 0.2, x)


def check_projected_out(path: str | os.PathLike[str]) -> None:
    """Raise what writing ws to `path` would: OptionError for another suffix, OutputFileError for a place that cannot be."""
    if Path(path).suffix.lower() != ".npz":
        raise OptionError(f"cannot write {Path(path).name}: the name of a projected w ends in .npz")
    written_file(path)


@contextmanager
def projected_writer(path: str | os.PathLike[str], shape: tuple[int, int, int]) -> Iterator[Callable[[Tensor], None]]:
    """Write ws of `shape` [N, num_ws, w_dim] as `save_projected` does, a few rows at a time: what is yielded takes them.

    Raises what `check_projected_out` raises.
    """
    check_projected_out(path)
    # A fixed date, so that equal latents are equal files.
    entry = zipfile.ZipInfo(f"{KEY}.npy")
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive, archive.open(entry, "w", force_zip64=True) as member:
        np.lib.format.write_array_header_1_0(member, {"descr": "<f4", "fortran_order": False, "shape": shape})

        def write(ws: Tensor) -> None:
            member.write(ws.detach().float().cpu().contiguous().numpy().astype("<f4").tobytes())

        yield write


def save_projected(path: str | os.PathLike[str], ws: Tensor) -> None:
    """Write ws [N, num_ws, w_dim] as .npz under the key "w", float32, whole or not at all; raises OptionError for another suffix."""
    check_projected_out(path)
    assert ws.ndim == 3, "ws are [N, num_ws, w_dim]"
    buffer = io.BytesIO()
    np.savez(buffer, w=ws.detach().float().cpu().numpy())
    write_bytes(path, buffer.getvalue())


def load_projected(path: str | os.PathLike[str], generator: Generator) -> Tensor:
    """ws [N, num_ws, w_dim] float32, on the generator's device, of a file that a projector or encoder wrote.

    .npz and .pt hold the array under "w", "ws", "latents" or "latent"; .npy and a bare tensor are it.  Shapes are
    [N, num_ws, w_dim], [num_ws, w_dim] of one picture, and one w for all entries of ws: [N, 1, w_dim], [N, w_dim], [w_dim].  Nothing
    is unpickled, and sizes are checked before memory is taken.
    Raises InputFileError for a file that is something else, damaged or too large, OptionError for a w of another network's shape.
    """
    name = Path(path).name
    arrays = read_arrays(path, *_KEYS)
    key = next((key for key in ("", *_KEYS) if key in arrays), None)
    if key is None:
        found = ", ".join(sorted(repr(printable(key, 30)) for key in arrays)[:8])
        raise InputFileError(f"{name} has no array {KEY!r} (it has {found}); pass the file of a projector such as orojar project")
    ws = arrays[key]
    shape, own = tuple(ws.shape), (generator.num_ws, generator.w_dim)
    if shape == own:
        ws = ws.unsqueeze(0)
    elif shape == own[1:]:
        ws = ws.reshape(1, 1, -1)
    elif len(shape) == 2 and shape[1] == own[1]:
        ws = ws.unsqueeze(1)
    elif len(shape) != 3 or shape[1] not in (1, own[0]) or shape[2] != own[1]:
        raise OptionError(
            f"{name} holds latents of shape {list(shape)}; this network's are [N, {own[0]}, {own[1]}], [N, {own[1]}] or {list(own)}: "
            "pass some projected with this network"
        )
    return ws.expand(-1, generator.num_ws, -1).contiguous().to(generator.device)
