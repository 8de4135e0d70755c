"""What may be given to a generator: latents, labels, ws and truncation; everything else is refused with one sentence.

Only shapes, types and devices are looked at, never numbers of tensors: the checks cost microseconds, and hold under forward
differentiation and vmap.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from orojar_cli.errors import OptionError
from orojar_cli.generators.options import NOISE_MODES


def check_latents(z: Tensor, label: Tensor | None, z_dim: int, c_dim: int, device: torch.device, dtype: torch.dtype | None = None) -> None:
    """Raise OptionError unless z is [N, z_dim], on `device` and of `dtype` (None: any floats), and its label is as in `check_label`."""
    if not isinstance(z, Tensor) or z.ndim != 2 or z.shape[1] != z_dim:
        raise OptionError(f"z must be a tensor [N, {z_dim}], not {_shape(z)}")
    _check_numbers("z", z, device, dtype)
    check_label(label, len(z), c_dim, device)


def check_label(label: Tensor | None, count: int | None, c_dim: int, device: torch.device) -> None:
    """Raise OptionError unless `label` is [count, c_dim] on `device`, or None without classes; `count` None takes any number."""
    if not c_dim:
        if label is not None and (not isinstance(label, Tensor) or label.numel()):
            raise OptionError("this network is not conditional: leave out the label")
        return
    if label is None or not isinstance(label, Tensor) or label.ndim != 2 or label.shape[1] != c_dim:
        found = "" if label is None else f", as a label [N, {c_dim}], not {_shape(label)}"
        raise OptionError(f"this network is conditional: give a class from 0 to {c_dim - 1} (--class){found}")
    if count is not None and len(label) != count:
        raise OptionError(f"{len(label)} labels for {count} latents: give one label [{c_dim}] for each")
    if label.device != device:
        raise OptionError(f"label is on {label.device}, the network on {device}: use label.to(generator.device)")


def check_ws(ws: Tensor, num_ws: int, w_dim: int, device: torch.device, dtype: torch.dtype | None = None) -> None:
    """Raise OptionError unless ws is [N, num_ws, w_dim], on `device` and of `dtype` (None: any floats)."""
    if not isinstance(ws, Tensor) or ws.ndim != 3 or tuple(ws.shape[1:]) != (num_ws, w_dim):
        raise OptionError(f"ws must be a tensor [N, {num_ws}, {w_dim}], not {_shape(ws)}; generator.mapping makes one of z")
    _check_numbers("ws", ws, device, dtype)


def _check_numbers(name: str, tensor: Tensor, device: torch.device, dtype: torch.dtype | None) -> None:
    if tensor.device != device:
        raise OptionError(f"{name} is on {tensor.device}, the network on {device}: use {name}.to(generator.device)")
    if not tensor.is_floating_point():
        raise OptionError(f"{name} holds numbers of the type {_name(tensor.dtype)}; it must be floating: use {name}.float()")
    if dtype is not None and tensor.dtype != dtype and not torch.is_autocast_enabled(device.type):
        raise OptionError(f"{name} holds {_name(tensor.dtype)}, the network {_name(dtype)}: use {name}.to(torch.{_name(dtype)})")


def check_noise_mode(mode: str) -> None:
    """Raise OptionError for a noise mode that there is not."""
    if mode not in NOISE_MODES:
        raise OptionError(f"unknown noise mode {mode!r:.60}; choose one of {', '.join(NOISE_MODES)}")


def last_resolution(until: int | None, resolutions: Sequence[int], what: str = "block") -> int:
    """The resolution to compute to, None for the last; raises OptionError where there is no `what` of it."""
    if until is None:
        return resolutions[-1]
    if until not in resolutions:
        raise OptionError(f"no {what} of resolution {until}; this network has {', '.join(map(str, resolutions))}")
    return until


def check_only_image(resolution: int | None, family: str, own: int) -> None:
    """Raise OptionError for a smaller image of a network that has none on the way to its `own` resolution."""
    if resolution not in (None, own):
        raise OptionError(f"a {family} has no image at resolution {resolution}, only at {own}; use an averaged image or a block's features")


def truncation(
    psi: float | None, cutoff: int | None, truncation_psi: float | None = None, truncation_cutoff: int | None = None
) -> tuple[float, int | None]:
    """(psi, cutoff) under either name, psi 1 where it is not given; raises OptionError where the two differ, psi is
    not finite or cutoff negative."""
    if psi is not None and truncation_psi is not None and psi != truncation_psi:
        raise OptionError(f"psi = {psi} and truncation_psi = {truncation_psi} are the same option: give one of them")
    if cutoff is not None and truncation_cutoff is not None and cutoff != truncation_cutoff:
        raise OptionError(f"cutoff = {cutoff} and truncation_cutoff = {truncation_cutoff} are the same option: give one of them")
    psi = truncation_psi if psi is None else psi
    cutoff = truncation_cutoff if cutoff is None else cutoff
    if psi is not None and not isinstance(psi, Tensor) and not math.isfinite(psi):
        raise OptionError(f"psi = {psi}: truncation needs a finite number, 1 for none")
    if cutoff is not None and cutoff < 0:
        raise OptionError(f"cutoff = {cutoff}: it is how many entries of ws are truncated, from 0 up; leave it out for all")
    return 1.0 if psi is None else psi, cutoff


def _shape(value: object) -> str:
    return str(list(value.shape)) if isinstance(value, Tensor) else f"a {type(value).__name__}"


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
