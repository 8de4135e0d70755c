"""Networks of lucidrains' stylegan2-pytorch, by the outputs of the original code."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from paths import REFERENCES
from torch import Tensor

from orojar_cli import load_checkpoint
from orojar_cli.checkpoint.writer import save_checkpoint
from orojar_cli.directions import Settings
from orojar_cli.directions.sefa import style_weights
from orojar_cli.errors import CheckpointError, DamagedCheckpointError, OptionError, UnsupportedCheckpointError
from orojar_cli.response.jacobian import Response, jacobian_columns
from orojar_cli.tuning.rotation import fold_rotation

BESIDE = {"image_size": 32, "network_capacity": 2, "lr_mlp": 0.1, "transparent": False, "attn_layers": [], "no_const": False}


@pytest.fixture(scope="module")
def expected() -> dict[str, Tensor]:
    with np.load(REFERENCES / "lucidrains_32.npz") as file:
        return {name: torch.from_numpy(file[name]) for name in file.files}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    shutil.copy(REFERENCES / "lucidrains_32.pt", tmp_path / "model_7.pt")
    (tmp_path / ".config.json").write_text(json.dumps(BESIDE))
    return tmp_path / "model_7.pt"


@pytest.fixture
def generator(path: Path) -> Any:
    return load_checkpoint(path).generator


def near(found: Tensor, wanted: Tensor) -> None:
    assert float((found - wanted).abs().max()) <= 1e-4 * float(wanted.abs().max())


def drawn(generator: Any, ws: Tensor, noise: Tensor) -> Tensor:
    """Images in the original's range, each with its own noise map."""
    images = []
    for row, own in zip(ws, noise, strict=True):
        generator.synthesis.noise_const.copy_(own[..., 0])
        images.append(generator.synthesis(row[None]))
    return (torch.cat(images) + 1) / 2


def test_outputs_are_those_of_the_original(generator: Any, expected: dict[str, Tensor]) -> None:
    near(generator.mapping.w(expected["z"]), expected["w"])
    near(drawn(generator, generator.mapping(expected["z"]), expected["noise"]), expected["img"])
    generator.mapping.w_avg.copy_(expected["w_mean"][0])
    ws = generator.mapping(expected["z"], psi=float(expected["trunc_psi"]))
    near(ws[:, 0], expected["w_trunc"])
    near(drawn(generator, ws, expected["noise"]).clamp(0, 1), expected["img_trunc"].clamp(0, 1))
    near(drawn(generator, expected["wplus"], expected["noise"]), expected["img_wplus"])


