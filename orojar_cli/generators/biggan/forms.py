"""How the tensors of both layouts are stored."""

from __future__ import annotations

from orojar_cli.containers.derived import Form
from orojar_cli.generators.unmapped_config import START

_PIXELS = START**2

TRANSPOSED = Form(lambda shape: shape[::-1], lambda tensor: tensor.T.contiguous(), lambda tensor: tensor.T.contiguous())
# A row of statistics, or the one factor of an attention, that one layout has with an axis more than the other.
ROW = Form(lambda shape: shape[1:], lambda tensor: tensor[None], lambda tensor: tensor[0])
# Rows of a first layer whose 4x4 pixels come before their channels.
PIXELS_FIRST = Form(
    lambda shape: shape,
    lambda tensor: tensor.unflatten(0, (_PIXELS, -1)).transpose(0, 1).flatten(0, 1).contiguous(),
    lambda tensor: tensor.unflatten(0, (-1, _PIXELS)).transpose(0, 1).flatten(0, 1).contiguous(),
)


def class_first(class_size: int) -> Form:
    """Columns that read the class vector, then z; ours read z first."""
    return Form(
        lambda shape: shape,
        lambda tensor: tensor.roll(-class_size, 1),
        lambda tensor: tensor.roll(class_size, 1),
    )


def accumulated(count: float) -> Form:
    """A row of statistics kept as the sum over `count` batches."""
    return Form(ROW.stored_shape, lambda tensor: tensor[None] / count, lambda tensor: tensor[0] * count)
