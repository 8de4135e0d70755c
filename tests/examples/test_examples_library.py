"""The examples of using the library run and show what they say."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
import torch
from PIL import Image

from orojar_cli.directions import METHODS, Settings
from orojar_cli.generators.own.adapt import adapt

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch):
    """Import an example by its name."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.syspath_prepend(str(EXAMPLES / "worlds"))
    return __import__


@pytest.mark.slow
def test_pictures_are_edited(example, shapes_path: Path, tmp_path: Path) -> None:
    example("edit_pictures").main(str(shapes_path), str(tmp_path / "edited.png"))
    with Image.open(tmp_path / "edited.png") as picture:
        assert picture.width > 9 * 64 and picture.height > 6 * 64


@pytest.mark.slow
def test_the_penalty_pulls_dimensions_apart_and_costs_nothing(example) -> None:
    train = example("penalty_in_training").train
    (error, share), (error_with, share_with) = train(0.0), train(0.01)
    assert share_with < share / 10 and error_with < 2 * error + 1e-3


def test_a_generator_of_ones_own_gives_up_its_axes(example) -> None:
    blob = example("own_generator").blobs()
    found = METHODS["orojar"](adapt(blob, "blobs"), Settings(space="z", num=3, samples=96, subspace=3))
    cosines = (found.directions @ blob.rotation.T).abs()
    assert float(cosines.max(1).values.min()) > 0.999


def test_texts_of_ones_own_name_dimensions(example, capsys: pytest.CaptureFixture[str]) -> None:
    example("own_attributes").main()
    told = capsys.readouterr().out.splitlines()
    assert "'ground colour': measured: warm ground" in told[0] and "'hue and size': nothing clear" in told[1]
    assert "'y position': measured: shape at the top" in told[2] and "'x position': measured: shape on the right" in told[3]


def test_factors_of_rendered_scenes_are_measured(example) -> None:
    world: ModuleType = example("shapes")
    scenes = world.Scenes.sample(1500, torch.Generator().manual_seed(0))
    x, y, size, angle, ground = example("disentanglement").measure_factors(world.render(scenes, 32)).T
    # The hue's angle is cut at pi; the world's hues reach from red over green to blue.
    turned = torch.remainder(angle + 0.5, 2 * torch.pi)
    for factor, measured in ((scenes.x, x), (scenes.y, y), (scenes.size, size), (scenes.hue, turned), (scenes.ground, ground)):
        assert float(torch.corrcoef(torch.stack([factor, measured]))[0, 1] ** 2) > 0.95


@pytest.mark.parametrize("resolution", [16, 64])
def test_scenes_cover_the_same_area_at_any_resolution(example, resolution: int) -> None:
    world: ModuleType = example("shapes")
    scenes = world.Scenes.sample(50, torch.Generator().manual_seed(1))
    shares = world.coverage(scenes, resolution).mean((1, 2))
    assert torch.allclose(shares, torch.pi * scenes.size.square() / 4, rtol=0.08)


def test_rendered_scenes_are_clean_and_others_are_not(example) -> None:
    world, cleanness = example("shapes"), example("cleanness")
    images = world.render(world.Scenes.sample(200, torch.Generator().manual_seed(2)), 32)
    assert cleanness.clean(images).mean() > 0.98
    assert not cleanness.clean(torch.full((4, 3, 32, 32), 0.2)).any()
    assert not cleanness.clean(torch.maximum(images[:50], images[50:100])).all()
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(3))
    assert cleanness.clean(images + 0.4 * noise).mean() < 0.1


@pytest.mark.parametrize("name", ["bars", "sprites"])
def test_scenes_of_other_worlds_are_clean_and_others_are_not(example, name: str) -> None:
    world, cleanness = example(name), example("cleanness")
    images = world.render(world.Scenes.sample(60, torch.Generator().manual_seed(2)))
    assert cleanness.clean(images, name).all()
    assert not cleanness.clean(torch.full((4, *images.shape[1:]), 0.2), name).any()
    assert not cleanness.clean(torch.maximum(images[:30], images[30:]), name).all()
    blurred = torch.nn.functional.avg_pool2d(images, 3, 1, 1)
    assert cleanness.clean(blurred, name).mean() < 0.2
    # Ground that is uneven by some grey levels of 255 looks even; by fifty it does not.
    uneven = torch.rand(images.shape, generator=torch.Generator().manual_seed(3)) - 0.5
    assert cleanness.clean(images + 0.1 * uneven, name).mean() > 0.95
    assert cleanness.clean(images + 0.8 * uneven, name).mean() < 0.1


