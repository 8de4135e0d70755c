"""The benchmark's pieces run, and count right."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from orojar_cli.generators.dcgan.config import DCGANConfig
from orojar_cli.generators.dcgan.network import DCGAN
from orojar_cli.latents.points import Latents
from orojar_cli.response.jacobian import Response, gram_matrices

BENCHMARK = Path(__file__).parents[2] / "examples" / "benchmark"


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    monkeypatch.syspath_prepend(str(BENCHMARK))
    return {name: __import__(name) for name in ("cost", "faces", "shapes_world", "face_attributes")}


def random_faces() -> DCGAN:
    generator = DCGAN(DCGANConfig(6, (8, 4, 1), (False, False, False), (True, True, True)))
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=rng) * 0.3)
    return generator


def test_images_and_columns_are_counted(modules) -> None:
    generator, axes = random_faces(), torch.eye(6)
    at = Latents(torch.randn(3, 6, generator=torch.Generator().manual_seed(0)))
    with modules["cost"].measured(generator) as cost:
        generator(at.z)
        gram_matrices(Response(generator), at, axes)
    assert cost.evaluations == 3 + 3 * (6 + 1)
    with modules["cost"].measured(generator) as cost:
        gram_matrices(Response(generator), at, axes, method="central")
    assert cost.evaluations == 2 * 3 * 6
    assert cost.seconds > 0


def test_rotations_of_a_face_gan_are_compared(modules) -> None:
    faces, generator = modules["faces"], random_faces()
    yardstick = {"held_out": 16}
    rows = (faces.Row("axes", "axes"), faces.Row("sefa", "sefa"), faces.Row("mean", "mean", samples=24))
    rows += (
        faces.Row("diagonaliser", "diagonaliser", samples=32),
        faces.Row("sgd", "sgd", steps=3),
        faces.Row("timed", "sgd", seconds=0.01),
    )
    found = {row.name: faces.measure(generator, row, 0, yardstick) for row in rows}
    losses = {name: run["loss"] for name, run in found.items()}
    assert all(0 <= loss < 1 for loss in losses.values())
    assert min(losses["mean"], losses["diagonaliser"]) < losses["axes"]
    assert found["mean"]["evaluations"] == 24 * 7 and found["diagonaliser"]["evaluations"] == 32 * 7
    assert found["sgd"]["evaluations"] == 3 * 96
    assert found["timed"]["seconds"] >= 0.01 and found["timed"]["evaluations"] % 96 == 0


def test_the_loss_on_the_face_gan_is_the_papers(modules) -> None:
    """Samples that change much weigh much: the held-out Gram matrices are not normalised one by one."""
    faces, generator = modules["faces"], random_faces()
    grams = faces.grams(generator, 16, 0, 12)
    off = grams - torch.diag_embed(grams.diagonal(dim1=1, dim2=2))
    share = off.square().sum() / grams.diagonal(dim1=1, dim2=2).sum(1).square().sum()
    measured = faces.measure(generator, faces.Row("axes", "axes"), 0, {"held_out": 16})
    assert measured["loss"] == pytest.approx(float(share), rel=1e-6)
    assert grams.diagonal(dim1=1, dim2=2).sum(1).std() > 0.1


def test_a_seed_draws_what_a_method_sees_and_leaves_the_yardstick(modules) -> None:
    faces, generator = modules["faces"], random_faces()
    yardstick = {"held_out": 8}
    for row, drawn in (
        (faces.Row("axes", "axes"), False),
        (faces.Row("mean", "mean", samples=8), True),
        (faces.Row("s", "sgd", steps=1), True),
    ):
        first, again, other = (faces.measure(generator, row, seed, yardstick)["loss"] for seed in (0, 0, 1))
        assert first == again and (other != first) == drawn


def test_the_scores_of_a_known_world_are_kept(modules, shapes_path: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    table = __import__("known_worlds")
    monkeypatch.setattr(table.Table, "ROWS", tuple(row for row in table.Table.ROWS if row.name in ("w, SeFa", "w, random")))
    place = ["--results", str(tmp_path)]
    table.main(["--quick", "--rows", "SeFa", *place])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| w, ")]
    assert len(lines) == 1 and len(lines[0].split("|")) == 3 + len(table.Table.COLUMNS)
    # What is there is not measured again.
    monkeypatch.setattr(table, "measure", lambda *given: pytest.fail("measured again"))
    table.main(["--quick", "--rows", "SeFa", *place])
    assert lines == [line for line in capsys.readouterr().out.splitlines() if line.startswith("| w, ")]
    with pytest.raises(SystemExit):
        table.main(["--quick"])


@pytest.mark.slow
def test_training_against_turning_is_trained_and_measured_once(modules, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    table = __import__("post_hoc")
    monkeypatch.setattr(table, "SEEDS", (0,))
    place = ["--quick", "--networks", str(tmp_path / "networks"), "--results", str(tmp_path)]
    table.main(place)
    out = capsys.readouterr().out
    lines = [line for line in out.splitlines() if line.startswith("| ")]
    assert len(lines) == 1 + len(table.ROWS) and all(len(line.split("|")) == 3 + len(table.COLUMNS) for line in lines)
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "networks").glob("*.pth")}
    assert sorted(path.name for path in written) == ["hessian-0.pth", "orojar-0.pth", "plain-0.pth"]
    assert len({path.read_bytes() for path in written}) == 3
    # What is there is neither trained nor measured again, and a rotation leaves the file as it is.
    monkeypatch.setattr(table, "measure", lambda *given: pytest.fail("measured again"))
    table.main(place)
    assert capsys.readouterr().out == out and {path: path.stat().st_mtime_ns for path in written} == written
    with pytest.raises(SystemExit):
        table.main(["--quick"])


def test_fitted_directions_move_their_factors(modules, shapes) -> None:
    """x, y, size, the cosine and sine of the hue, and the ground: all but the hue's, which take the size along, move their own most."""
    table = __import__("known_worlds")
    settings = table.Settings("w", True, samples=3000)
    found = table.supervised(shapes.generator, settings, table.WORLDS["shapes"])
    assert len(found) == 6 and found.method == "supervised"
    asked = table.MetricSettings(samples=32, images=500, world="shapes")
    response = torch.tensor(table.ground_truth(shapes.generator, found, asked)[0].details["response"])
    assert response.argmax(1)[[0, 1, 2, 5]].tolist() == [0, 1, 2, 4]
    assert response.argmax(0)[3] in (3, 4)
    assert float(response[0, 0]) > 2 * float(response[0, 1])


