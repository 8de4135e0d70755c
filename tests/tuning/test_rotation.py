from __future__ import annotations

from pathlib import Path

import pytest
import torch
from held_out import Record
from toys import alignment, linear, rotated_product

from orojar_cli import load_checkpoint, save_checkpoint
from orojar_cli.diagonaliser import normalise_by_trace, orojar_loss
from orojar_cli.directions import Settings
from orojar_cli.errors import OptionError
from orojar_cli.generators.options import LayerCost
from orojar_cli.generators.protocol import arrange
from orojar_cli.latents.spaces import Latents
from orojar_cli.pictures.walk import walk_ws
from orojar_cli.response.outputs import Output, moved_output
from orojar_cli.tuning import rotation as rotation_module
from orojar_cli.tuning.rotation import (
    Rotation,
    axes_as_directions,
    axis_activeness,
    default_rotation,
    default_samples,
    find_rotation,
    fold_rotation,
    latents_after,
    rotation_as_directions,
)


def a_rotation(dim: int) -> Rotation:
    matrix = torch.linalg.qr(torch.randn(dim, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))).Q
    return Rotation(matrix, torch.ones(dim), 1.0, 0.5, 1.0, 0.5, 1, 1, 1, ("image",), dim, 1.0, torch.ones(dim))


@pytest.mark.parametrize("network", ["shapes", "conditional"])
def test_the_same_z_rotated_draws_the_same_image(request, network: str) -> None:
    checkpoint = request.getfixturevalue(network)
    generator = checkpoint.generator
    rotation = a_rotation(generator.z_dim)
    label = torch.eye(generator.c_dim)[[1, 3, 3, 0]] if generator.c_dim else None
    at = Latents(torch.randn(4, generator.z_dim, generator=torch.Generator().manual_seed(1)), label)
    before = generator(at.z, label)
    fold_rotation(generator, rotation.matrix)
    after = generator(latents_after(rotation, at).z, label)
    assert (before - after).abs().max() <= 1e-4 * before.abs().max()
    assert (before - generator(at.z, label)).abs().max() > 0.01 * before.abs().max()


def test_axis_i_of_the_tuned_network_is_row_i_in_the_original(shapes) -> None:
    rotation = a_rotation(64)
    at = Latents(torch.randn(2, 64, generator=torch.Generator().manual_seed(2)))
    rows = rotation_as_directions(rotation, "", 8, {})
    expected = shapes.generator.synthesis(walk_ws(shapes.generator, at, rows, 5, [1.5])[0])
    fold_rotation(shapes.generator, rotation.matrix)
    axes = axes_as_directions(rotation, "", 8, {})
    tuned = shapes.generator.synthesis(walk_ws(shapes.generator, latents_after(rotation, at), axes, 5, [1.5])[0])
    assert (expected - tuned).abs().max() <= 1e-4 * expected.abs().max()


def test_labels_columns_of_the_first_layer_stay(conditional) -> None:
    weight = conditional.generator.mapping.fc0.weight
    before = weight.clone()
    fold_rotation(conditional.generator, a_rotation(24).matrix)
    assert torch.equal(weight[:, 24:], before[:, 24:])
    assert not torch.equal(weight[:, :24], before[:, :24])


def test_the_rotation_of_a_rotated_product_is_found() -> None:
    generator, basis = rotated_product(5)
    rotation = find_rotation(generator, Settings(space="z", samples=64))
    assert alignment(rotation.matrix, basis) > 1 - 1e-5
    assert rotation.loss_after < 1e-8 < rotation.loss_before
    assert bool((rotation.activeness.diff() <= 0).all())


@pytest.mark.slow
def test_a_small_run_on_a_real_network_lowers_the_held_out_loss(shapes, tmp_path: Path) -> None:
    rotation = find_rotation(shapes.generator, Settings(space="z", samples=64))
    assert torch.allclose(rotation.matrix @ rotation.matrix.T, torch.eye(64, dtype=torch.float64), atol=1e-9)
    assert rotation.reduction > 0.15
    assert rotation.share_after < rotation.share_before
    fold_rotation(shapes.generator, rotation.matrix)
    assert save_checkpoint(shapes, tmp_path / "tuned.pkl") == ["mapping.fc0.weight"]
    again = load_checkpoint(tmp_path / "tuned.pkl")
    arrange(again.generator)  # as measuring left the other: layouts differ in the last bits
    z = torch.randn(3, 64, generator=torch.Generator().manual_seed(4))
    assert torch.equal(again.generator(z), shapes.generator(z))