@pytest.mark.parametrize("penalty", ["orojar", "hessian"])
def test_a_penalty_takes_part_in_training(example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, penalty: str) -> None:
    """Another network comes out than without, and one whose penalty is smaller after a few steps with nothing else to do."""
    train = example("train")
    monkeypatch.setattr(train, "report", lambda *given: "")
    small = ["train.py", "--world", "sprites", "--resolution", "8", "--batch", "8", "--width", "4", "--latent", "8", "--kimg", "0.04"]

    def run(name: str, *options: str) -> dict[str, torch.Tensor]:
        monkeypatch.setattr("sys.argv", [*small, "--out", str(tmp_path / name), *options])
        train.main()
        return train.load_file(tmp_path / f"{Path(name).stem}.state")

    plain, with_penalty = run("plain.pkl"), run("with.pkl", "--penalty", penalty)
    name = next(name for name in plain if name.startswith("network0.") and name.endswith("affine.weight"))
    assert not torch.equal(plain[name], with_penalty[name])

    generator, _ = train.new_networks(8, 1, 4, 8, 8, 0)
    optimiser, rng = torch.optim.Adam(generator.parameters(), 0.003), torch.Generator().manual_seed(0)

    def measured() -> float:
        z = torch.randn(1000, 8, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            return train.penalty_of(penalty, generator, z, torch.Generator().manual_seed(2)).item()

    before = measured()
    for _ in range(40):
        optimiser.zero_grad()
        train.penalty_of(penalty, generator, torch.randn(64, 8, generator=rng), rng).backward()
        optimiser.step()
    assert measured() < 0.9 * before


def test_the_simple_generator_is_written_as_in_the_papers(example, tmp_path: Path) -> None:
    """Read back, it computes the same; the image depends on z, and so do the logits of the critic on the image."""
    from orojar_cli import load_checkpoint

    networks = example("convolutional")
    generator, critic = networks.new_convolutional(32, 1, 4, 8, 6, 0)
    assert networks.widths(32, 4, 8) == (8, 8, 8, 4) and generator.config.channels == (8, 8, 8, 4)
    networks.write_convolutional(generator, tmp_path / "netG.pth")
    loaded = load_checkpoint(tmp_path / "netG.pth").generator
    z = torch.randn(50, 6, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        images = generator(z)
        assert torch.equal(loaded(z), images) and images.shape == (50, 1, 32, 32)
        assert 0.05 < images.std(0).mean() < 1 and critic(images).shape == (50, 1) and critic(images).std() > 0


def test_the_simple_generator_learns(example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few steps bring its pictures' mean, at first grey, to that of the world's, which are mostly black; w stays z."""
    from orojar_cli import load_checkpoint

    train = example("train")
    monkeypatch.setattr(train, "report", lambda *given: "")
    out = tmp_path / "sprites.pth"
    options = [
        "--world=sprites",
        "--architecture=convolutional",
        "--resolution=16",
        "--width=4",
        "--most=8",
        "--latent=5",
        "--lr=0.005",
        "--kimg=1.6",
    ]
    monkeypatch.setattr("sys.argv", ["train.py", *options, "--ema-kimg", "0.1", "--out", str(out)])
    train.main()
    generator = load_checkpoint(out).generator
    with torch.no_grad():
        mean = generator(torch.randn(200, 5, generator=torch.Generator().manual_seed(0))).mean()
    assert mean < -0.5 and not generator.mapping.w_avg.any()


def test_training_resumes_where_it_stopped(example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    from orojar_cli import load_checkpoint

    train = example("train")
    small = ["--batch", "8", "--resolution", "8", "--width", "4", "--latent", "8", "--snapshot", "0.016"]

    def run(name: str, report) -> str:
        monkeypatch.setattr("sys.argv", ["train.py", "--out", str(tmp_path / name), "--kimg", "0.064", *small])
        monkeypatch.setattr(train, "report", report)
        train.main()
        return capsys.readouterr().out

    def interrupt(*given) -> str:
        raise KeyboardInterrupt

    run("whole.pkl", lambda *given: "")
    with pytest.raises(KeyboardInterrupt):
        run("parts.pkl", interrupt)
    assert "continuing at 0 kimg" in run("parts.pkl", lambda *given: "")
    whole, parts = (load_checkpoint(tmp_path / name).generator.state_dict() for name in ("whole.pkl", "parts.pkl"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_the_bundled_network_draws_its_world(example, shapes_path: Path) -> None:
    """At least 97 % of 1,000 samples are one clean object, and every continuous factor varies as the data's does, within 10 %."""
    from orojar_cli import load_checkpoint

    world, cleanness, generator = example("shapes"), example("cleanness"), load_checkpoint(shapes_path).generator
    rng = torch.Generator().manual_seed(11)
    with torch.no_grad():
        images = torch.cat([generator(torch.randn(250, 64, generator=rng)) for _ in range(4)])
    assert cleanness.clean(images).mean() >= 0.97
    data = cleanness.measure_factors(world.render(world.Scenes.sample(4000, rng), 32)).std(0)
    assert torch.allclose(cleanness.measure_factors(images).std(0) / data, torch.ones(5), atol=0.1)
    assert shapes_path.stat().st_size < 4e6