def test_what_the_file_does_not_hold_is_said(path: Path, expected: dict[str, Tensor]) -> None:
    info = load_checkpoint(path).info
    assert info.assumptions == () and [words.split(" (")[0] for words in info.substitutes] == ["the noise map", "the mean w"]
    first = load_checkpoint(path).generator
    z = torch.randn(20_000, 14, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(first.mapping.w_avg, first.mapping.w(z).mean(0), rtol=0, atol=0.05 * float(first.mapping.w(z).std()))
    assert torch.equal(first(z[:2]), load_checkpoint(path).generator(z[:2]))
    assert float(first.synthesis.noise_const.min()) >= 0 and float(first.synthesis.noise_const.max()) < 1
    (path.parent / ".config.json").unlink()
    alone = load_checkpoint(path)
    assert alone.assumptions == ("lr_mlp=0.1",)
    near(alone.generator.mapping.w(expected["z"]), expected["w"])
    other = load_checkpoint(path, assume={"lr_mlp": "0.05"}).generator
    assert float((other.mapping.w(expected["z"]) - expected["w"]).abs().max()) > 1e-3 * float(expected["w"].abs().max())
    (path.parent / ".config.json").write_text(json.dumps(BESIDE | {"lr_mlp": 0.05}))
    assert torch.equal(load_checkpoint(path).generator.mapping.w(expected["z"]), other.mapping.w(expected["z"]))


def test_noise_moves_the_image_and_belongs_to_the_seed(generator: Any, expected: dict[str, Tensor]) -> None:
    ws = generator.mapping(expected["z"])
    images = {mode: generator.synthesis(ws, mode, rng=[4, 5, 6] if mode == "random" else None) for mode in ("const", "none", "random")}
    assert all(float((images[a] - images[b]).abs().max()) > 1e-3 for a, b in (("const", "none"), ("none", "random"), ("const", "random")))
    torch.testing.assert_close(generator.synthesis(ws[1:2], "random", rng=[5]), images["random"][1:2])
    torch.testing.assert_close(generator.synthesis(ws, resolution=8), generator.synthesis.run(ws, until=8)[1])
    with pytest.raises(OptionError, match="no block of resolution 7"):
        generator.synthesis(ws, resolution=7)


def test_derivatives_styles_and_rotations(generator: Any, expected: dict[str, Tensor]) -> None:
    double = generator.double()
    response = Response(double, "w")
    at = Settings("w").latents(double, 2)
    at = type(at)(at.z.double())
    steps = torch.eye(14, dtype=torch.float64)[:3]
    (exact,), (central,) = (jacobian_columns(response, at, steps, method) for method in ("exact", "central"))
    assert float((exact - central).norm()) < 1e-2 * float(exact.norm())
    weights = style_weights(double, [0, 2])
    assert [tuple(weight.shape) for weight in weights] == [(32, 14), (32, 14), (16, 14), (8, 14)]
    rotation = torch.linalg.qr(torch.randn(14, 14, dtype=torch.float64, generator=torch.Generator().manual_seed(0))).Q
    z = expected["z"].double()
    before = double(z)
    fold_rotation(double, rotation)
    torch.testing.assert_close(double(z @ rotation.T), before, rtol=0, atol=1e-9)


def test_a_changed_network_goes_back_into_its_file(path: Path, expected: dict[str, Tensor], tmp_path: Path) -> None:
    loaded = load_checkpoint(path)
    with torch.no_grad():
        loaded.generator.mapping.layers[0].weight.neg_()
        loaded.generator.synthesis.b8.conv1.affine.bias.add_(0.5)
    (tmp_path / "new").mkdir()
    tmp_path = tmp_path / "new"
    changed = save_checkpoint(loaded, tmp_path / "tuned.pt")
    assert changed == ["mapping.fc0.weight", "synthesis.b8.conv1.affine.bias"]
    theirs = torch.load(tmp_path / "tuned.pt", weights_only=True)["GAN"]
    torch.testing.assert_close(theirs["SE.net.0.weight"], -torch.load(path, weights_only=True)["GAN"]["SE.net.0.weight"])
    assert (tmp_path / ".config.json").read_text() == json.dumps(BESIDE)
    again = load_checkpoint(tmp_path / "tuned.pt").generator
    near(again(expected["z"]), loaded.generator(expected["z"]))
    save_checkpoint(loaded, tmp_path / "tuned.safetensors")
    kept = load_checkpoint(tmp_path / "tuned.safetensors")
    assert torch.equal(kept.generator(expected["z"]), loaded.generator(expected["z"])) and kept.info.substitutes == loaded.info.substitutes


@pytest.mark.parametrize(
    ("name", "value", "error", "words"),
    [
        ("GE.attns.0.0.fn.norm.g", torch.zeros(1), UnsupportedCheckpointError, "attention"),
        ("GE.to_initial_block.weight", torch.zeros(14, 32, 4, 4), UnsupportedCheckpointError, "no constant"),
        ("GE.blocks.1.conv1.weight", torch.zeros(16, 31, 3, 3), DamagedCheckpointError, "has shape"),
        ("GE.blocks.1.to_noise1.bias", None, DamagedCheckpointError, "is missing"),
        ("GE.blocks.2.conv2.weight", None, DamagedCheckpointError, "missing|has shape|architecture|another size"),
        ("SE.net.0.weight", torch.zeros(14, 14, dtype=torch.int64), DamagedCheckpointError, "int64"),
        ("SE.net.0.bias", torch.full((14,), float("nan")), DamagedCheckpointError, "not finite"),
        ("GE.extra", torch.zeros(1), UnsupportedCheckpointError, "extra"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(name: str, value: Any, error: type[CheckpointError], words: str, path: Path) -> None:
    tensors = torch.load(path, weights_only=True)["GAN"]
    if value is None:
        del tensors[name]
    else:
        tensors[name] = value
    torch.save({"GAN": tensors}, path)
    with pytest.raises((error, UnsupportedCheckpointError), match=words):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "text", ["{", "[" * 60_000, json.dumps(BESIDE | {"lr_mlp": "fast"}), json.dumps(BESIDE | {"image_size": 64}), "\xff"]
)
def test_a_configuration_that_cannot_be_is_refused(text: str, path: Path) -> None:
    (path.parent / ".config.json").write_bytes(text.encode("latin1"))
    with pytest.raises(DamagedCheckpointError, match=r"config\.json|JSON"):
        load_checkpoint(path)


@pytest.mark.slow
def test_every_command_works_on_it(path: Path, orojar) -> None:
    for words in (
        ["inspect", path],
        ["sample", path, "--seeds", "0-3", "--out", "sheet.png"],
        ["sefa", path, "--num", 3, "--seeds", 0],
        ["discover", path, "--num", 3, "--samples", 8, "--subspace", 3, "--seeds", 0],
        ["finetune", path, "--samples", 8, "--seeds", 0],
        ["traverse", "--dim", 0, "--out", "walk.gif", "--frames", 4, "--seeds", 0],
        ["convert", path, "copy.safetensors"],
        ["compare", path, "--quick", "--methods", "sefa,random", "--num", 2, "--samples", 8, "--metrics", "orthogonality", "--seeds", 0],
    ):
        code, _, err = orojar(*words)
        assert code == 0, (words, err)
        assert words[0] == "convert" or words[0] == "traverse" or err.count("the noise map") == (words[0] != "inspect"), (words, err)
