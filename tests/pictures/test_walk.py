from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from paths import REFERENCES

import orojar_cli
from orojar_cli import load_checkpoint
from orojar_cli.directions import DirectionSet
from orojar_cli.errors import OptionError
from orojar_cli.latents.points import Latents, seed_latents
from orojar_cli.latents.projected import ProjectedLatents
from orojar_cli.pictures.axes import affordable_grid, grid_size
from orojar_cli.pictures.scene import Still, Subject
from orojar_cli.pictures.walk import Renderer, along, centring, moved_ws, round_steps, strengths, there_and_back, walk, walk_ws
from orojar_cli.pictures.ways import Ways


def axes(shapes, space: str = "w", layers=tuple(range(8))) -> DirectionSet:
    dim = 64 * (len(layers) if space == "w+" else 1)
    return DirectionSet(torch.eye(dim)[:4], torch.tensor([1.0, 2.0, 1.0, 1.0]), torch.ones(4), "test", space, layers, shapes.sha256)


def test_seeds_mean_what_stylegan_users_expect(shapes) -> None:
    at = seed_latents(shapes.generator, [7, 3])
    assert np.allclose(at.z[0].numpy(), np.random.RandomState(7).randn(1, 64)[0], atol=1e-6)
    assert torch.equal(at.z[1], seed_latents(shapes.generator, [3]).z[0])


@pytest.mark.parametrize("seeds", [[], [-1], [2**32]])
def test_impossible_seeds_are_refused(shapes, seeds) -> None:
    with pytest.raises(OptionError):
        seed_latents(shapes.generator, seeds)


def test_strengths_are_even_and_centred() -> None:
    assert strengths(3, 7) == pytest.approx([-3, -2, -1, 0, 1, 2, 3])
    assert strengths(3, 1) == [0.0]


@pytest.mark.parametrize(
    ("extent", "steps"), [(3.0, 7), (1.5, 7), (6.0, 7), (0.3, 7), (2.0, 5), (1.0, 5), (2.5, 5), (4.0, 5), (-3.0, 7), (0.0, 7)]
)
def test_strengths_that_nobody_counted_are_round(extent: float, steps: int) -> None:
    assert round_steps(extent) == steps
    assert all(float(f"{value:.3g}") == pytest.approx(value, abs=1e-12) for value in strengths(extent, steps))


@given(st.floats(1e-3, 100), st.integers(2, 50))
def test_strengths_mirror_each_other_and_reach_both_ends(extent: float, steps: int) -> None:
    found = strengths(extent, steps)
    assert len(found) == steps and (found[0], found[-1]) == (-extent, extent)
    assert found == pytest.approx([-value for value in reversed(found)], abs=1e-12 * extent)
    assert np.diff(found) == pytest.approx(np.full(steps - 1, 2 * extent / (steps - 1)))


@pytest.mark.parametrize("ease", [True, False])
def test_a_loop_is_seamless_and_reaches_both_ends(ease: bool) -> None:
    values = there_and_back(3.0, 48, ease)
    assert len(values) == 48 and values[0] == pytest.approx(0)
    assert max(values) == pytest.approx(3) and min(values) == pytest.approx(-3)
    assert np.argmax(values) < np.argmin(values)  # towards plus first, whatever the pace
    steps = np.diff([*values, values[0]])
    assert np.abs(steps).max() <= 1.6 * 12 / 48
    assert int((np.diff(np.sign(steps[np.abs(steps) > 1e-9])) != 0).sum()) == 2  # turns only at the two ends


def test_a_loop_between_others_starts_and_ends_at_rest() -> None:
    values = np.array(there_and_back(3.0, 96, rest=True))
    assert values[0] == 0 and values.max() == pytest.approx(3) and values.min() == pytest.approx(-3)
    steps = np.diff([*values, values[0]])
    assert np.abs(steps[[0, -1]]).max() < 0.1 * np.abs(steps).max()
    assert np.abs(np.diff(steps)).max() < 0.15 * np.abs(steps).max()
    assert int((np.diff(np.sign(steps[np.abs(steps) > 1e-9])) != 0).sum()) == 2


def test_displacements_along_a_direction_and_edits_add_up(shapes) -> None:
    steps = along(axes(shapes), 1, [0.0, 1.5], [(0, 2.0), (3, -1.0)])
    expected = torch.zeros(2, 64)
    expected[:, 0], expected[:, 3], expected[1, 1] = 2.0, -1.0, 3.0
    assert torch.equal(steps, expected)
    assert torch.equal(along(axes(shapes), None, [0.0], [(1, 1.0)]), 2 * torch.eye(64)[1:2])


def test_a_step_in_w_is_added_after_truncation_at_the_chosen_layers(shapes) -> None:
    at = seed_latents(shapes.generator, [1], psi=0.5)
    base = shapes.generator.mapping(at.z, psi=0.5)
    ws = walk_ws(shapes.generator, at, axes(shapes), 1, [1.5], layers=(2, 3))[0]
    moved = ws - base
    assert torch.allclose(moved[0, 2:4, 1], torch.full((2,), 3.0), atol=1e-5)
    moved[0, 2:4, 1] = 0
    assert float(moved.abs().max()) == 0


