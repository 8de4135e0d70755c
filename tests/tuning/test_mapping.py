from __future__ import annotations

import copy
import functools
import itertools
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from orojar_cli.errors import InputFileError, OptionError
from orojar_cli.response.outputs import shrunk
from orojar_cli.runs.resume import Partial
from orojar_cli.tuning.anchor import Anchor, energy_distance, image_distance, random_projections, sliced_wasserstein
from orojar_cli.tuning.bend import straight_mapping
from orojar_cli.tuning.classes import AllClasses
from orojar_cli.tuning.drift import Snapshot, image_shift, measure
from orojar_cli.tuning.mapping import align, install_mapping, mechanism_contrast, off_diagonal_share, prepare, surrogate_grams, tune_mapping
from orojar_cli.tuning.state import TrainingState
from orojar_cli.tuning.surrogate import train_surrogate


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_energy_distance_agrees_with_scipy_in_one_dimension() -> None:
    """SciPy's is the square root of half of it; with replacement in the expectations, so only nearly equal."""
    from scipy import stats

    a, b = normal(600, 1), normal(700, 1, seed=1) * 1.5 + 0.7
    expected = stats.energy_distance(a[:, 0].numpy(), b[:, 0].numpy()) ** 2
    assert float(energy_distance(a, b)) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_distance_of_images_does_not_depend_on_their_size_nor_on_equal_channels(channels: int) -> None:
    """Pictures of 8x8 blocks, once with a number for each and once drawn larger."""
    a, b = normal(60, 8, 8), normal(60, 8, 8, seed=1) + 0.5

    def pictures(values: torch.Tensor, times: int) -> torch.Tensor:
        large = values.repeat_interleave(times, 1).repeat_interleave(times, 2)
        return large.unsqueeze(1).expand(-1, channels, -1, -1).flatten(1)

    expected = float(energy_distance(pictures(a, 1), pictures(b, 1))) * (3 / channels) ** 0.5
    for times in (1, 2, 4):
        assert float(image_distance(pictures(a, times), pictures(b, times))) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("shape", "size", "height", "expected"), [
    ((3, 1024, 1024), (32, 32), 16, (16, 16)),
    ((3, 1024, 1024), (32, 32), 8, (8, 8)),
    ((1, 48, 80), (48, 80), 16, (24, 40)),
    ((3, 64, 32), (32, 16), 16, (16, 8)),
    ((3, 32, 32), (8, 8), 16, (8, 8)),
])  # fmt: skip
def test_images_are_averaged_to_the_least_height_that_is_enough(shape, size, height: int, expected) -> None:
    generator = SimpleNamespace(image_shape=shape, img_channels=shape[0])
    pictures = normal(2, shape[0], *size)
    found = shrunk(generator, pictures.flatten(1), height).view(2, shape[0], *expected)
    factor = size[0] // expected[0]
    torch.testing.assert_close(found, pictures.unflatten(3, (-1, factor)).unflatten(2, (-1, factor)).mean((3, 5)))


def test_distances_of_one_distribution_are_about_zero() -> None:
    a, b = normal(1500, 8), normal(1500, 8, seed=1)
    assert abs(float(energy_distance(a, b))) < 0.01
    projections = random_projections(torch.ones(8), 16, torch.Generator().manual_seed(0))
    assert torch.allclose(projections.norm(dim=0), torch.ones(32), atol=1e-5)
    assert float(sliced_wasserstein(a, b, projections)) < 0.01


