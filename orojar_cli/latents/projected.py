"""Pictures given by their ws: the .npz files that projectors of photographs write."""

from __future__ import annotations

import io
import lzma
import math
import os
import struct
import tokenize
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import torch
from torch import Tensor

from orojar_cli.errors import InputFileError, OptionError
from orojar_cli.files import write_bytes
from orojar_cli.generators.primitives import activation_gain, bias_act
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.points import taken
from orojar_cli.latents.spaces import displaced_from

KEY = "w"
# 7000 pictures of a 1024x1024 network in float32.
_LARGEST = 256 << 20
_LARGEST_DIRECTORY = 1 << 16
_END, _END_64 = struct.Struct("<4s4H2LH"), struct.Struct("<4sLQL")
# Whatever a malformed archive, a truncated stream or a hostile array header can raise.
_DAMAGED = (
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    RuntimeError,
    SyntaxError,
    MemoryError,
    tokenize.TokenError,
)


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
        moved = bias_act(_before_activation(self.ws, last) + displacement.unsqueeze(1), None, last)
        chosen = torch.zeros(generator.num_ws, 1, dtype=torch.bool, device=moved.device)
        chosen[list(layers)] = True
        return torch.where(chosen, moved, self.ws)


def _before_activation(w: Tensor, activation: str) -> Tensor:
    if activation not in ("lrelu", "linear"):
        raise OptionError(f"the activation {activation} cannot be undone, so a projected w has no p: use directions in w or w+")
    x = w / activation_gain(activation)
    return x if activation == "linear" else torch.where(x < 0, x / 0.2, x)


def save_projected(path: str | os.PathLike[str], ws: Tensor) -> None:
    """Write ws [N, num_ws, w_dim] as .npz under the key "w", float32, whole or not at all; raises OptionError for another suffix."""
    if Path(path).suffix.lower() != ".npz":
        raise OptionError(f"cannot write {Path(path).name}: the name of a projected w ends in .npz")
    assert ws.ndim == 3, "ws are [N, num_ws, w_dim]"
    buffer = io.BytesIO()
    np.savez(buffer, w=ws.detach().float().cpu().numpy())
    write_bytes(path, buffer.getvalue())


def load_projected(path: str | os.PathLike[str], generator: Generator) -> Tensor:
    """ws [N, num_ws, w_dim] float32, on the generator's device, of an .npz with the key "w".

    The array is [N, num_ws, w_dim], or one w for all entries of ws: [N, 1, w_dim] or [w_dim]; floats of 16, 32 or 64 bits.  Nothing
    is unpickled, and sizes are checked before memory is taken.
    Raises InputFileError for a file that is something else, damaged or too large, OptionError for a w of another network's shape.
    """
    name = Path(path).name
    try:
        with open(path, "rb") as file:
            _check_directory(file)
            archive = zipfile.ZipFile(file)
            members = archive.infolist()
            found = [member for member in members if member.filename == f"{KEY}.npy"]
            if len(found) != 1:
                keys = ", ".join(sorted(ascii(member.filename.removesuffix(".npy")) for member in members[:8])) or "none"
                raise InputFileError(f"{name} has no array {KEY!r} (keys: {keys}); pass the .npz of a projector such as orojar project")
            if found[0].file_size > _LARGEST:
                raise InputFileError(f"{name} holds a {KEY!r} of {found[0].file_size >> 20} MiB; at most {_LARGEST >> 20} MiB are read")
            with archive.open(found[0]) as member:
                shape, dtype = _array_header(member)
            _check(name, shape, dtype, found[0].file_size, generator)
            with archive.open(found[0]) as member:
                array = np.lib.format.read_array(member, allow_pickle=False)
    except OSError as error:
        raise InputFileError(f"cannot read {path}: {error.strerror or error}; check the path") from error
    except _DAMAGED as error:
        raise InputFileError(f"{name} is not a readable .npz ({type(error).__name__}); pass the file of a projector") from error
    with np.errstate(over="ignore"):
        ws = torch.from_numpy(np.ascontiguousarray(array, np.float32))
    if not bool(torch.isfinite(ws).all()):
        raise InputFileError(f"{name} holds numbers that are not finite; project the picture again")
    ws = ws.reshape(1, 1, -1) if ws.ndim == 1 else ws
    return ws.expand(-1, generator.num_ws, -1).contiguous().to(generator.device)


def _check_directory(file: IO[bytes]) -> None:
    """Refuse what is no zip archive as numpy writes them, and a directory of so many entries that reading it would take memory."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _END.size - _END_64.size))
    tail = file.read().rjust(_END.size + _END_64.size, b"\0")
    signature, *_, directory, _start, comment = _END.unpack(tail[_END_64.size :])
    if signature != b"PK\5\6" or comment or tail.startswith(b"PK\6\7") or directory > _LARGEST_DIRECTORY:
        raise zipfile.BadZipFile


def _array_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, _, dtype = readers[np.lib.format.read_magic(file)](file)
    return shape, dtype


def _check(name: str, shape: tuple[int, ...], dtype: np.dtype, size: int, generator: Generator) -> None:
    if dtype.kind != "f" or dtype.itemsize not in (2, 4, 8):
        raise InputFileError(f"{name}: {KEY!r} is {dtype}; projected ws are floats of 16, 32 or 64 bits")
    # An array larger than its file would be taken from memory before the file turns out short.
    if math.prod(shape) * dtype.itemsize > size or any(side < 1 for side in shape):
        raise InputFileError(f"{name} is damaged: {KEY!r} of shape {list(shape)} does not fit in its {size} bytes")
    if shape != (generator.w_dim,) and not (len(shape) == 3 and shape[1] in (1, generator.num_ws) and shape[2] == generator.w_dim):
        raise OptionError(
            f"{name} holds a {KEY!r} of shape {list(shape)}; this network's are [N, {generator.num_ws}, {generator.w_dim}] or "
            f"[N, 1, {generator.w_dim}]: pass one projected with this network"
        )
