"""Axes that bend: a mapping that is straight axes exactly, a smooth map of them, and what it is held to."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from paths import ROOT
from torch import Tensor, nn

from orojar_cli import load_checkpoint
from orojar_cli.generators.mapping import Mapping
from orojar_cli.tuning.anchor import Anchor
from orojar_cli.tuning.bend import Bend, bent_axes, can_widen, squared_cosines, straight_mapping, volume_change
from orojar_cli.tuning.mapping import MappingOptions, bending_losses, install_mapping, tune_mapping
from orojar_cli.tuning.state import TrainingState
from orojar_cli.tuning.training import Stage, run_stages


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def anchored(generator, seed: int = 3, active: int = 4) -> Anchor:
    """An anchor whose frame is any matrix: that of a network whose w would be normal."""
    dim = generator.w_dim
    frame = torch.linalg.qr(normal(dim, dim, seed=seed)).Q * torch.linspace(2.0, 0.1, dim)[:, None]
    weights = torch.where(torch.arange(dim) < active, 1.0, 0.05)
    return Anchor(normal(dim, seed=seed + 1), frame, torch.linalg.inv(frame), weights, frame.new_zeros(0, dim), generator, normal(64, 12))


@pytest.fixture
def generator():
    return load_checkpoint(ROOT / "checkpoints" / "shapes32.pkl").generator


@pytest.mark.parametrize("larger", [0, 7])
@pytest.mark.parametrize("normalised", [True, False])
def test_the_wide_mapping_is_the_straight_axes_but_for_rounding(generator, larger: int, normalised: bool) -> None:
    """Also where z has more dimensions than w, of which the first then move it."""
    config = replace(generator.mapping.config, z_dim=64 + larger, normalize_z=normalised)
    generator.mapping = Mapping(config)
    anchor = anchored(generator)
    mapping = straight_mapping(anchor, seed=1)
    z = 3 * normal(200, 64 + larger, seed=2)
    read = z * (64 + larger) ** 0.5 / z.norm(dim=1, keepdim=True) if normalised else z
    straight = anchor.mean + read[:, :64] @ anchor.frame
    assert torch.allclose(mapping.w(z), straight, atol=2e-4 if not normalised else 1e-4)
    assert torch.allclose(anchor.of(Bend(anchor, 1).w(z)), read[:, :64], atol=1e-3)
    assert torch.equal(mapping.w_avg, anchor.mean)


def test_the_spare_numbers_of_the_wide_mapping_can_learn(generator) -> None:
    """They reach the output through the weights that are zero at first, so these have a gradient."""
    anchor = anchored(generator)
    mapping = straight_mapping(anchor, seed=1).requires_grad_(True)
    mapping.w(normal(64, 64)).square().sum().backward()
    spare = mapping.layers[2].weight.grad[:64, 64:]
    assert bool((spare.abs().amax(0) > 0).all())


def test_which_networks_have_a_place_for_a_wide_mapping(generator) -> None:
    assert can_widen(generator)
    for change in ({"c_dim": 3}, {"activation": "relu"}, {"z_dim": 32}):
        other = copy.copy(generator)
        other.__dict__["_modules"] = dict(generator.__dict__["_modules"])
        other.mapping = Mapping(replace(generator.mapping.config, **change))
        assert not can_widen(other)
    reference = ROOT / "checkpoints" / "sprites32.pth"
    assert not can_widen(load_checkpoint(reference).generator)


def test_squared_cosines_and_volume_by_hand() -> None:
    columns = torch.tensor([[[1.0, 0.0, 0.0], [3.0, 3.0, 0.0], [0.0, 0.0, 2.0]]])
    assert float(squared_cosines(columns)) == pytest.approx(0.5 / 3)
    assert float(squared_cosines(5 * columns)) == pytest.approx(0.5 / 3)
    block = torch.tensor([[[2.0, 5.0], [0.0, 3.0]], [[0.0, 1.0], [-1.0, 0.0]]])
    assert float(volume_change(block)) == pytest.approx(float(torch.tensor(6.0).log().square()) / 2, rel=1e-5)
    block.requires_grad_(True)
    volume_change(block).backward()
    assert bool(torch.isfinite(block.grad).all())


def test_axes_that_hardly_move_the_image_are_not_bent(generator) -> None:
    anchor = anchored(generator, active=6)
    assert bent_axes(anchor) == 6
    assert bent_axes(replace(anchor, weights=torch.ones(64))) == 12
    assert bent_axes(replace(anchor, weights=torch.eye(64)[0])) == 2


class Sheared(nn.Module):
    """Images [N, 3] of coordinates: the plane (x, y) with y sheared by an angle that x decides, and one weak axis."""

    def forward(self, c: Tensor) -> Tensor:
        x, y = c[:, 0], c[:, 1]
        return torch.stack([x + 0.5 * y.sin(), y, 0.01 * c[:, 2]], 1)


def test_bending_makes_columns_orthogonal_and_holds_volume_and_distribution(generator) -> None:
    """No straight axes of the sheared plane are orthogonal everywhere; some that bend are."""
    anchor = replace(anchored(generator, active=2), images=normal(64, 3))
    surrogate = Sheared()
    # The frozen network's w is the frame's own normal distribution.
    generator.mapping.w = lambda z, label=None: anchor.mean + z * 8 / z.norm(dim=1, keepdim=True) @ anchor.frame
    options = replace(MappingOptions(anchor_batch=512).bending, batch=128)

    def judged(bend: Bend) -> dict[str, float]:
        seeds = (torch.Generator().manual_seed(1 << 20 | seed) for seed in range(8))
        drawn = [bending_losses(bend, anchor, surrogate, options, 0, rng) for rng in seeds]
        return {name: float(torch.stack([losses[name].detach() for losses in drawn]).mean()) for name in drawn[0]}

    def trained(options: MappingOptions) -> dict[str, float]:
        bend = Bend(anchor, 0)

        def losses(bend: Bend, step: int, rng: torch.Generator) -> dict[str, Tensor]:
            return bending_losses(bend, anchor, surrogate, options, step, rng)

        run_stages(generator.mapping, (Stage("training", 300, options.learning_rate, losses, module=bend),), 0, TrainingState())
        return judged(bend)

    loose = replace(options, volume_weight=0.0, latent_weight=0.0, image_weight=0.0)
    before, after, free = judged(Bend(anchor, 0)), trained(options), trained(loose)
    assert before["cosines"] > 0.06
    assert after["cosines"] < 0.6 * before["cosines"]
    assert after["latents"] < before["latents"] + 0.02
    assert free["cosines"] < 0.1 * before["cosines"]
    assert after["volume"] < 0.5 * free["volume"] and after["latents"] < 0.5 * free["latents"], (after, free)
    assert after["total"] < before["total"], (before, after)


def test_what_bends_is_what_is_written(prepared, settings, quick) -> None:
    """The layers are regressed onto the bent axes: nearer to them than the straight ones are."""
    generator, anchor, surrogate, _ = prepared
    options = replace(quick.bending, steps=60, regression_steps=400, batch=32)
    bends: list[Bend] = []

    class Recorded(Bend):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments)  # type: ignore[arg-type]
            bends.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("orojar_cli.tuning.mapping.Bend", Recorded)
        mapping, _ = tune_mapping(generator, anchor, surrogate, settings, options)
    z = normal(2048, 64, seed=9)
    with torch.no_grad():
        wanted, made, straight = (anchor.of(each.w(z)) for each in (bends[0], mapping, straight_mapping(anchor, settings.seed)))
    away, moved = (((points - wanted) * anchor.weights).square().sum(1).mean() for points in (made, straight))
    assert float(away) < 0.5 * float(moved)
    tuned = copy.deepcopy(generator)
    install_mapping(tuned, mapping, settings)
    assert tuned.config.mapping == mapping.config != generator.config.mapping and tuned.sha256 == ""
