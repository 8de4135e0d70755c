"""The factors of each world are measured in its own renderings, and its angles and categories change as such."""

from __future__ import annotations

import importlib
import math
import sys

import numpy as np
import pytest
import torch
from paths import ROOT

from orojar_cli import load_checkpoint
from orojar_cli.errors import OptionError
from orojar_cli.measures.bars_factors import bars_changes, measure_bars
from orojar_cli.measures.factors import Factor
from orojar_cli.measures.sprites_factors import SHAPES, SYMMETRY, measure_sprites, sprites_changes
from orojar_cli.measures.worlds import WORLDS, bundled_sha256, known_world, world_of
from orojar_cli.operations import metric_names


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch):
    """`drawn(world, N)`: (scenes, their images) of a world of examples/worlds."""
    monkeypatch.syspath_prepend(str(ROOT / "examples" / "worlds"))

    def draw(name: str, count: int):
        module = importlib.import_module(name)
        scenes = module.Scenes.sample(count, torch.Generator().manual_seed(4))
        return scenes, module.render(scenes)

    yield draw
    for name in WORLDS:
        sys.modules.pop(name, None)


def true_sprites(scenes) -> torch.Tensor:
    symmetry = torch.tensor(SYMMETRY)[scenes.shape]
    shares = torch.remainder(scenes.orientation / symmetry, 1)
    return torch.stack([scenes.shape.float(), scenes.scale, shares, scenes.x, scenes.y], 1)


def test_bars_are_measured(drawn) -> None:
    """Root mean square errors: 0.0015 of half the image for lengths and positions (a twentieth of a pixel), 0.004 rad for the angle."""
    scenes, images = drawn("bars", 1000)
    truth = torch.stack([scenes.x, scenes.y, scenes.angle, scenes.length, scenes.thickness, 0.15 + 0.6 * scenes.ground], 1)
    errors = bars_changes(measure_bars(images), truth)
    rms = errors.square().mean(0).sqrt()
    assert (rms < torch.tensor([0.0015, 0.0015, 0.004, 0.0015, 0.0015, 1e-6])).all(), rms
    assert (errors.abs().amax(0) < torch.tensor([0.02, 0.02, 0.05, 0.02, 0.02, 1e-5])).all()


def test_sprites_are_measured(drawn) -> None:
    """Every shape is told; positions within half a pixel, scales within 0.05, orientations within 6 degrees modulo the symmetry."""
    scenes, images = drawn("sprites", 1500)
    errors = sprites_changes(measure_sprites(images), true_sprites(scenes))
    assert not errors[:, 0].any()
    assert (errors[:, [1, 3, 4]].abs().amax(0) < torch.tensor([0.05, 1 / 64, 1 / 64])).all()
    degrees = errors[:, 2].abs() * torch.tensor(SYMMETRY)[scenes.shape] * 180 / math.pi
    assert degrees.max() < 6
    assert [len(scenes.shape[scenes.shape == index]) > 400 for index in range(len(SHAPES))] == [True] * 3


def test_noise_of_the_ground_weighs_little(drawn) -> None:
    for name, bounds in (("bars", (0.01, 0.01, 0.03, 0.01, 0.01, 0.01)), ("sprites", (0.0, 0.03, 0.03, 0.01, 0.01))):
        _, images = drawn(name, 200)
        world = WORLDS[name]
        noisy = images + 0.1 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
        errors = world.changes(world.measure(noisy), world.measure(images))
        assert (errors.square().mean(0).sqrt() <= torch.tensor(bounds)).all(), name


def test_a_hand_drawn_bar_and_square() -> None:
    image = torch.full((1, 3, 64, 64), -1.0)
    image[0, :, 28:36, 16:48] = 2 * torch.tensor([0.98, 0.92, 0.8]).view(3, 1, 1) - 1
    assert measure_bars(image)[0].tolist() == pytest.approx([0, 0, 0, 0.5, 0.125, 0], abs=2e-3)
    assert measure_bars(image.transpose(2, 3))[0, 2].abs().item() == pytest.approx(math.pi / 2, abs=1e-3)
    square = torch.full((1, 1, 64, 64), -1.0)
    square[0, 0, 10:20, 30:40] = 1
    shape, scale, share, x, y = measure_sprites(square)[0].tolist()
    assert (shape, min(share, 1 - share)) == pytest.approx((0, 0), abs=1e-5)
    assert (scale, x, y) == pytest.approx((20 / 64 / 0.66, 3 / 32, -17 / 32), abs=1e-3)


def test_blank_pictures_have_finite_factors() -> None:
    for world in WORLDS.values():
        for level in (-1.0, 1.0):
            assert torch.isfinite(world.measure(torch.full((2, 3, 64, 64), level))).all(), world.name


