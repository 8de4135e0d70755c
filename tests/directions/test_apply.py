"""A direction set moves what it is given, at its own layers and in its own space, or says why not."""

from __future__ import annotations

import pytest
import torch

from orojar_cli.directions import DirectionSet
from orojar_cli.errors import DirectionSetError, OptionError


def found(shapes, space: str = "w", layers=(0, 2), checkpoint: str | None = None) -> DirectionSet:
    sha256 = shapes.sha256 if checkpoint is None else checkpoint
    return DirectionSet(torch.eye(64)[:2], torch.tensor([1.0, 2.0]), torch.ones(2), "test", space, layers, sha256, ("", "size"))


def test_only_the_layers_of_the_set_move(shapes) -> None:
    generator, z = shapes.generator, torch.randn(2, 64, generator=torch.Generator().manual_seed(0))
    ws = generator.mapping(z)
    expected = ws.clone()
    expected[:, [0, 2], 1] += 3
    for at in (ws, z):
        torch.testing.assert_close(found(shapes).apply(generator, at, "size", 1.5), expected)
    strengths = found(shapes).apply(generator, ws, 0, torch.tensor([1.0, -1.0]), layers=[1])
    torch.testing.assert_close((strengths - ws)[:, 1, 0], torch.tensor([1.0, -1.0]))
    moved = found(shapes, "z", tuple(range(8))).apply(generator, z, 0, 2.0)
    torch.testing.assert_close(moved, generator.mapping(z + 2 * torch.eye(64)[0]))


def test_what_cannot_be_moved_is_refused(shapes) -> None:
    ws = shapes.generator.mapping(torch.zeros(1, 64) + 1)
    with pytest.raises(OptionError, match="directions in z move latents"):
        found(shapes, "z").apply(shapes.generator, ws, 0, 1.0)
    with pytest.raises(OptionError, match="no dimension 9"):
        found(shapes).apply(shapes.generator, ws, 9, 1.0)
    with pytest.raises(DirectionSetError, match="another network"):
        found(shapes, checkpoint="0" * 64).apply(shapes.generator, ws, 0, 1.0)
