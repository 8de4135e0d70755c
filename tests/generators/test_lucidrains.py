"""Networks of lucidrains' stylegan2-pytorch, by the outputs of the original code."""

from __future__ import annotations

import dataclasses
import json
import math
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
from orojar_cli.generators.lucidrains.config import LucidrainsConfig
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


def with_attention(path: Path, blocks: tuple[int, ...], silent: bool) -> Any:
    """The file's network with random attention before some blocks; `silent`: what it adds is 0."""
    tensors = torch.load(path, weights_only=True)["GAN"]
    rng = torch.Generator().manual_seed(4)
    for block in blocks:
        width = tensors[f"GE.blocks.{block}.conv1.weight"].shape[1]
        shapes = {f"{part}.fn.norm.{name}": (1, width, 1, 1) for part in (0, 1) for name in "gb"}
        shapes |= {"0.fn.fn.to_q.weight": (512, width, 1, 1), "0.fn.fn.to_kv.net.0.weight": (width, 1, 3, 3)}
        shapes |= {"0.fn.fn.to_kv.net.1.weight": (1024, width, 1, 1)}
        shapes |= {"0.fn.fn.to_out.weight": (width, 512, 1, 1), "0.fn.fn.to_out.bias": (width,)}
        shapes |= {"1.fn.fn.0.weight": (2 * width, width, 1, 1), "1.fn.fn.0.bias": (2 * width,)}
        shapes |= {"1.fn.fn.2.weight": (width, 2 * width, 1, 1), "1.fn.fn.2.bias": (width,)}
        for name, shape in shapes.items():
            zero = silent and ("to_out" in name or "1.fn.fn.2" in name)
            tensors[f"GE.attns.{block}.{name}"] = torch.zeros(shape) if zero else torch.randn(shape, generator=rng) * 0.5
    torch.save({"GAN": tensors}, path)
    (path.parent / ".config.json").write_text(json.dumps(BESIDE | {"attn_layers": [4 - block for block in blocks]}))
    return load_checkpoint(path)


def attended(tensors: dict[str, Any], prefix: str, x: Any) -> Any:
    """Features [C, H, W] behind attention, pixel by pixel in double precision, as the page on these files describes it."""
    part = {name.removeprefix(prefix): tensor.double().numpy() for name, tensor in tensors.items() if name.startswith(prefix)}
    channels, height, width = x.shape

    def normal(x: Any, name: str) -> Any:
        centred = x - x.mean(0)
        return centred / np.sqrt((centred**2).mean(0) + 1e-5) * part[f"{name}.g"][0] + part[f"{name}.b"][0]

    n = normal(x, "0.fn.norm")
    padded = np.pad(n, ((0, 0), (1, 1), (1, 1)))
    kernel = part["0.fn.fn.to_kv.net.0.weight"][:, 0]
    near = sum(kernel[:, a, b, None, None] * padded[:, a : a + height, b : b + width] for a in range(3) for b in range(3))
    q = part["0.fn.fn.to_q.weight"][:, :, 0, 0] @ n.reshape(channels, -1)
    kv = part["0.fn.fn.to_kv.net.1.weight"][:, :, 0, 0] @ near.reshape(channels, -1)
    out = np.zeros_like(q)
    for head in range(8):
        rows = slice(64 * head, 64 * head + 64)
        keys = np.exp(kv[:512][rows])
        keys /= keys.sum(1, keepdims=True)
        for pixel in range(height * width):
            query = np.exp(q[rows, pixel])
            query /= 8 * query.sum()
            out[rows, pixel] = query @ (keys @ kv[512:][rows].T)
    gelu = np.vectorize(lambda value: 0.5 * value * (1 + math.erf(value / math.sqrt(2))))(out)
    seen = part["0.fn.fn.to_out.weight"][:, :, 0, 0] @ gelu + part["0.fn.fn.to_out.bias"][:, None]
    x = x + seen.reshape(x.shape)
    hidden = part["1.fn.fn.0.weight"][:, :, 0, 0] @ normal(x, "1.fn.norm").reshape(channels, -1) + part["1.fn.fn.0.bias"][:, None]
    hidden = np.where(hidden > 0, hidden, 0.2 * hidden)
    return x + (part["1.fn.fn.2.weight"][:, :, 0, 0] @ hidden + part["1.fn.fn.2.bias"][:, None]).reshape(x.shape)


