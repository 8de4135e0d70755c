"""Tensor records -> torch tensors."""

from __future__ import annotations

import torch
from torch import Tensor

from orojar_cli.checkpoint.records import TensorRecord
from orojar_cli.errors import DamagedCheckpointError


def stored_tensor(record: TensorRecord) -> Tensor:
    """The tensor in its stored dtype, contiguous.  Only the bytes of this view are read."""
    numel, itemsize = record.numel, record.storage.itemsize
    flat = torch.empty(numel, dtype=getattr(torch, record.dtype))
    span = record.storage.data
    if numel:
        span.file.read_into(memoryview(flat.numpy()).cast("B"), span.offset + record.offset * itemsize)
    # A checked record is dense: it covers one stretch of its storage, in some order of its axes.
    return flat.as_strided(record.shape, record.stride).contiguous()


def materialise(tensors: dict[str, TensorRecord], where: str) -> dict[str, Tensor]:
    """Float32 tensors by name; raises DamagedCheckpointError for numbers that are not finite."""
    result = {}
    for name, record in tensors.items():
        tensor = stored_tensor(record).to(torch.float32)
        if not bool(torch.isfinite(tensor).all()):
            raise DamagedCheckpointError(f"damaged: {where}.{name} holds numbers that are not finite")
        result[name] = tensor
    return result