@pytest.mark.slow
def test_the_default_run_removes_a_quarter_of_the_held_out_loss(yardstick) -> None:
    generator = yardstick.generator
    settings = Settings(space="z", outputs=(moved_output(generator),))
    assert default_rotation(generator, settings).reduction >= 0.25


def test_large_networks_are_measured_early_and_with_fewer_samples(shapes, conditional) -> None:
    assert moved_output(shapes.generator) == Output()
    assert default_samples(shapes.generator, (Output(),), 8) == 2048
    assert default_samples(shapes.generator, (Output("early", 8),), 8) == 2048


def test_only_z_is_rotated(shapes) -> None:
    with pytest.raises(OptionError, match="rotates z"):
        find_rotation(shapes.generator, Settings(space="w"))


def test_the_search_is_stopped_and_its_losses_taken_at_latents_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    generator, _ = rotated_product(5)
    record = Record(rotation_module, monkeypatch)
    found = find_rotation(generator, Settings(space="z", samples=120))
    assert [len(points) for points in record.points] == [120, 15, 24]
    record.check_apart()
    fit, stop, held_out = record.grams
    for given, measured in ((record.fit, fit), (record.stop, stop)):
        assert torch.allclose(normalise_by_trace(given).dense(), normalise_by_trace(measured))
    assert found.loss_before == pytest.approx(orojar_loss(held_out), rel=1e-9)
    assert found.share_before == pytest.approx(orojar_loss(normalise_by_trace(held_out)), rel=1e-9)
    assert (found.samples, found.held_out) == (120, 24)


def test_axes_come_most_active_first() -> None:
    """Pixels that no rotation mixes: the axes are the coordinates, and how far each moves its pixel orders them."""
    generator = linear(torch.diag(torch.tensor([1.0, 3.0, 0.5, 2.0])))
    found = find_rotation(generator, Settings(space="z", samples=16))
    assert found.matrix.abs().argmax(1).tolist() == [1, 3, 0, 2]
    assert bool((found.activeness.diff() < 0).all())


@pytest.mark.parametrize(("multiplications", "samples"), [(1.0, 2048), (1.6e13 / (1.725 * 4 * 100), 100), (1e15, 32)])
def test_a_default_run_has_between_32_and_2048_latents(multiplications: float, samples: int) -> None:
    generator = linear(torch.eye(4))
    generator.config.costs = lambda: [LayerCost(2, 8, multiplications)]
    assert default_samples(generator, (Output(),), 4) == samples


def test_a_folded_network_is_written_and_read_back_as_it_is(tiny, tmp_path: Path) -> None:
    generator = tiny.generator
    fold_rotation(generator, a_rotation(16).matrix)
    assert save_checkpoint(tiny, tmp_path / "tuned.pkl") == ["mapping.fc0.weight"]
    again = load_checkpoint(tmp_path / "tuned.pkl").generator
    z = torch.randn(3, 16, generator=torch.Generator().manual_seed(4))
    assert torch.equal(again(z), generator(z))


def test_of_too_many_axes_the_most_active_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a linear generator first-order values are right for all: variance 4 of the values -2, 0, 2 times the mean square of a column."""
    matrix = torch.randn(64, 40, generator=torch.Generator().manual_seed(0)) * torch.linspace(0.2, 2, 40)
    generator = linear(matrix)
    expected = 4 * matrix.square().mean(0)
    monkeypatch.setattr("orojar_cli.response.activeness.ACTIVENESS", 1.0)
    measured: list[int] = []

    def measure(response: object, at: Latents, rows: torch.Tensor, **_: object) -> torch.Tensor:
        measured.extend(rows.argmax(1).tolist())
        return expected[rows.argmax(1)]

    monkeypatch.setattr("orojar_cli.response.activeness.activeness", measure)
    found = axis_activeness(generator, Settings(space="z"), torch.eye(40))
    assert sorted(measured) == sorted(expected.argsort(descending=True)[:16].tolist())
    assert torch.allclose(
        found, expected.clamp_max(float(expected.sort().values[-16])).where(expected < expected.sort().values[-16], expected), rtol=2e-3
    )