def test_attention_is_what_its_description_says(path: Path, expected: dict[str, Tensor]) -> None:
    silent = with_attention(path, (0, 2), silent=True).generator
    near(drawn(silent, silent.mapping(expected["z"]), expected["noise"]), expected["img"])
    loaded = with_attention(path, (0, 2), silent=False)
    assert loaded.generator.config.synthesis.attention == (0, 2)
    generator, seen = loaded.generator.double(), []
    for resolution in (4, 16):
        module = generator.synthesis.get_submodule(f"b{resolution}.attention")
        module.register_forward_hook(lambda _, given, result: seen.append((given[0], result)))
    generator.synthesis(generator.mapping(expected["z"].double()))
    tensors = torch.load(path, weights_only=True)["GAN"]
    for block, (given, result) in zip((0, 2), seen, strict=True):
        assert given.shape == (3, 32 >> (block // 2), 4 << (block // 2), 4 << (block // 2))  # before the enlargement
        for x, y in zip(given, result, strict=True):
            np.testing.assert_allclose(y.numpy(), attended(tensors, f"GE.attns.{block}.", x.numpy()), rtol=1e-9, atol=1e-9)


def test_a_network_with_attention_is_differentiated_and_written(path: Path, expected: dict[str, Tensor], tmp_path: Path) -> None:
    loaded = with_attention(path, (1, 3), silent=False)
    for name in ("new/tuned.pt", "new/tuned.safetensors"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        changed = load_checkpoint(path)
        changed.generator.synthesis.b8.attention.norm.weight.data.neg_()
        assert save_checkpoint(changed, tmp_path / name) == ["synthesis.b8.attention.norm.weight"]
        again = load_checkpoint(tmp_path / name).generator
        assert torch.equal(again(expected["z"]), changed.generator(expected["z"]))
        assert float((again(expected["z"]) - loaded.generator(expected["z"])).abs().max()) > 1e-3
    double = loaded.generator.double()
    at = Settings("w").latents(double, 2)
    steps = torch.eye(14, dtype=torch.float64)[:3]
    response = Response(double, "w")
    (exact,), (central,) = (jacobian_columns(response, type(at)(at.z.double()), steps, method) for method in ("exact", "central"))
    assert float((exact - central).norm()) < 1e-2 * float(exact.norm())
    assert len(double.config.costs()) == len(double.config.layers()) + 2


def without_constant(path: Path, start: Tensor) -> Any:
    """The file's network with the first pixels of w by `start` [w, C, 4, 4] in the place of its constant."""
    tensors = torch.load(path, weights_only=True)["GAN"]
    for prefix in ("G", "GE"):
        tensors.pop(f"{prefix}.initial_block", None)
        tensors[f"{prefix}.to_initial_block.weight"] = start.clone()
    torch.save({"GAN": tensors}, path)
    (path.parent / ".config.json").write_text(json.dumps(BESIDE | {"no_const": True}))
    return load_checkpoint(path)


def test_a_network_without_a_constant_begins_with_the_mean_w(path: Path, expected: dict[str, Tensor]) -> None:
    constant = torch.load(path, weights_only=True)["GAN"]["GE.initial_block"]
    # Each sample's own mean w gives the constant of the reference, whose images are then to be drawn.
    for index, (ws, image) in enumerate(zip(expected["wplus"], expected["img_wplus"], strict=True)):
        mean = ws.mean(0)
        start = mean[:, None, None, None] * constant / mean.square().sum()
        torch.testing.assert_close(torch.nn.functional.conv_transpose2d(mean[None, :, None, None], start), constant)
        loaded = without_constant(path, start)
        assert loaded.generator.config.synthesis.start_from_w and loaded.info.assumptions == ()
        near(drawn(loaded.generator, ws[None], expected["noise"][index : index + 1]), image[None])


def test_its_start_takes_part_in_everything(path: Path, expected: dict[str, Tensor], tmp_path: Path) -> None:
    start = torch.randn(14, 32, 4, 4, generator=torch.Generator().manual_seed(1))
    loaded = without_constant(path, start)
    double = loaded.generator.double()
    response = Response(double, "w")
    at = Settings("w").latents(double, 2)
    steps = torch.eye(14, dtype=torch.float64)[:3]
    (exact,), (central,) = (jacobian_columns(response, type(at)(at.z.double()), steps, method) for method in ("exact", "central"))
    assert float((exact - central).norm()) < 1e-2 * float(exact.norm())
    ws = double.mapping(expected["z"].double())
    moved = ws.clone()
    moved[:, -1] += 1
    before, after = (double.synthesis(each, resolution=4) for each in (ws, moved))
    assert float((after - before).abs().max()) > 1e-3  # the last entry acts from the first pixels on
    fixed = LucidrainsConfig(double.config.mapping, dataclasses.replace(double.config.synthesis, start_from_w=False))
    assert len(double.config.costs()) == len(fixed.costs()) + 1
    again = load_checkpoint(path)
    again.generator.synthesis.const.data.neg_()
    again.generator.mapping.layers[0].weight.data.neg_()
    for name in ("new/tuned.pt", "new/tuned.safetensors"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        assert save_checkpoint(again, tmp_path / name) == ["mapping.fc0.weight", "synthesis.const"]
        assert torch.equal(load_checkpoint(tmp_path / name).generator(expected["z"]), again.generator(expected["z"]))
    theirs = torch.load(tmp_path / "new/tuned.pt", weights_only=True)["GAN"]
    assert torch.equal(theirs["GE.to_initial_block.weight"], -start)


@pytest.mark.parametrize(
    ("name", "value", "error", "words"),
    [
        ("GE.attns.0.0.fn.norm.g", torch.zeros(1), DamagedCheckpointError, r"attns\.0\.0\.fn\.norm"),
        ("GE.attns.1.0.fn.fn.to_q.weight", torch.zeros(1), UnsupportedCheckpointError, r"attns\.1\.0\.fn\.fn\.to_q"),
        (
            "GE.to_initial_block.weight",
            torch.zeros(14, 32, 4, 4),
            UnsupportedCheckpointError,
            "initial_block that its architecture does not",
        ),
        ("GE.initial_block", None, DamagedCheckpointError, "initial_block is missing"),
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
