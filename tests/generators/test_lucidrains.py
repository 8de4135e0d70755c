"""The network of lucidrains' stylegan2-pytorch: the outputs of its own code, its settings beside it, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from paths import REFERENCES
from torch.func import jvp, vmap

from orojar_cli import load_checkpoint, save_checkpoint
from orojar_cli.cli import main
from orojar_cli.errors import DamagedCheckpointError, OptionError, UnsupportedCheckpointError
from orojar_cli.tuning.rotation import fold_rotation

FILE = REFERENCES / "lucidrains_32.pt"
SETTINGS = {"image_size": 32, "network_capacity": 2, "lr_mlp": 0.1, "transparent": False, "attn_layers": [], "no_const": False}
NOISE, MEAN = "the noise map (uniform numbers drawn from a fixed seed)", "the mean w (estimated from 4,096 latents)"


@pytest.fixture
def known() -> dict[str, torch.Tensor]:
    return {key: torch.from_numpy(value) for key, value in np.load(FILE.with_suffix(".npz")).items()}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The file as its trainer leaves it: with its settings beside it."""
    (tmp_path / ".config.json").write_text(json.dumps(SETTINGS))
    return Path(shutil.copy(FILE, tmp_path / "model_7.pt"))


def worst(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found - wanted).abs().max() / wanted.abs().max())


@torch.no_grad()
def test_w_pictures_and_truncated_pictures_are_those_of_the_original_code(file: Path, known: dict[str, torch.Tensor]) -> None:
    loaded = load_checkpoint(file)
    generator, z = loaded.generator, known["z"]
    assert loaded.substitutes == (NOISE, MEAN) and generator.image_shape == (3, 32, 32) and generator.num_ws == 4

    def drawn(ws: torch.Tensor) -> torch.Tensor:
        """In [0, 1], each with its own noise."""
        images = []
        for w, noise in zip(ws, known["noise"], strict=True):
            generator.synthesis.noise_map.copy_(noise[..., 0])
            images.append(generator.synthesis(w[None]))
        return (torch.cat(images) + 1) / 2

    ws = generator.mapping(z)
    assert worst(ws[:, 0], known["w"]) < 1e-4 and worst(drawn(ws), known["img"]) < 1e-4
    assert worst(drawn(known["wplus"]), known["img_wplus"]) < 1e-4
    mean = generator.mapping.w(torch.randn(20000, 14, generator=torch.Generator().manual_seed(9))).mean(0)
    assert float((generator.mapping.w_avg - mean).abs().max()) < 0.1
    generator.mapping.w_avg.copy_(known["w_mean"][0])
    pulled = generator.mapping(z, None, float(known["trunc_psi"]))
    assert worst(pulled[:, 0], known["w_trunc"]) < 1e-4 and worst(drawn(pulled), known["img_trunc"]) < 1e-4


@torch.no_grad()
def test_noise_is_fixed_drawn_or_none(file: Path, known: dict[str, torch.Tensor]) -> None:
    generator = load_checkpoint(file).generator
    ws, noise_map = generator.mapping(known["z"]), generator.synthesis.noise_map
    assert torch.equal(noise_map, load_checkpoint(file).generator.synthesis.noise_map)
    assert 0 <= float(noise_map.min()) < 0.01 and 0.99 < float(noise_map.max()) < 1
    random = generator.synthesis(ws, "random", rng=[1, 2, 1])
    torch.testing.assert_close(random[0], generator.synthesis(ws[:1], "random", rng=[1])[0])
    assert worst(random, generator.synthesis(ws)) > 1e-3 < worst(random, generator.synthesis(ws, "random", rng=[3, 4, 5]))
    none = generator.synthesis(ws, "none")
    noise_map.zero_()
    torch.testing.assert_close(generator.synthesis(ws), none)


def test_it_has_derivatives_images_on_the_way_and_styles(file: Path, known: dict[str, torch.Tensor]) -> None:
    generator = load_checkpoint(file).generator.double()
    ws, axes = generator.mapping(known["z"][:1].double()), torch.eye(14, dtype=torch.float64)[:2, None, None].expand(2, 1, 4, 14)
    columns = vmap(lambda tangent: jvp(generator.synthesis, (ws,), (tangent,))[1])(axes)
    for axis, column in zip(axes, columns, strict=True):
        difference = (generator.synthesis(ws + 1e-6 * axis) - generator.synthesis(ws - 1e-6 * axis)) / 2e-6
        assert float((column - difference).abs().max()) < 1e-4 * max(1, float(column.abs().max()))
    for size, width in zip((4, 8, 16, 32), generator.config.synthesis.channels, strict=True):
        features, image = generator.synthesis.run(ws, until=size)
        assert features.shape == (1, width, size, size) and image.shape == (1, 3, size, size)
    with pytest.raises(OptionError, match="this network has 4, 8, 16, 32"):
        generator.synthesis.run(ws, until=5)
    offset = {"b8.conv2": torch.ones(1, 16, dtype=torch.float64)}
    assert not torch.equal(generator.synthesis(ws, style_offsets=offset), generator.synthesis(ws))