@pytest.mark.slow
@pytest.mark.parametrize("world", ["shapes_world", "face_attributes"])
def test_every_row_of_the_benchmark_runs(modules, shapes, world: str) -> None:
    rows = [row for row in modules[world].ROWS if world == "shapes_world" or row.method != "axes"]
    for row in rows:
        assert 0 <= modules[world].measure(shapes.generator, row.quick(), 0, modules[world].QUICK_YARDSTICK)["best"] <= 1


def test_an_attribute_counts_in_the_images_that_have_it(modules) -> None:
    spans = np.array([[[1.0, np.nan, np.nan], [2.0, 4.0, np.nan]], [[3.0, 5.0, np.nan], [np.nan, 6.0, np.nan]]])
    assert modules["face_attributes"].mean_spans(spans).tolist() == [[2.0, 5.0, 0.0], [2.0, 5.0, 0.0]]


def test_attributes_fitted_to_latents_are_moved_by_them(modules) -> None:
    """A GAN whose z is the brightness, the light from the right, and nothing else that is measured."""
    world = modules["face_attributes"]
    ramp = torch.linspace(-0.3, 0.3, 16).expand(3, 16, 16)
    even = torch.full((3, 16, 16), 0.3)
    noise = torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(0))
    generator = DCGAN(DCGANConfig(2, (8, 4, 3), (False, False, False), (True, True, True)))
    generator.synthesis.forward = lambda ws, *_, **__: (
        0.1 * noise + ws[:, 0, 0, None, None, None] * even + ws[:, 0, 1, None, None, None] * ramp
    )
    found, cost = world.directions_of(generator, world.Row("fitted", "regression", samples=500), 0)
    rows = dict(zip(world.CHOSEN, found.directions, strict=True))
    assert rows["brightness"].tolist() == pytest.approx([1, 0], abs=0.02)
    assert rows["light from the right"].tolist() == pytest.approx([0, 1], abs=0.02)
    assert cost.evaluations >= 500