def test_a_step_in_z_goes_through_the_mapping(shapes) -> None:
    at = seed_latents(shapes.generator, [1, 2], psi=0.7)
    ws = walk_ws(shapes.generator, at, axes(shapes, "z"), 1, [1.0])[0]
    assert torch.allclose(ws, shapes.generator.mapping(at.z + 2 * torch.eye(64)[1], psi=0.7), atol=1e-6)


def test_a_step_in_p_is_taken_before_the_last_activation(shapes) -> None:
    at = seed_latents(shapes.generator, [1])
    ws = walk_ws(shapes.generator, at, axes(shapes, "p"), 1, [1.0])[0, 0, 0]
    w = shapes.generator.mapping.w(at.z)[0]
    slope = 2**0.5 * (1.0 if w[1] > 0 else 0.2)
    if w[1] > 0:
        assert float(ws[1] - w[1]) == pytest.approx(2 * slope, rel=1e-4)
    assert torch.allclose(ws[torch.arange(64) != 1], w[torch.arange(64) != 1], atol=1e-6)


def test_w_plus_directions_move_each_layer_its_own_way(shapes) -> None:
    at = seed_latents(shapes.generator, [1])
    base = shapes.generator.mapping(at.z)
    ws = walk_ws(shapes.generator, at, axes(shapes, "w+", (4, 5)), 1, [1.0])[0]
    assert torch.allclose((ws - base)[0, 4], 2 * torch.eye(64)[1], atol=1e-5)
    assert float((ws - base)[0, [0, 1, 2, 3, 5, 6, 7]].abs().max()) == 0
    with pytest.raises(OptionError, match="own layers"):
        walk_ws(shapes.generator, at, axes(shapes, "w+", (4, 5)), 1, [1.0], layers=(1,))


def test_the_middle_of_a_walk_is_the_image_itself_and_batches_do_not_matter(shapes) -> None:
    at = seed_latents(shapes.generator, [0, 5])
    plain = Renderer(shapes.generator).images(shapes.generator.mapping(at.z))
    frames = list(walk(Renderer(shapes.generator), at, axes(shapes), 0, strengths(2, 5)))
    assert len(frames) == 5 and frames[0].shape == (2, 32, 32, 3)
    assert np.array_equal(frames[2], plain)
    small = Renderer(shapes.generator, budget=1)
    assert small.batch == 1
    again = list(walk(small, at, axes(shapes), 0, strengths(2, 5)))
    assert max(np.abs(a.astype(int) - b).max() for a, b in zip(frames, again, strict=True)) <= 1


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_random_noise_does_not_flicker(shapes, batch: int) -> None:
    shapes.generator.synthesis.b32.conv1.noise_strength.data.fill_(0.5)
    at = seed_latents(shapes.generator, [0, 1])
    renderer = Renderer(shapes.generator, "random")
    renderer.batch = batch
    frames = list(walk(renderer, at, axes(shapes), 0, [0.0] * 5))
    assert all(np.abs(frame.astype(int) - frames[0]).max() <= 1 for frame in frames)
    noise = [frames[0][seed].astype(int) - Renderer(shapes.generator).images(shapes.generator.mapping(at.z))[seed] for seed in (0, 1)]
    assert np.abs(noise[0] - noise[1]).max() > 30


def test_layers_the_network_does_not_have_are_refused(shapes) -> None:
    at = seed_latents(shapes.generator, [1])
    with pytest.raises(OptionError, match="layers 0-7"):
        walk_ws(shapes.generator, at, axes(shapes), 1, [1.0], layers=(8,))


@pytest.mark.parametrize(("psi", "cutoff"), [(1.0, None), (0.7, None), (0.7, 8)])
def test_an_entry_of_ws_can_be_edited_alone(shapes, psi: float, cutoff: int | None) -> None:
    ws = shapes.generator.mapping(torch.ones(2, 64), psi=psi, cutoff=cutoff).detach()
    before = ws.clone()
    ws[:, 3] += 1
    assert torch.equal(ws[:, :3], before[:, :3]) and torch.equal(ws[:, 4:], before[:, 4:])


def test_centered_walks_are_the_papers_pictures() -> None:
    """The projection of z on the direction is removed, then five units of it added from -1 to 1 (the original code's own pictures)."""
    generator = load_checkpoint(REFERENCES / "biggan_pt_128.pth").generator
    with np.load(REFERENCES / "biggan_pt_128_discovery.npz") as arrays:
        wanted = {key: torch.from_numpy(array) for key, array in arrays.items()}
    rows = wanted["Q0"]
    found = DirectionSet(rows, torch.full((5,), 7.0), torch.ones(5), "made", "z", (2, 3), "", scores={})
    label = torch.nn.functional.one_hot(wanted["y"], generator.c_dim).float()
    subject, scene = Subject(generator, found), Still(dimensions=(0,), extent=5.0, steps=3, unit="latent", center=True)
    at = Latents(wanted["z"][0, :1], label[:1])
    ws = moved_ws(generator, at, found, Ways(subject, scene, at).walked(0, strengths(scene.extent, scene.steps)))
    with torch.no_grad():
        drawn = generator.synthesis(ws[:, 0])[:, None, :, ::2, ::2]
    assert float((drawn - wanted["walk_dir0"]).abs().max() / wanted["walk_dir0"].abs().max()) < 1e-4


