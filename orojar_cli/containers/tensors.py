"""Tensor records -> torch tensors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from orojar_cli.containers.derived import DerivedRecord
from orojar_cli.containers.records import TensorRecord
from orojar_cli.errors import DamagedCheckpointError


def stored_tensor(record: TensorRecord | DerivedRecord) -> Tensor:
    """The tensor in its stored dtype, contiguous; a derived one is computed from its source.  Only the bytes of this view are read."""
    if isinstance(record, DerivedRecord):
        made: Tensor = record.make(None if record.source is None else stored_tensor(record.source))
        return made.reshape(record.shape)
    numel, itemsize = record.numel, record.storage.itemsize
    flat = torch.empty(numel, dtype=getattr(torch, record.dtype), device="cpu")
    span = record.storage.data
    if numel:
        # As bytes, because numpy has no bfloat16; its stubs do not say that arrays are buffers.
        raw: Any = flat.view(torch.uint8).numpy()
        span.file.read_into(memoryview(raw).cast("B"), span.offset + record.offset * itemsize)
    # A checked record is dense: it covers one stretch of its storage, in some order of its axes.
    return flat.as_strided(record.shape, record.stride).contiguous()


def materialise(tensors: Mapping[str, TensorRecord | DerivedRecord], where: str) -> dict[str, Tensor]:
    """Float32 tensors by name; raises DamagedCheckpointError for numbers that are not finite."""
    result = {}
    for name, record in tensors.items():
        tensor = stored_tensor(record).to(torch.float32)
        # A finite sum has only finite terms and is much faster to find; a sum can also overflow, so it does not condemn.
        with np.errstate(all="ignore"):
            total = float(tensor.numpy().sum())
        if not math.isfinite(total) and not bool(torch.isfinite(tensor).all()):
            raise DamagedCheckpointError(f"damaged: {where}.{name} holds numbers that are not finite")
        result[name] = tensor
    return result
