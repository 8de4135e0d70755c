"""A painted part of the picture is held as still as the active subspace allows, and the step keeps its effect elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toys import linear

from orojar_cli import load_checkpoint
from orojar_cli.directions import DirectionSet
from orojar_cli.directions import kept as module
from orojar_cli.directions.kept import Region, kept_path
from orojar_cli.directions.region import mask_of, painted_region, region_text
from orojar_cli.errors import OptionError
from orojar_cli.latents.points import Latents, seed_latents
from orojar_cli.response.jacobian import Response


def axes(dim: int) -> DirectionSet:
    return DirectionSet(torch.eye(dim), torch.ones(dim), torch.ones(dim), "axes", "w", (0,), "")


def test_the_step_is_the_one_that_changes_the_region_least(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a search: of steps with the same effect outside none is better by the measure that the docstring names."""
    monkeypatch.setattr(module, "RIDGE", 1e-9)
    rng = torch.Generator().manual_seed(0)
    matrix, weights = torch.randn(16, 4, generator=rng), torch.linspace(0, 1, 16)
    path, _ = kept_path(linear(matrix), Latents(torch.zeros(1, 4)), axes(4), [(0, 1.0)], [], region=Region(weights, torch.eye(4)[1:]))
    found, step = path(1.0)[0].double(), torch.eye(4, dtype=torch.float64)[0]
    wide = matrix.double()
    inside, outside = (wide.T @ (share[:, None] * wide) for share in (weights.double(), 1 - weights.double()))
    mu = float(step @ inside @ step / (step @ outside @ step))

    def cost(taken: torch.Tensor) -> float:
        return float(taken @ inside @ taken + mu * (taken - step) @ outside @ (taken - step))

    torch.testing.assert_close(found @ outside @ step, step @ outside @ step, rtol=1e-4, atol=1e-4)
    assert found[0] == pytest.approx(1, abs=1e-5) and cost(found) < cost(step)
    level = torch.linalg.svd((outside @ step)[1:][None]).Vh[1:]  # along which the effect outside stays
    for _ in range(100):
        other = found.clone()
        other[1:] += 0.05 * torch.randn(2, generator=rng, dtype=torch.float64) @ level
        assert cost(other) >= cost(found) - 1e-6
    assert float((found - step) @ outside @ (found - step)) <= float(step @ outside @ step)


def test_a_direction_of_the_region_alone_is_taken_out_and_what_reaches_both_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pixels 0 and 1 are the region; the step changes 0 and 2, a free direction only 0, another only 3."""
    monkeypatch.setattr(module, "RIDGE", 1e-9)
    matrix = torch.zeros(4, 3)
    matrix[0, 0] = matrix[2, 0] = matrix[0, 1] = matrix[3, 2] = 1
    region = Region(torch.tensor([1.0, 1, 0, 0]), torch.eye(3)[1:])
    at = Latents(torch.zeros(2, 3))
    path, _ = kept_path(linear(matrix), at, axes(3), [(0, 1.0)], [], region=region)
    torch.testing.assert_close(path(-2.0), torch.tensor([-2.0, 2.0, 0.0]).expand(2, -1), atol=1e-4, rtol=0)
    # Where nothing is free to make up for it, the step is itself.
    alone = Region(region.weights, torch.eye(3)[2:])
    path, _ = kept_path(linear(matrix), at, axes(3), [(0, 1.0)], [], region=alone)
    torch.testing.assert_close(path(1.0), torch.tensor([1.0, 0.0, 0.0]).expand(2, -1), atol=1e-4, rtol=0)


def test_kept_dimensions_and_a_region_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RIDGE", 1e-9)
    matrix = torch.randn(16, 5, generator=torch.Generator().manual_seed(3))
    region = Region(torch.linspace(0, 1, 16), torch.eye(5)[1:])
    path, _ = kept_path(linear(matrix), Latents(torch.zeros(1, 5)), axes(5), [(0, 1.0)], [2], region=region)
    moved = path(1.0)[0]
    assert abs(float(moved @ matrix.T @ matrix[:, 2])) < 1e-2 < abs(float(matrix[:, 0] @ matrix[:, 2]))
    assert float((region.weights * (matrix @ moved) ** 2).sum()) < float((region.weights * matrix[:, 0] ** 2).sum())


def test_a_half_of_real_pictures_is_held_still(shapes) -> None:
    generator, mask = shapes.generator, np.zeros((96, 96), np.float32)
    mask[:, :48] = 1
    region = painted_region(generator, wide(shapes), region_text(mask, generator.image_shape))
    assert len(region.free) <= 24 and region.weights.shape == (3 * 32 * 32,)
    at, response = seed_latents(generator, range(6)), Response(generator)
    changes = []
    for chosen in (None, region):
        path, _ = kept_path(generator, at, wide(shapes), [(0, 1.0)], [], region=chosen)
        with torch.no_grad():
            changes.append(response(at, path(1.0))[0] - response(at, torch.zeros(6, 64))[0])
    inside, outside = ([float((change.square() * share).sum()) for change in changes] for share in (region.weights, 1 - region.weights))
    assert inside[1] < 0.7 * inside[0] and 0.5 * outside[0] < outside[1] < 1.5 * outside[0]


def wide(shapes) -> DirectionSet:
    basis = torch.linalg.qr(torch.randn(64, 2, generator=torch.Generator().manual_seed(2))).Q.T
    return DirectionSet(basis, torch.full((2,), 2.0), torch.ones(2), "two", "w", tuple(range(8)), shapes.sha256)


def test_masks_are_kept_as_text_of_their_levels(references) -> None:
    painted = np.zeros((128, 64), np.float32)
    painted[:64] = 1
    text = region_text(painted, (3, 64, 32))
    assert text.startswith("64x32:f") and text.endswith("0")
    expected = torch.zeros(64, 32)
    expected[:32] = 1
    assert torch.equal(mask_of(text), expected)
    assert region_text(painted, (3, 1024, 512)) == text
    assert mask_of(region_text(painted, (3, 4, 2))).tolist() == [[1, 1], [1, 1], [0, 0], [0, 0]]
    for other in (np.zeros((64, 64)), np.ones((128, 64)), np.zeros((128, 64))):
        with pytest.raises(OptionError, match=r"proportions|nothing, or everything"):
            region_text(other.astype(np.float32), (3, 64, 32))
    for wrong in ("", "2x2:00f", "2x2:00fg", "99x99:" + "0" * 9801, "2x2", "0x2:"):
        with pytest.raises(OptionError, match="is no mask"):
            mask_of(wrong)
    loaded = load_checkpoint(references / "sg2_skip_32.pkl")
    found = DirectionSet(torch.eye(loaded.generator.w_dim)[:1], torch.ones(1), torch.ones(1), "a", "w", (0,), loaded.sha256)
    loaded.generator.differentiable = False
    with pytest.raises(OptionError, match="--keep-picture needs gradients"):
        painted_region(loaded.generator, found, text)
