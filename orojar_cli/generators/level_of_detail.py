"""How far a progressively grown network has grown (Karras et al. 2018, arXiv 1710.10196, figure 2)."""

from __future__ import annotations

from orojar_cli.containers.records import TensorRecord
from orojar_cli.containers.state_dict import small_values
from orojar_cli.errors import DamagedCheckpointError


def level_of_detail(value: TensorRecord | float, where: str) -> float:
    """How many doublings the network has still to grow, 0 when training is over; the fraction is the share of the image that still
    comes from the resolution before the last.  Raises DamagedCheckpointError for anything but one number from 0 up."""
    numbers = small_values(value) if isinstance(value, TensorRecord) else (value,)
    if numbers is None or len(numbers) != 1 or not 0 <= numbers[0] < 16:
        raise DamagedCheckpointError(f"damaged: {where}.lod is not a number from 0 up")
    return float(numbers[0])