def test_sliced_wasserstein_of_a_shift_is_its_squared_projection() -> None:
    a = normal(400, 3)
    shift = torch.tensor([1.0, 2.0, 0.0])
    assert float(sliced_wasserstein(a, a + shift, torch.eye(3))) == pytest.approx(5 / 3, rel=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sliced_wasserstein_and_its_gradients_are_those_of_sorting(dtype: torch.dtype) -> None:
    a, b = normal(300, 5).to(dtype), normal(300, 5, seed=1).to(dtype)
    a[:60, 2] = -0.5  # ties: the first in the samples comes first
    a[0], b[1], a[2, 3] = 1e3, -1e3, 1e-40
    projections = torch.cat([torch.eye(5), normal(5, 7, seed=2)], 1).to(dtype)
    for wanted in ((True, False), (True, True), (False, False)):
        found, plain = ([part.clone().requires_grad_(needed) for part, needed in zip((a, b), wanted, strict=True)] for _ in range(2))
        ours = sliced_wasserstein(*found, projections)
        theirs = (
            ((plain[0] @ projections).sort(dim=0, stable=True).values - (plain[1] @ projections).sort(dim=0, stable=True).values)
            .square()
            .mean()
        )
        torch.testing.assert_close(ours, theirs)
        if any(wanted):
            ours.backward()
            theirs.backward()
        for one, other in zip(found, plain, strict=True):
            assert (one.grad is None) == (other.grad is None)
            if one.grad is not None:
                torch.testing.assert_close(one.grad, other.grad)


def test_gradients_of_the_energy_distance_are_finite_where_points_meet() -> None:
    a = torch.zeros(4, 2, requires_grad=True)
    energy_distance(a, torch.zeros(4, 2)).backward()
    assert bool(torch.isfinite(a.grad).all())


def test_share_and_contrast_are_zero_for_orthogonal_columns_and_positive_otherwise() -> None:
    diagonal = torch.diag_embed(torch.rand(5, 4, generator=torch.Generator().manual_seed(0)) + 0.1)
    assert float(off_diagonal_share(diagonal)) == pytest.approx(0, abs=1e-6)
    assert float(mechanism_contrast(diagonal)) == pytest.approx(0, abs=1e-5)
    columns = normal(5, 7, 4)
    grams = columns.transpose(1, 2) @ columns
    traces = grams.diagonal(dim1=1, dim2=2)
    expected = ((grams.square().sum((1, 2)) - traces.square().sum(1)) / traces.sum(1).square()).mean()
    assert float(off_diagonal_share(grams)) == pytest.approx(float(expected))
    contrast = (traces.log().sum(1) - torch.stack([torch.logdet(gram) for gram in grams])).mean() / 4
    assert float(mechanism_contrast(grams, ridge=0)) == pytest.approx(float(contrast), rel=1e-4)


def test_the_frame_whitens_w(prepared) -> None:
    generator, anchor, _, unexplained = prepared
    w = generator.mapping.w(normal(20_000, 64))
    assert torch.allclose(anchor.of(w).T.cov(), torch.eye(64), atol=0.15)
    assert 0 < unexplained < 1


def test_aligning_rotates_z_and_brings_w_nearest_to_the_frame(prepared, settings) -> None:
    generator, anchor, *_ = prepared
    mapping = copy.deepcopy(generator.mapping)
    align(generator, mapping, anchor, settings)
    assert all(same(one, other) for one, other in zip(generator.mapping.layers[1:], mapping.layers[1:], strict=True))
    old, new = (each.layers[0].weight.double() for each in (generator.mapping, mapping))
    turned = torch.linalg.solve(old, new)
    torch.testing.assert_close(turned @ turned.T, torch.eye(64).double(), rtol=0, atol=1e-3)  # a rotation, and not that of before
    assert float((turned - torch.eye(64)).norm()) > 1
    # The orthogonal Procrustes problem is solved where what is correlated, at the latents it was solved for, is symmetric and positive.
    z, _ = anchor.draw(32_768, torch.Generator().manual_seed(settings.seed * 1000 + 52))
    correlated = (anchor.of(generator.mapping.w(z)) * anchor.weights.square()).T @ (z @ turned.float()) / len(z)
    assert float((correlated - correlated.T).norm() / correlated.norm()) < 1e-3
    assert float(torch.linalg.eigvalsh(correlated + correlated.T).min()) > -1e-3
    z = normal(4096, 64, seed=9)

    def away(mapping: Any) -> float:
        return float(((anchor.of(mapping.w(z)) - z) * anchor.weights).square().sum(1).mean())

    assert away(mapping) < 0.3 * away(generator.mapping)


def test_a_surrogate_of_few_images_hardly_listens_to_what_hardly_moves_them(settings) -> None:
    """Images depend on two of 40 coordinates; what 600 images teach of the others is learnt by heart."""
    coordinates = normal(600, 40)
    images = torch.stack([coordinates[:, 0], coordinates[:, 0] * coordinates[:, 1], coordinates[:, 1].sin()], 1)
    weights = torch.full((40,), 0.003)
    weights[:2] = 1
    _, deaf = train_surrogate(coordinates, images, weights, settings, 300)
    _, listening = train_surrogate(coordinates, images, torch.ones(40), settings, 300)
    assert deaf < 0.3 * listening


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


@pytest.mark.parametrize(
    ("wide", "stop", "kept"),
    [
        *((False, 7, (0, 5)), (False, 20, (0, 20)), (False, 26, (1, 5)), (False, 32, (1, 12)), (False, 36, (1, 12)), (False, 37, (2, 5))),
        *((True, 7, (0, 5)), (True, 12, (0, 12)), (True, 19, (1, 5)), (True, 32, (1, 20)), (True, 37, (2, 5))),
    ],
)
def test_an_interrupted_and_resumed_run_equals_an_uninterrupted_one(
    prepared, settings, quick, tmp_path: Path, wide: bool, stop: int, kept: tuple[int, int]
) -> None:
    generator, anchor, surrogate, _ = prepared
    quick = replace(quick.bending if wide else quick, settle_beyond=-1.0, batch=6)
    whole, _ = tune_mapping(generator, anchor, surrogate, settings, quick)
    path = tmp_path / "training.safetensors"
    done = 0

    def interrupt(stage: str, step: int, total: int) -> None:
        nonlocal done
        done += stage in ("warm start", "training", "folding", "settling")
        if done == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune_mapping(generator, anchor, surrogate, settings, quick, interrupt, TrainingState(Partial(path, {"a": 1}), every=5))
    resumed = TrainingState(Partial(path, {"a": 1}), every=5)
    assert (resumed.stage, resumed.step) == kept
    again, _ = tune_mapping(generator, anchor, surrogate, settings, quick, None, resumed)
    assert same(whole, again)
    assert not same(whole, straight_mapping(anchor, settings.seed) if wide else generator.mapping)


def test_the_state_of_another_run_is_refused(prepared, settings, quick, tmp_path: Path) -> None:
    generator, anchor, surrogate, _ = prepared
    path = tmp_path / "training.safetensors"
    tune_mapping(generator, anchor, surrogate, settings, quick, None, TrainingState(Partial(path, {"a": 1})))
    with pytest.raises(OptionError, match="other settings"):
        TrainingState(Partial(path, {"a": 2}))
    path.write_bytes(b"no state")
    with pytest.raises(InputFileError):
        Partial(path)


@pytest.mark.slow
@pytest.mark.usefixtures("rough")
def test_installing_sorts_the_axes_and_recomputes_w_avg(prepared, settings, quick, shapes) -> None:
    generator, anchor, surrogate, _ = prepared
    mapping, _ = tune_mapping(generator, anchor, surrogate, settings, quick)
    install_mapping(shapes.generator, mapping, settings)
    tuned = shapes.generator
    assert torch.allclose(tuned.mapping.w_avg, tuned.mapping.w(normal(20_000, 64, seed=5)).mean(0), atol=0.05)
    after = measure(tuned, shapes.critic, settings, "after", samples=4)
    before = measure(generator, None, settings, "before", samples=4)
    assert after.critic is not None and before.critic is None
    assert float(after.activeness[:8].mean()) > float(after.activeness[8:].mean())
    shift, floor = image_shift(before, after)
    assert abs(shift) < 3 * abs(floor)  # the start rotates z, and so little training moves nothing
    with torch.no_grad():
        tuned.mapping.layers[-1].weight.mul_(1.3)
    assert image_shift(before, measure(tuned, None, settings, "after", samples=4))[0] > 6 * abs(floor)


def brute_energy_distance(a: torch.Tensor, b: torch.Tensor) -> float:
    """By the definition: every pair of different rows counts once."""

    def mean(pairs) -> float:
        distances = [float((x - y).norm()) for x, y in pairs]
        return sum(distances) / len(distances)

    within = sum(mean(itertools.permutations(sample, 2)) for sample in (a.double(), b.double()))
    return 2 * mean(itertools.product(a.double(), b.double())) - within


@given(st.integers(2, 5), st.integers(2, 5), st.integers(1, 3), st.integers(0, 999), st.floats(-3, 3))
def test_the_energy_distance_counts_pairs_of_different_rows(first: int, second: int, dim: int, seed: int, shift: float) -> None:
    a, b = normal(first, dim, seed=seed), normal(second, dim, seed=seed + 1000) + shift
    assert float(energy_distance(a, b)) == pytest.approx(brute_energy_distance(a, b), abs=1e-3)
    assert float(energy_distance(a, b)) == pytest.approx(float(energy_distance(b, a)), abs=1e-4)


def test_the_energy_distance_of_small_samples_is_not_biased() -> None:
    """Of one distribution its mean is 0, however few the rows; with the diagonal counted in it would be 0.4 here."""
    found = torch.stack([energy_distance(normal(4, 1, seed=seed), normal(6, 1, seed=seed + 5000)) for seed in range(3000)])
    assert abs(float(found.mean())) < 4 * float(found.std()) / 3000**0.5 < 0.1


def test_the_surrogate_is_judged_by_samples_that_it_never_saw(settings) -> None:
    coordinates, images = normal(900, 3), normal(900, 2, seed=1)
    state = torch.get_rng_state()
    first, unexplained = train_surrogate(coordinates, images, torch.ones(coordinates.shape[1]), settings, 40)
    assert torch.equal(torch.get_rng_state(), state)
    images[-512:] = 5 * images[-512:] + 1
    second, other = train_surrogate(coordinates, images, torch.ones(coordinates.shape[1]), settings, 40)
    assert same(first, second) and other != unexplained
    held = images[-512:]
    assert other == pytest.approx(float((second(coordinates[-512:]) - held).square().mean() / held.var(0, correction=0).mean()))


@pytest.mark.usefixtures("rough")
def test_what_a_mapping_did_is_measured_at_latents_of_no_other_use(settings, quick, tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    generator, streams = tiny.generator, {}

    def recording(stage: str):
        streams[stage] = set()

        def latents(self, generator, count: int, stream: int = 0):
            streams[stage].add(stream)
            return draw(self, generator, count, stream)

        return latents

    everything, draw = AllClasses.of(settings), AllClasses.latents
    options = replace(quick, surrogate_steps=2, steps=1, regression_steps=0, images=600)
    monkeypatch.setattr(AllClasses, "latents", recording("training"))
    anchor, surrogate, _ = prepare(generator, everything, options)
    tune_mapping(generator, anchor, surrogate, everything, options)
    for name in ("before", "after"):
        monkeypatch.setattr(AllClasses, "latents", recording(name))
        measure(generator, None, everything, name, samples=2)
    # The frame, of which only mean and covariance matter, is the same for all.
    streams = {stage: found - {1} for stage, found in streams.items()}
    # The subspace is found and activeness taken at the same latents before and after, for they are compared; the images' distance needs
    # two samples.
    assert len(streams["before"]) == len(streams["after"]) and len(streams["before"] | streams["after"]) == len(streams["before"]) + 1
    assert not streams["training"] & (streams["before"] | streams["after"])


def test_the_floor_of_the_images_distance_is_that_of_two_halves() -> None:
    images = normal(40, 3)
    before, after = (Snapshot(0.0, 0.0, None, torch.zeros(1), part) for part in (images, images + 1))
    shift, floor = image_shift(before, after)
    assert shift == float(image_distance(images + 1, images)) and floor == float(image_distance(images[:20], images[20:]))


def test_random_projections_are_inside_the_active_dimensions_where_they_should() -> None:
    found = random_projections(torch.ones(30), 50, torch.Generator().manual_seed(0), active=4)
    assert float(found[4:, 50:].abs().max()) == 0 and float(found[4:, :50].abs().min()) > 0


def test_gram_matrices_along_the_leading_coordinates_are_the_same(tiny) -> None:
    """A surrogate that answers to the first six coordinates of sixteen alone."""
    generator = tiny.generator
    frame = torch.linalg.qr(normal(16, 16, seed=3)).Q
    mean, inverse = normal(16, seed=4), torch.linalg.inv(frame)
    first, last = normal(6, 20, seed=5), normal(20, 9, seed=6)
    mapping = copy.deepcopy(generator.mapping).requires_grad_(True)
    z, label = normal(5, 16, seed=7), torch.zeros(5, 0)

    def surrogate(coordinates: torch.Tensor) -> torch.Tensor:
        return torch.tanh(coordinates[:, :6] @ first) @ last

    def grams_and_slope(leading: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        anchor: Any = SimpleNamespace(leading=leading, of=lambda w: (w - mean) @ inverse)
        grams = surrogate_grams(mapping, anchor, surrogate, z, label)
        share, matrices = grams.off_diagonal_share(), grams.leading(16)
        assert float(share.detach()) == pytest.approx(float(off_diagonal_share(matrices).detach()), rel=1e-4)
        assert torch.allclose(grams.leading(3), matrices[:, :3, :3], atol=1e-5 * float(matrices.detach().abs().max()))
        return (matrices.detach(), *torch.autograd.grad([share, matrices.sum()], next(iter(mapping.parameters()))), share.detach())

    whole, slope, share = grams_and_slope(16)
    columns = torch.func.vmap(torch.func.jacfwd(lambda point: surrogate((mapping.w(point[None]) - mean) @ inverse)[0]))(z).detach()
    assert torch.allclose(whole, columns.transpose(1, 2) @ columns, atol=1e-4 * float(whole.abs().max()))
    leading, same, equal = grams_and_slope(6)
    assert torch.allclose(leading, whole, atol=1e-4 * float(whole.abs().max()))
    assert torch.allclose(same, slope, atol=1e-4 * float(slope.abs().max())) and float(equal) == pytest.approx(float(share), rel=1e-4)
    assert not torch.allclose(grams_and_slope(5)[0], whole, atol=0.01 * float(whole.abs().max()))


def test_the_coordinates_that_count_hold_nearly_all_of_the_activeness() -> None:
    anchor = functools.partial(Anchor, None, None, None, offsets=None, generator=None, images=None)
    active = torch.cat([torch.full((20,), 1.0), torch.full((492,), 1e-5)])
    assert anchor(weights=active.sqrt()).leading == 20
    assert anchor(weights=torch.ones(12)).leading == 12 and anchor(weights=torch.tensor([1.0] + [1e-5] * 63)).leading == 16
    assert anchor(weights=torch.ones(100)).leading == 99
