"""Where Gram matrices are diagonalised: the work is in float64, which not every device has, and waits for its numbers at every sweep."""

from __future__ import annotations

import torch
from torch import Tensor

from orojar_cli.devices import free_memory, wide
from orojar_cli.diagonaliser.grams import Grams, chunk_numbers, dimension

# Multiplications of one product of all matrices with a rotation from which on another device pays: about a tenth of a second of a core.
# A sweep takes one product or more, and waits for the device 23 times (for the log-likelihood up to 41), each some tens of microseconds.
WORTH = 1 << 30
# Of the matrices in float64, and of a chunk of them: as given, inside the joint range, and what is made of these.
_COPIES = 3


def working_place(grams: Grams, device: torch.device | None = None) -> torch.device:
    """Where the search runs: on the matrices' own device, or on `device` where the search is large enough and its memory holds it.

    The processor, where that has no float64.
    """
    own = grams.device
    if device is not None and own.type == "cpu" and device.type != "cpu" and _pays(grams, device):
        own = device
    return own if wide(own) == torch.float64 else torch.device("cpu")


def _pays(grams: Grams, device: torch.device) -> bool:
    numbers = grams.numel() if isinstance(grams, Tensor) else grams.factors.numel()
    free = free_memory(device)
    needed = 8 * _COPIES * (numbers + min(numbers, chunk_numbers(device)))
    return numbers * dimension(grams) >= WORTH and (free is None or 2 * needed <= free)
