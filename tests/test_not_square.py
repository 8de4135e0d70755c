"""Networks whose images are not square: every room of the house on a small one, and what it makes is as wide and high as the images."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from paths import REFERENCES
from PIL import Image

from orojar_cli import load_checkpoint, save_checkpoint
from orojar_cli.checkpoint.contents import read_contents
from orojar_cli.cli import main
from orojar_cli.containers.module_tree import read_network
from orojar_cli.directions import DirectionSet, Settings
from orojar_cli.directions.sefa import sefa
from orojar_cli.errors import DamagedCheckpointError, OptionError, UnsupportedCheckpointError
from orojar_cli.explore.studio import Studio
from orojar_cli.explore.view import View
from orojar_cli.generators.critic.config import CriticConfig
from orojar_cli.generators.critic.network import Critic
from orojar_cli.generators.own.adapt import adapt
from orojar_cli.generators.stylegan2 import pickle_reader
from orojar_cli.operations.metrics import metrics
from orojar_cli.operations.traverse import traverse
from orojar_cli.projection import PictureDistance, ProjectionSettings, as_target, project, read_photograph
from orojar_cli.response.outputs import Output, averaged, default_output, early
from orojar_cli.tuning.dataset import TrainingPictures

# 48 pixels high, 80 wide; blocks of 3x5, 6x10, 12x20, 24x40 and 48x80.
OBLONG = REFERENCES / "sg2_initres_48x80.pkl"
TALL = REFERENCES / "sg2_human_64x32.pkl"


@pytest.fixture(scope="module")
def loaded() -> Any:
    return load_checkpoint(OBLONG)


@pytest.fixture(scope="module")
def oblong(loaded: Any) -> Any:
    return loaded.generator


@pytest.fixture(scope="module")
def directions(oblong: Any) -> DirectionSet:
    return sefa(oblong, Settings(space="w", num=3, seed=1))


def critic_of(config: CriticConfig) -> Critic:
    critic = Critic(config)
    rng = torch.Generator().manual_seed(1)
    for name, tensor in critic.state_dict().items():
        taps = torch.tensor(config.resample_filter)
        tensor.copy_(torch.outer(taps, taps) if name.endswith("filter") else torch.randn(tensor.shape, generator=rng) / 2)
    return critic.eval().requires_grad_(False)


TAPS = (0.125, 0.375, 0.375, 0.125)


def with_critic(path: Path, start: tuple[int, int]) -> Any:
    loaded = load_checkpoint(path)
    config = CriticConfig(0, 64, 3, channel_base=512, channel_max=8, resample_filter=TAPS, mbstd_group_size=2, start=start)
    loaded.__dict__["critic"] = critic_of(config)
    return loaded


def test_outputs_name_the_height(oblong: Any) -> None:
    ws = oblong.mapping(torch.randn(2, oblong.z_dim))
    image = oblong.synthesis(ws)
    assert image.shape[1:] == oblong.image_shape == (3, 48, 80)
    for spec, shape in {"image": (48, 80), "image:48": (48, 80), "image:24": (24, 40), "image:6": (6, 10), "image:3": (3, 5)}.items():
        wanted = torch.nn.functional.adaptive_avg_pool2d(image, shape)
        torch.testing.assert_close(Output.parse(spec)(oblong, ws), wanted.flatten(1))
    assert Output.parse("early:12")(oblong, ws).shape == (2, 3 * 12 * 20)
    assert torch.equal(Output.parse("early:12")(oblong, ws), oblong.synthesis(ws, resolution=12).flatten(1))
    assert Output.parse("b6")(oblong, ws).shape == (2, 16 * 6 * 10)
    with pytest.raises(OptionError, match=r"48x80 pixels \(height x width\) cannot be averaged to 16; choose one of 3, 6, 12, 24, 48"):
        Output.parse("image:16")(oblong, ws)
    with pytest.raises(OptionError, match="this network has 3, 6, 12, 24, 48"):
        Output.parse("early:16")(oblong, ws)
    assert (default_output(oblong), averaged(oblong, 8), early(oblong)) == (Output("early", 48), Output("image", 12), Output("early", 48))
    tall = load_checkpoint(TALL).generator
    assert (default_output(tall), averaged(tall, 8), early(tall)) == (Output("image", 16), Output("image", 8), Output("early", 32))


def test_costs_count_the_pixels_there_are(oblong: Any) -> None:
    square = load_checkpoint(REFERENCES / "sg2_skip_32.pkl").generator.config
    assert sum(cost.numbers for cost in square.costs()) == sum(
        (layer.in_channels + layer.out_channels) * layer.resolution**2 for layer in square.layers()
    )
    last = oblong.config.costs()[-1]
    assert (last.resolution, last.numbers, last.multiplications) == (48, (8 + 3) * 48 * 80, 8 * 3 * 48 * 80)


def test_random_noise_has_the_shape_of_the_features(oblong: Any) -> None:
    ws = oblong.mapping(torch.randn(2, oblong.z_dim))
    images = oblong.synthesis(ws, noise_mode="random", rng=[1, 2])
    assert torch.equal(images, oblong.synthesis(ws, noise_mode="random", rng=[1, 2]))
    assert images.shape == (2, 3, 48, 80) and not torch.equal(images, oblong.synthesis(ws))


def test_grids_and_films_keep_the_proportions(loaded: Any, oblong: Any, directions: DirectionSet, tmp_path: Path) -> None:
    shown = traverse(loaded, directions, dims=[0, 1], seeds=(0, 1), steps=3, size=80, caption=False)
    picture = shown.show()
    across, down = picture.size
    assert across > 6 * 80 and 2 * 48 <= down < 2 * 48 + 40
    pixels = np.asarray(picture)
    step = oblong.synthesis(oblong.mapping(torch.from_numpy(np.random.RandomState(0).randn(1, oblong.z_dim)).float()))
    middle = (step[0].clamp(-1, 1) * 127.5 + 128).clamp(0, 255).trunc().permute(1, 2, 0).to(torch.uint8).numpy()
    places = [
        (top, left)
        for top in range(pixels.shape[0] - 47)
        for left in range(pixels.shape[1] - 79)
        if (pixels[top, left : left + 80] == middle[0]).all() and (pixels[top : top + 48, left : left + 80] == middle).all()
    ]
    assert len(places) == 2, "the image itself is in the middle of both rows, as it was drawn"
    shown.save(tmp_path / "walk.png")
    traverse(loaded, directions, dims=[0], seeds=(0,), frames=4, caption=False, size=80).save(tmp_path / "walk.gif")
    with Image.open(tmp_path / "walk.gif") as film:
        assert film.n_frames == 4 and 80 <= film.width < 100 and 48 <= film.height < 80


@pytest.mark.slow
def test_a_photograph_is_cropped_to_the_proportions_and_found(oblong: Any, tmp_path: Path) -> None:
    drawn = oblong.synthesis(oblong.mapping(torch.from_numpy(np.random.RandomState(3).randn(1, oblong.z_dim)).float()))
    pixels = (drawn[0].clamp(-1, 1) * 127.5 + 128).clamp(0, 255).trunc().permute(1, 2, 0).to(torch.uint8).numpy()
    framed = np.zeros((60, 80, 3), np.uint8)
    framed[6:54] = pixels
    Image.fromarray(framed).save(tmp_path / "picture.png")
    target = as_target(read_photograph(tmp_path / "picture.png"), oblong.image_shape)
    assert target.shape == (1, 3, 48, 80)
    np.testing.assert_array_equal(((target[0] + 1) * 127.5).round().permute(1, 2, 0).to(torch.uint8).numpy(), pixels)
    with pytest.raises(OptionError, match="does not fit this network"):
        project(oblong, PictureDistance(target.transpose(2, 3)))
    quick = ProjectionSettings("w", steps=40, samples=500, candidates=50, starts=2)
    found = project(oblong, PictureDistance(target), quick)
    error = (oblong.synthesis(found.best) - target).square().mean()
    others = oblong.synthesis(oblong.mapping(torch.randn(16, oblong.z_dim, generator=torch.Generator().manual_seed(5))))
    assert error < 0.5 * (others - target).square().mean((1, 2, 3)).min()


def test_training_pictures_are_cropped_to_the_proportions(tmp_path: Path) -> None:
    pixels = np.zeros((40, 40, 3), np.uint8)
    pixels[8:32] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    pictures = TrainingPictures(tmp_path, (3, 24, 40))
    (batch,) = pictures.batch(torch.tensor([0]))
    assert batch.shape == (3, 24, 40) and bool((batch == 1).all())


@pytest.mark.parametrize(("path", "start"), [(OBLONG, (3, 5)), (TALL, (4, 2))])
def test_critics_are_written_and_read(path: Path, start: tuple[int, int], tmp_path: Path) -> None:
    loaded = with_critic(path, start)
    images = loaded.generator(torch.randn(4, loaded.generator.z_dim))
    assert loaded.critic.image_shape == loaded.generator.image_shape
    wanted = loaded.critic(images)
    original = loaded
    for name in ("new.safetensors", "new.pkl"):
        save_checkpoint(loaded, tmp_path / name)
        loaded = again = load_checkpoint(tmp_path / name)
        assert again.critic.config == original.critic.config and again.generator.config == original.generator.config
        assert torch.equal(again.critic(images), wanted)


@pytest.mark.parametrize("start", [(0, 4), (4, 65), (4,), "44", (4.0, 4)])
def test_critics_that_end_in_nothing_are_refused(start: Any) -> None:
    with pytest.raises(UnsupportedCheckpointError, match="begin with"):
        CriticConfig(0, 64, 3, start=start)


def test_metrics_are_taken(loaded: Any, directions: DirectionSet) -> None:
    names = ("hessian", "direction_length")
    found = metrics(loaded, directions, names=names, samples=8, detector="pixels").measurements
    assert len(found) >= len(names) and all(np.isfinite(row.value) for row in found)


def test_the_explorer_is_told_both_sides_and_draws_them(oblong: Any, directions: DirectionSet) -> None:
    studio = Studio(oblong, directions, name="oblong")
    told = studio.describe()["network"]
    assert (told["width"], told["height"]) == (80, 48)
    view = View("own", (0, 1, 2), None, 1.0, None, ((1, 2.0),))
    assert studio.pictures(view).shape == (3, 48, 80, 3)
    assert Image.open(io.BytesIO(studio.still(view))).size[0] >= 2 * 80


def test_your_own_generator_may_draw_any_proportions() -> None:
    matrix = torch.randn(5, 3 * 6 * 10, generator=torch.Generator().manual_seed(2)) / 5
    generator = adapt(SimpleNamespace(z_dim=5, forward=lambda z: (z @ matrix).view(-1, 3, 6, 10), identity="oblong"), "own")
    assert generator.image_shape == (3, 6, 10) and generator.config.layers() == []
    ws = generator.mapping(torch.randn(2, 5))
    assert Output.parse("image:3")(generator, ws).shape == (2, 3 * 3 * 5)
    assert default_output(generator) == Output("image", 6)


def told(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.raises(SystemExit) as caught:
        main([*map(str, arguments)])
    captured = capsys.readouterr()
    assert caught.value.code in (None, 0), captured.err
    return captured.out


def test_inspect_says_both_sides(capsys: pytest.CaptureFixture[str]) -> None:
    text = told(capsys, "inspect", OBLONG)
    assert "80x48 (width x height)" in text and "10x6" in text
    info = json.loads(told(capsys, "inspect", OBLONG, "--json"))
    assert (info["image_shape"], info["img_resolution"]) == ([3, 48, 80], 48)
    assert "32x32," in told(capsys, "inspect", REFERENCES / "sg2_skip_32.pkl")


def test_options_that_contradict_the_tensors_are_damage(tmp_path: Path) -> None:
    data = OBLONG.read_bytes()
    said = data.replace(b"init_res", b"init_rez")
    (tmp_path / "other.pkl").write_bytes(said)
    with pytest.raises(UnsupportedCheckpointError, match="init_rez"):
        load_checkpoint(tmp_path / "other.pkl")
    contents = read_contents(TALL)
    tree = read_network(contents.entries["G_ema"], "G_ema", contents.file)
    tree.init_kwargs["square"] = True
    with pytest.raises(DamagedCheckpointError, match=r"const has shape \(16, 4, 2\), its options need \(16, 4, 4\)"):
        pickle_reader.read(tree, "it")
    for said in (["square"], [3], [3, 5.0], "35", [0, 5], [4, 4096]):
        tree.init_kwargs["init_res"] = said
        with pytest.raises(UnsupportedCheckpointError, match="not supported"):
            pickle_reader.read(tree, "it")


def test_state_dictionaries_in_our_own_names_are_read(loaded: Any, tmp_path: Path) -> None:
    torch.save(loaded.generator.state_dict(), tmp_path / "named.pt")
    again, z = load_checkpoint(tmp_path / "named.pt").generator, torch.randn(2, 14)
    assert again.image_shape == (3, 48, 80)
    torch.testing.assert_close(again(z), loaded.generator(z))


@pytest.mark.slow
@pytest.mark.usefixtures("little_training")
def test_every_command_works_on_it(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save_checkpoint(with_critic(OBLONG, (3, 5)), "oblong.safetensors")
    found = json.loads(told(capsys, "sefa", "oblong.safetensors", "--num", 3, "--seeds", "0-1", "--json"))
    told(capsys, "traverse", found["run"], "--dim", "0", "--out", "walk.mp4", "--frames", 6)
    told(capsys, "compare", "oblong.safetensors", "--methods", "sefa,random", "--num", 3, "--samples", 8, "--quick", "--out", "report.html")
    assert Path("report.html").stat().st_size > 10_000
    Path("pictures").mkdir()
    for seed in range(4):
        told(capsys, "sample", "oblong.safetensors", "--seeds", seed, "--out", f"pictures/{seed}.png")
    with Image.open("pictures/0.png") as drawn:
        assert drawn.size == (80, 48)
    mapping = ("--mode", "mapping", "--steps", 2, "--images", 2000, "--refine-steps", 2, "--data", "pictures")
    told(capsys, "finetune", "oblong.safetensors", *mapping, "--max-shift", 1e9)
    told(capsys, "project", "pictures/0.png", "oblong.safetensors", "--steps", 10, "--candidates", 20, "--detector", "critic")
    told(capsys, "metrics", found["run"], "--samples", 8, "--detector", "critic", "--metric", "direction_length")