@pytest.mark.parametrize("space", ["z", "w", "w+"])
def test_centered_points_have_the_same_place_along_the_direction(tiny, space: str) -> None:
    generator = tiny.generator
    rng = torch.Generator().manual_seed(0)
    width = {"z": 16, "w": 16, "w+": 32}[space]
    rows = torch.randn(2, width, generator=rng)
    rows = rows / rows.norm(dim=1, keepdim=True)
    layers = (1, 2) if space == "w+" else tuple(range(6))
    found = DirectionSet(rows, torch.ones(2), torch.ones(2), "made", space, layers, "")
    at = Latents(torch.randn(4, 16, generator=rng))
    ws = generator.mapping(at.z)
    for indices in ((0,), (1, 0)):
        offset = centring(generator, at, found, indices)
        own = {"z": at.z, "w": ws[:, 0] - generator.mapping.w_avg, "w+": (ws[:, 1:3] - generator.mapping.w_avg).flatten(1)}[space]
        places = (own + offset) @ rows.T
        assert float(places[:, list(indices)].abs().max()) < 1e-5
        # Nothing else is moved: the offset lies in the span of the directions.
        outside = offset - offset @ torch.linalg.pinv(rows[list(indices)]) @ rows[list(indices)]
        assert float(outside.abs().max()) < 1e-5 < float(offset.abs().max())
    if space != "z":
        projected = centring(generator, ProjectedLatents(ws), found, (0,))
        assert torch.allclose(projected, centring(generator, at, found, (0,)), atol=1e-6)
    for name, rest in (("p", ""), ("s", "")):
        other = DirectionSet(torch.eye(16), torch.ones(16), torch.ones(16), "made", name, (0,), rest)
        with pytest.raises(OptionError, match="--center takes away coordinates in z, w or"):
            centring(generator, at, other, (0,))


@pytest.mark.parametrize(("ease", "rest"), [(True, False), (False, False), (True, True)])
def test_a_place_that_is_passed_twice_is_drawn_once(shapes, monkeypatch: pytest.MonkeyPatch, ease: bool, rest: bool) -> None:
    at, values = seed_latents(shapes.generator, [1, 2]), there_and_back(2.0, 24, ease, rest)
    renderer = Renderer(shapes.generator)
    synthesis, drawn = shapes.generator.synthesis, []

    class Counted(torch.nn.Module):
        takes_style_offsets = True

        def forward(self, ws: torch.Tensor, **options: object) -> torch.Tensor:
            drawn.append(len(ws))
            return synthesis(ws, **options)

    monkeypatch.setattr(shapes.generator, "synthesis", Counted())
    once = list(walk(renderer, at, axes(shapes), 1, values))
    assert sum(drawn) == 2 * len(set(values)) < 2 * 24
    monkeypatch.setattr("orojar_cli.pictures.walk._SHOWN_AGAIN", 0)
    drawn.clear()
    every = list(walk(renderer, at, axes(shapes), 1, values))
    assert sum(drawn) == 2 * 24
    assert all(np.abs(a.astype(int) - b).max() <= 1 for a, b in zip(once, every, strict=True))


def test_grids_of_large_networks_have_fewer_rows(shapes, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = shapes.generator
    assert grid_size(generator, 10, 2, 7) == (10, 7)
    each = sum(cost.multiplications for cost in generator.config.costs())
    for limit, size in ((140 * each, (10, 7)), (5.5 * 6 * each, (5, 3)), (1.0, (3, 3))):
        monkeypatch.setattr("orojar_cli.pictures.axes._GRID_MULTIPLICATIONS", limit)
        assert grid_size(generator, 10, 2, 7) == size and grid_size(generator, 2, 2, 7)[0] == 2


def test_grids_of_large_networks_that_nobody_described_have_fewer_pictures(shapes, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = shapes.generator
    assert affordable_grid(generator, 10, 5) == (5, 5)
    each = sum(cost.multiplications for cost in generator.config.costs())
    for images, grid in ((200, (5, 5)), (130, (3, 5)), (45, (1, 5)), (39, (1, 3)), (1, (1, 3))):
        monkeypatch.setattr("orojar_cli.pictures.axes._GRID_MULTIPLICATIONS", images * each)
        assert affordable_grid(generator, 10, 5) == grid
    told: list[str] = []
    found = orojar_cli.sefa(shapes, num=2, notice=told.append)
    assert found.look.seeds == (0,) and found.look.steps == 3 and "1 of the seeds 0 to 4 at 3 strengths" in told[0]
    five = orojar_cli.sefa(shapes, num=2, seeds=(0,))
    assert five.look.steps == 5 and five.show().width > found.show().width