@torch.no_grad()
def test_a_rotation_of_z_folds_into_it_and_the_file_keeps_it(file: Path, known: dict[str, torch.Tensor], tmp_path: Path) -> None:
    loaded = load_checkpoint(file)
    before = loaded.generator(known["z"])
    matrix = torch.linalg.qr(torch.randn(14, 14, dtype=torch.float64, generator=torch.Generator().manual_seed(3))).Q
    fold_rotation(loaded.generator, matrix)
    z = (known["z"].double() @ matrix.T).float()
    assert worst(loaded.generator(z), before) < 1e-4
    (tmp_path / "run").mkdir()
    assert save_checkpoint(loaded, tmp_path / "run" / "tuned.pt") == ["mapping.fc0.weight"]
    assert json.loads((tmp_path / "run" / ".config.json").read_text()) == SETTINGS
    save_checkpoint(loaded, tmp_path / "tuned.safetensors")
    for name in ("run/tuned.pt", "tuned.safetensors"):
        assert worst(load_checkpoint(tmp_path / name).generator(z), before) < 1e-4
    theirs, first = (torch.load(path, weights_only=True)["GAN"] for path in (tmp_path / "run" / "tuned.pt", file))
    assert {name for name in first if not torch.equal(first[name], theirs[name])} == {"SE.net.0.weight"}
    assert worst(theirs["SE.net.0.weight"], (first["SE.net.0.weight"].double() @ matrix.T).float()) < 1e-5


def test_the_multiplier_is_read_or_said_to_be_supplied(file: Path) -> None:
    assert load_checkpoint(file).generator.config.mapping.lr_multiplier == 0.1
    settings = file.with_name(".config.json")
    settings.write_text(json.dumps(SETTINGS | {"lr_mlp": 0.01}))
    assert load_checkpoint(file).generator.config.mapping.lr_multiplier == 0.01
    for text in ("{", "[]", "{}", '{"lr_mlp": "0.1"}', '{"lr_mlp": -1}', '{"lr_mlp": NaN}', "[" * 5000, " " * 70000):
        settings.write_text(text)
        with pytest.raises(DamagedCheckpointError, match=r"\.config\.json beside model_7\.pt does not say lr_mlp"):
            load_checkpoint(file)
    settings.unlink()
    loaded = load_checkpoint(file)
    assert loaded.generator.config.mapping.lr_multiplier == 0.1
    assert loaded.substitutes == (NOISE, MEAN, "the mapping's lr_mlp (0.1, the usual; .config.json is not beside it)")


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"GE.attns.2.0.fn.norm.g": torch.ones(1)}, UnsupportedCheckpointError, "layers of attention"),
        ({"GE.to_initial_block.weight": torch.ones(1)}, UnsupportedCheckpointError, "no_const"),
        ({"GE.blocks.1.conv1.weight": torch.zeros(16, 31, 3, 3)}, DamagedCheckpointError, r"conv1.weight has shape \(16, 31, 3, 3\)"),
        ({"GE.blocks.1.conv1.weight": torch.zeros(16)}, DamagedCheckpointError, "number of axes"),
        ({"GE.blocks.1.conv1.weight": None}, UnsupportedCheckpointError, "has 1 blocks"),
        ({"GE.blocks.3.to_noise2.bias": None}, DamagedCheckpointError, "to_noise2.bias is missing"),
        ({"GE.blocks.0.to_rgb.conv.weight": torch.zeros(7, 32, 1, 1)}, UnsupportedCheckpointError, "img_channels = 7"),
        ({"SE.net.2.weight": torch.zeros(13, 14)}, DamagedCheckpointError, "SE.net.2.weight"),
        ({"SE.net.0.bias": torch.full((14,), torch.nan)}, DamagedCheckpointError, "not finite"),
        ({"GE.something": torch.zeros(2)}, UnsupportedCheckpointError, "GE.something"),
        ({"GE.initial_block": torch.zeros(1, 32, 4, 4, dtype=torch.int64)}, DamagedCheckpointError, "int64"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(change: dict[str, Any], error: type, words: str, tmp_path: Path) -> None:
    tensors = torch.load(FILE, weights_only=True)["GAN"] | change
    torch.save({"GAN": {name: tensor for name, tensor in tensors.items() if tensor is not None}, "version": "1.9.0"}, tmp_path / "m.pt")
    with pytest.raises(error, match=words) as caught:
        load_checkpoint(tmp_path / "m.pt")
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_every_command_works_on_it(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> dict[str, Any]:
        with pytest.raises(SystemExit) as caught:
            main([*map(str, arguments), "--json"])
        captured = capsys.readouterr()
        assert caught.value.code in (None, 0), captured.err
        return json.loads(captured.out)

    told = run("inspect", file)
    assert told["family"] == "StyleGAN2 (lucidrains)" and NOISE in told["substitutes"]
    assert run("sample", file, "--seeds", "0-3", "--out", "grid.png") and Path("grid.png").exists()
    assert len(run("sefa", file, "--num", 3, "--seeds", "0-1")["dimensions"]) == 3
    assert len(run("discover", file, "--num", 3, "--samples", 8, "--subspace", 5, "--seeds", "0-1")["dimensions"]) == 3
    tuned = run("finetune", file, "--samples", 8, "--seeds", "0-1")
    assert tuned["changed_tensors"] == ["mapping.fc0.weight"]
    assert run("traverse", tuned["run"], "--dim", 1, "--out", "walk.png", "--seeds", "0-1") and Path("walk.png").exists()
    assert run("convert", file, "new.safetensors") and run("inspect", "new.safetensors")["layers"] == told["layers"]
