"""Directions in the files of other tools."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.errors import OptionError
from orojar_cli.files import write_bytes
from orojar_cli.operations.network import quiet
from orojar_cli.operations.resolve import named_by
from orojar_cli.progress import Notice
from orojar_cli.runs.run import DEFAULT_OUTDIR

# By suffix, the usual one first: what a file of it can look like inside.
LAYOUTS = {".npy": ("array",), ".npz": ("arrays", "ganspace"), ".pt": ("array", "factorisation"), ".pth": ("array", "factorisation")}


def export_directions(
    source: Any, path: str | os.PathLike[str], layout: str | None = None, *, outdir: str | Path = DEFAULT_OUTDIR, notice: Notice = quiet
) -> DirectionSet:
    """Write directions for other tools, whole or not at all: a set, or that of a run or file by name (None: of the newest run).

    .npy holds the unit rows [K, D] float32 (in w+ [K, num_ws of the layers, w_dim]), .npz the same as "directions" with "sigma",
    "activeness" and "layers", or with `layout` "ganspace" the names of GANSpace's files (a step there is lat_stdev); .pt the rows as one
    tensor, or with "factorisation" the dictionary of rosinality's closed_form_factorization, directions in the columns of "eigvec".
    Gives the set.  Raises OptionError for another suffix or layout, and for a source without directions.
    """
    path = Path(path)
    known = LAYOUTS.get(path.suffix)
    if known is None:
        raise OptionError(f"cannot write {path.name}: directions are exported as {', '.join(LAYOUTS)}")
    layout = layout or known[0]
    if layout not in known:
        raise OptionError(f"{path.suffix} has no layout {layout!r}; choose {' or '.join(known)}")
    found = source if isinstance(source, DirectionSet) else _named(source, outdir, notice)
    rows = found.directions
    if found.space == "w+":
        rows = rows.reshape(len(rows), len(found.layers), -1)
    buffer = io.BytesIO()
    if path.suffix == ".npy":
        np.save(buffer, rows.numpy())
    elif layout == "ganspace":
        if found.space != "w":
            raise OptionError(f"GANSpace's files hold directions in w, and these are in {found.space}; write .npy or another layout")
        components, deviations = rows.unsqueeze(1).numpy(), found.sigma.numpy()
        mean = np.zeros((1, rows.shape[1]), np.float32)
        np.savez(
            buffer,
            act_comp=components,
            act_mean=mean,
            act_stdev=deviations,
            lat_comp=components,
            lat_mean=mean,
            lat_stdev=deviations,
            var_ratio=(deviations**2 / (deviations**2).sum()).astype(np.float32),
            random_stdevs=deviations,
        )
    elif path.suffix == ".npz":
        layers = np.array(found.layers, np.int64)
        np.savez(buffer, directions=rows.numpy(), sigma=found.sigma.numpy(), activeness=found.activeness.numpy(), layers=layers)
    elif layout == "factorisation":
        torch.save({"ckpt": "", "eigvec": rows.flatten(1).T.contiguous()}, buffer)
    else:
        torch.save(rows.contiguous().clone(), buffer)
    write_bytes(path, buffer.getvalue())
    return found


def _named(source: Any, outdir: str | Path, notice: Notice) -> DirectionSet:
    if hasattr(source, "directions"):
        return source.directions  # type: ignore[no-any-return]
    named = named_by(source, outdir, notice)
    if named.path is None:
        raise OptionError(f"{source} has no directions to export; name a run or a directions.safetensors")
    return named.directions