def test_angles_change_by_half_a_period_and_categories_by_one() -> None:
    before, after = torch.zeros(1, 6), torch.tensor([[0.1, 0, 3.0, 0, 0, 0]])
    assert bars_changes(after, before)[0].tolist() == pytest.approx([0.1, 0, 3.0 - math.pi, 0, 0, 0], abs=1e-6)
    # A square at an eighth of a turn, a heart at a quarter and a quarter of a quarter: between them is a quarter of a quarter turn.
    square, heart = torch.tensor([[0, 1, 0.5, 0, 0.0]]), torch.tensor([[2, 1, 0.25 + 0.0625, 0, 0.0]])
    assert sprites_changes(heart, square)[0].tolist() == pytest.approx([1, 0, -0.25, 0, 0], abs=1e-6)
    assert sprites_changes(heart, heart)[0].tolist() == [0] * 5
    turned = torch.tensor([[2, 1, 0.95, 0, 0.0]])
    assert sprites_changes(turned, torch.tensor([[2, 1, 0.05, 0, 0.0]]))[0, 2].item() == pytest.approx(-0.1, abs=1e-6)


def test_deviations_of_angles_and_categories() -> None:
    rng = np.random.default_rng(0)
    spread = torch.from_numpy(rng.normal(0, 0.3, 5000))
    angle = Factor("angle", period=2 * math.pi)
    wrapped = torch.remainder(spread + math.pi, 2 * math.pi)
    assert angle.deviation(wrapped).item() == pytest.approx(spread.std().item(), rel=1e-6)
    assert angle.deviation(torch.remainder(spread, 2 * math.pi)).item() == pytest.approx(spread.std().item(), rel=1e-6)
    coins = torch.from_numpy(rng.integers(0, 2, 5000)).double()
    # Of two categories it is that of the numbers 0 and 1.
    assert Factor("coin", categories=2).deviation(coins).item() == pytest.approx(coins.std(correction=0).item(), rel=1e-9)
    assert Factor("one", categories=3).deviation(torch.ones(10)).item() == 0
    assert Factor("number").deviation(spread).item() == pytest.approx(spread.std().item())


def test_worlds_are_known_by_name_or_network(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tuple(WORLDS) == metric_names.WORLDS and all(name == world.name for name, world in WORLDS.items())
    assert world_of(bundled_sha256()) == "shapes" and world_of("") is None and world_of(None) is None and world_of("0" * 64) is None
    assert known_world("0" * 64, None) is None and known_world("0" * 64, "bars") is WORLDS["bars"]
    for world in WORLDS.values():
        assert all(world_of(sha256) == world.name for sha256 in world.networks)
    with pytest.raises(OptionError, match="unknown world 'cars'; choose one of shapes, bars, sprites"):
        known_world("", "cars")


@pytest.mark.parametrize(("file", "name"), [("shapes32.pkl", "shapes"), ("bars64.pkl", "bars"), ("sprites32.pth", "sprites")])
def test_our_networks_draw_their_worlds(file: str, name: str) -> None:
    """Each is recognised, stands in its page with this hash, and varies in every factor about as much as the world."""
    path = ROOT / "checkpoints" / file
    generator = load_checkpoint(path).generator
    page = (path.parent / "README.md").read_text(encoding="utf-8")
    assert world_of(generator.sha256) == name and f"SHA-256 `{generator.sha256}`" in page and f"`{file}`" in page
    rng, world = torch.Generator().manual_seed(0), WORLDS[name]
    with torch.no_grad():
        drawn = torch.cat([generator(z) for z in torch.randn(600, generator.z_dim, generator=rng).split(200)])
    sys.path.insert(0, str(ROOT / "examples" / "worlds"))
    try:
        renderer = importlib.import_module(name)
    finally:
        sys.path.pop(0)
    scenes = renderer.render(renderer.Scenes.sample(600, rng), drawn.shape[-1])
    ratio = world.deviations(world.measure(drawn)) / world.deviations(world.measure(scenes))
    assert ratio.min() > 0.8 and ratio.max() < 1.2


def test_dsprites_values() -> None:
    """Matthey et al. 2017: 3 shapes, 6 scales, 40 orientations, 32 x 32 positions."""
    sys.path.insert(0, str(ROOT / "examples" / "worlds"))
    try:
        world = importlib.import_module("sprites")
    finally:
        sys.path.pop(0)
    assert world.SHAPES == SHAPES and len(world.SCALES) == 6 and len(world.ORIENTATIONS) == 40 and len(world.POSITIONS) == 32
    assert (world.SCALES[0], world.SCALES[-1]) == (0.5, 1) and world.ORIENTATIONS[-1].item() == pytest.approx(2 * math.pi)
    scenes = world.Scenes.sample(20_000, torch.Generator().manual_seed(0))
    assert [len(values.unique()) for values in (scenes.shape, scenes.scale, scenes.orientation, scenes.x, scenes.y)] == [3, 6, 40, 32, 32]
    assert len(world.render(world.Scenes.sample(50, torch.Generator().manual_seed(0))).unique()) == 2
