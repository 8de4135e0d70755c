"""GenForce's files: their pictures, w and SeFa directions; every command on them; variants of the layout; what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from paths import REFERENCES
from torch import Tensor

from orojar_cli import load_checkpoint, save_checkpoint
from orojar_cli.directions import Settings
from orojar_cli.directions.sefa import sefa
from orojar_cli.errors import CheckpointError, DamagedCheckpointError, UnsupportedCheckpointError
from orojar_cli.latents.points import Latents
from orojar_cli.response.jacobian import Response, jacobian_columns
from orojar_cli.response.outputs import default_output

PGGAN, STYLEGAN, STYLEGAN2 = "genforce_pggan_32", "genforce_stylegan_128", "genforce_stylegan2_32"
STYLED = (STYLEGAN, STYLEGAN2)
each_file = pytest.mark.parametrize("name", (PGGAN, *STYLED))
each_styled = pytest.mark.parametrize("name", STYLED)


def reference(name: str) -> tuple[Any, dict[str, Tensor]]:
    """The generator and what SeFa's own code gives of its file."""
    expected = {key: torch.from_numpy(value) for key, value in np.load(REFERENCES / f"{name}.npz").items()}
    return load_checkpoint(REFERENCES / f"{name}.pth").generator, expected


def stored(name: str) -> dict[str, Any]:
    """The file's networks, as torch reads them without running anything."""
    return torch.load(REFERENCES / f"{name}.pth", weights_only=True)


def worst(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).abs().max() / wanted.abs().max())


@each_file
@torch.no_grad()
def test_the_pictures_are_those_of_the_original_code(name: str) -> None:
    generator, expected = reference(name)
    assert worst(generator(expected["z"]), expected["img"]) < 1e-4
    assert generator.config.substitutes == () if name in STYLED else generator.config.assumed == ()


@each_styled
@torch.no_grad()
def test_w_and_truncated_pictures_are_those_of_the_original_code(name: str) -> None:
    generator, expected = reference(name)
    z, psi, cutoff = expected["z"], float(expected["trunc_psi"]), int(expected["trunc_layers"])
    assert worst(generator.mapping(z)[:, 0], expected["w"]) < 1e-4
    assert worst(generator.mapping(z, psi=psi, cutoff=cutoff), expected["wp_trunc"]) < 1e-4
    assert worst(generator(z, psi=psi, cutoff=cutoff), expected["img_trunc"]) < 1e-4


def agree(generator: Any, expected: dict[str, Tensor], suffix: str, layers: tuple[int, ...] | None) -> None:
    found = sefa(generator, Settings(space="w", whiten=False, num=generator.w_dim, layers=layers, options={"activeness": False}))
    wanted = expected[f"sefa_directions{suffix}"]
    signs = (found.directions * wanted).sum(1, keepdim=True).sign()
    assert float((found.directions * signs - wanted).abs().max()) < 1e-5
    assert worst(torch.as_tensor(found.scores["singular_value"]).square(), expected[f"sefa_values{suffix}"]) < 1e-5


@each_file
def test_sefa_gives_the_numbers_of_its_authors(name: str) -> None:
    generator, expected = reference(name)
    agree(generator, expected, "", None)
    if name in STYLED:
        agree(generator, expected, "_layers_2_3", (2, 3))


@each_styled
@torch.no_grad()
def test_an_edit_is_added_behind_truncation_at_the_layers_that_were_factorised(name: str) -> None:
    generator, expected = reference(name)
    ws = generator.mapping(expected["z"], psi=float(expected["trunc_psi"]), cutoff=int(expected["trunc_layers"]))
    ws[:, 2:4] += 2.5 * expected["sefa_directions_layers_2_3"][0]
    assert worst(generator.synthesis(ws), expected["img_trunc_sefa0_layers_2_3_dist_2.5"]) < 1e-4


@torch.no_grad()
def test_a_step_from_the_normalised_z_is_normalised_again() -> None:
    generator, expected = reference(PGGAN)
    z, step = expected["z"], 2.5 * expected["sefa_directions"][0]
    ws = generator.mapping(z)
    torch.testing.assert_close(ws.square().mean(-1), torch.ones(len(z), 1))
    assert worst(generator.synthesis(ws + step), expected["img_sefa0_dist_2.5"]) < 1e-4
    torch.testing.assert_close(generator.synthesis(3 * ws), generator.synthesis(ws), rtol=1e-4, atol=1e-4)


def test_its_jacobian_knows_both_normalisations() -> None:
    """Along w itself nothing changes, and a Jacobian in z is the one in w behind the first normalisation's own."""
    generator, expected = reference(PGGAN)
    generator = generator.double()
    z = expected["z"][:1].double()

    def columns(space: str, at: Tensor, axes: Tensor) -> Tensor:
        (found,) = jacobian_columns(Response(generator, space, (0,), (default_output(generator),)), Latents(at), axes)
        return found[:, 0]

    axes = torch.eye(generator.z_dim, dtype=torch.float64)
    w = generator.mapping(z)[:, 0]
    in_w, in_z = columns("w", z, axes), columns("z", z, axes)
    assert float((w @ in_w).norm()) < 1e-5 * float(in_w.norm())
    first = torch.autograd.functional.jacobian(lambda x: generator.mapping(x)[0, 0], z)[:, 0]
    torch.testing.assert_close(in_z, first.T @ in_w, rtol=1e-6, atol=1e-9)


@each_file
@torch.no_grad()
def test_a_tuned_file_is_the_same_container_with_only_the_changed_numbers_replaced(name: str, tmp_path: Path) -> None:
    checkpoint, before = load_checkpoint(REFERENCES / f"{name}.pth"), stored(name)
    generator = checkpoint.generator
    for key, parameter in generator.named_parameters():
        if key != "synthesis.first.affine.bias":  # one stored number for every 16 of ours
            parameter += 0.1 * torch.randn(parameter.shape)
    changed = save_checkpoint(checkpoint, tmp_path / "tuned.pth")
    assert changed == sorted(key for key, _ in generator.named_parameters() if key != "synthesis.first.affine.bias")
    again, z = load_checkpoint(tmp_path / "tuned.pth").generator, torch.randn(2, generator.z_dim)
    assert worst(again(z), generator(z)) < 1e-4
    after = torch.load(tmp_path / "tuned.pth", weights_only=True)
    assert (tmp_path / "tuned.pth").stat().st_size == (REFERENCES / f"{name}.pth").stat().st_size
    for network, tensors in before.items():
        assert list(tensors) == list(after[network])
        same = [key for key, tensor in tensors.items() if torch.equal(tensor, after[network][key])]
        assert len(same) == len(tensors) if network != "generator_smooth" else len(tensors) - len(same) == len(changed)


@each_file
@torch.no_grad()
def test_files_of_the_training_runner_keep_their_networks_one_level_down(name: str, tmp_path: Path) -> None:
    generator, expected = reference(name)
    torch.save({"models": stored(name), "running_metadata": {"iter": 3, "seen_img": 9}, "optimizers": {}}, tmp_path / "checkpoint.pth")
    assert torch.equal(load_checkpoint(tmp_path / "checkpoint.pth").generator(expected["z"]), generator(expected["z"]))
    torch.save({"generator": stored(name)["generator"]}, tmp_path / "only.pth")
    assert worst(load_checkpoint(tmp_path / "only.pth").generator(expected["z"]), expected["img"]) > 1e-2


def saved(path: Path, tensors: dict[str, Tensor]) -> Path:
    torch.save({"generator_smooth": tensors}, path)
    return path


def four_shifts(kernel: Tensor) -> Tensor:
    """The 4x4 kernel [in, out, 4, 4] of enlarging and convolving in one step with a kernel [in, out, 3, 3]."""
    padded = F.pad(kernel, (1, 1, 1, 1))
    return padded[..., 1:, 1:] + padded[..., :-1, 1:] + padded[..., 1:, :-1] + padded[..., :-1, :-1]


def pggan_by_hand(tensors: dict[str, Tensor], z: Tensor, fused: bool = False) -> tuple[list[Tensor], list[Tensor]]:
    """(features, images) of every resolution, computed as GenForce orders it: normalisation first."""

    def norm(x: Tensor) -> Tensor:
        return x / (x.square().mean(1, keepdim=True) + 1e-8).sqrt()

    x = norm(z)[:, :, None, None]
    features, images = [], []
    for index in range(2 * sum(key.startswith("output") and key.endswith("weight") for key in tensors)):
        weight, bias = tensors[f"layer{index}.weight"], tensors[f"layer{index}.bias"]
        x = norm(x)
        if index and index % 2 == 0 and fused:
            x = F.conv_transpose2d(x, four_shifts(weight * (2 / (9 * weight.shape[0])) ** 0.5), bias, stride=2, padding=1)
        else:
            x = F.interpolate(x, scale_factor=2.0) if index and index % 2 == 0 else x
            x = F.conv2d(x, weight * (2 / weight[0].numel()) ** 0.5, bias, padding=1 if index else 3)
        x = F.leaky_relu(x, 0.2)
        if index % 2:
            head = tensors[f"output{index // 2}.weight"]
            features.append(x)
            images.append(F.conv2d(norm(x), head / head.shape[1] ** 0.5, tensors[f"output{index // 2}.bias"]))
    return features, images


@torch.no_grad()
def test_a_pggan_that_enlarges_and_convolves_in_one_step(tmp_path: Path) -> None:
    tensors = stored(PGGAN)["generator_smooth"]
    for index in (2, 4, 6):
        tensors[f"layer{index}.weight"] = tensors[f"layer{index}.weight"].transpose(0, 1).contiguous()
    z = torch.randn(2, 20)
    found = load_checkpoint(saved(tmp_path / "fused.pth", tensors))
    assert worst(found.generator(z), pggan_by_hand(tensors, z, fused=True)[1][-1]) < 1e-5
    found.generator.synthesis.b32.conv0.weight[0, 1, 0, 2] += 1
    assert save_checkpoint(found, tmp_path / "tuned.pth") == ["synthesis.b32.conv0.weight"]
    assert torch.equal(load_checkpoint(tmp_path / "tuned.pth").generator(z), found.generator(z))


@pytest.mark.parametrize("lod", [0.0, 0.25, 1.0, 1.75, 2.0])
@torch.no_grad()
def test_a_pggan_that_stopped_while_growing_is_read_as_far_as_it_had_grown(lod: float, tmp_path: Path) -> None:
    tensors = stored(PGGAN)["generator_smooth"]
    tensors["lod"] = torch.tensor(lod)
    z = torch.randn(2, 20)
    images = pggan_by_hand(tensors, z)[1]
    last, share = 3 - int(lod), lod % 1
    wanted = (1 - share) * images[last] + share * F.interpolate(images[last - 1], scale_factor=2.0)
    assert worst(load_checkpoint(saved(tmp_path / "growing.pth", tensors)).generator(z), wanted) < 1e-5


def stylegan_by_hand(tensors: dict[str, Tensor], ws: Tensor) -> list[Tensor]:
    """The images of every resolution, computed as GenForce has it: enlarged and convolved in one step from 128 pixels up."""
    x, images = tensors["synthesis.layer0.const"].expand(len(ws), -1, -1, -1), []
    for index in range(ws.shape[1]):
        name, size = f"synthesis.layer{index}", 4 << index // 2
        if index:
            weight = tensors[f"{name}.weight"] * (2 / tensors[f"{name}.weight"][0].numel()) ** 0.5
            if index > 1 and index % 2 == 0 and size >= 128:
                x = F.conv_transpose2d(x, four_shifts(weight.transpose(0, 1)), stride=2, padding=1)
            else:
                x = F.conv2d(F.interpolate(x, size=(size, size)), weight, padding=1)
            if index % 2 == 0:
                x = F.conv2d(x, tensors[f"{name}.blur.kernel"], padding=1, groups=x.shape[1])
        x = x + tensors[f"{name}.apply_noise.noise"] * tensors[f"{name}.apply_noise.weight"][:, None, None]
        x = F.leaky_relu(x + tensors[f"{name}.bias"][:, None, None], 0.2)
        x = F.instance_norm(x, eps=1e-8)
        style = F.linear(ws[:, index], tensors[f"{name}.style.weight"] / ws.shape[2] ** 0.5, tensors[f"{name}.style.bias"])
        scale, shift = style[:, :, None, None].chunk(2, 1)
        x = x * (1 + scale) + shift
        if index % 2:
            head = tensors[f"synthesis.output{index // 2}.weight"]
            images.append(F.conv2d(x, head / head.shape[1] ** 0.5, tensors[f"synthesis.output{index // 2}.bias"]))
    return images


@pytest.mark.parametrize("lod", [0.0, 0.25, 1.0, 2.75])
@torch.no_grad()
def test_a_stylegan_that_stopped_while_growing_is_read_as_far_as_it_had_grown(lod: float, tmp_path: Path) -> None:
    tensors = stored(STYLEGAN)["generator_smooth"] | {"synthesis.lod": torch.tensor(lod)}
    generator = load_checkpoint(saved(tmp_path / "growing.pth", tensors)).generator
    last, share = 5 - int(lod), lod % 1
    ws = torch.randn(2, 12, 14)
    images = stylegan_by_hand(tensors, ws)
    wanted = (1 - share) * images[last] + share * F.interpolate(images[last - 1], scale_factor=2.0)
    assert generator.num_ws == 2 * last + 2
    assert worst(generator.synthesis(ws[:, : generator.num_ws]), wanted) < 1e-5


@torch.no_grad()
def test_stylegan2_without_skips_has_one_output(tmp_path: Path) -> None:
    tensors = {key: tensor for key, tensor in stored(STYLEGAN2)["generator_smooth"].items() if not key.startswith("synthesis.upsample")}
    for level in range(3):
        tensors = {key: tensor for key, tensor in tensors.items() if not key.startswith(f"synthesis.output{level}.")}
    generator, z = load_checkpoint(saved(tmp_path / "origin.pth", tensors)).generator, torch.randn(2, 18)
    whole = reference(STYLEGAN2)[0]
    features, _ = whole.synthesis.run(whole.mapping(z))
    assert generator.config.architecture == "orig"
    assert torch.equal(generator.synthesis.run(generator.mapping(z))[0], features)
    assert worst(generator(z), whole.synthesis.b32.torgb(features, whole.mapping(z)[:, 7])) < 1e-5


@torch.no_grad()
def test_labels_stand_behind_z_before_both_are_normalised(tmp_path: Path) -> None:
    tensors = stored(STYLEGAN2)["generator_smooth"]
    tensors["mapping.label_weight"] = torch.randn(3, 18)
    tensors["mapping.dense0.weight"] = torch.randn(22, 36)
    checkpoint = load_checkpoint(saved(tmp_path / "classes.pth", tensors))
    generator, z, label = checkpoint.generator, torch.randn(4, 18), torch.eye(3)[[0, 1, 2, 0]]
    x = torch.cat((z, label @ tensors["mapping.label_weight"]), 1)
    x = x / (x.square().mean(1, keepdim=True) + 1e-8).sqrt()
    for index in range(5):
        weight, bias = tensors[f"mapping.dense{index}.weight"], tensors[f"mapping.dense{index}.bias"]
        x = 2**0.5 * F.leaky_relu(x @ (weight * 0.01 / weight.shape[1] ** 0.5).T + bias * 0.01, 0.2)
    assert (generator.c_dim, generator.z_dim) == (3, 18)
    assert worst(generator.mapping(z, label)[:, 0], x) < 1e-5
    with pytest.raises(UnsupportedCheckpointError, match=r"no \.pkl form"):
        save_checkpoint(checkpoint, tmp_path / "new.pkl")
    save_checkpoint(checkpoint, tmp_path / "new.safetensors")
    assert torch.equal(load_checkpoint(tmp_path / "new.safetensors").generator(z, label), generator(z, label))


@pytest.mark.parametrize(
    ("name", "change", "error", "words"),
    [
        (PGGAN, {"lod": torch.zeros(2)}, DamagedCheckpointError, "lod is not a number"),
        (PGGAN, {"lod": torch.tensor(torch.nan)}, DamagedCheckpointError, "lod is not a number"),
        (PGGAN, {"lod": torch.tensor(3.0)}, UnsupportedCheckpointError, "not grown beyond 4 pixels"),
        (PGGAN, {"layer0.weight": torch.zeros(24, 20)}, DamagedCheckpointError, "layer0.weight is missing or has another number of axes"),
        (PGGAN, {"layer3.bias": None}, DamagedCheckpointError, "layer3.bias is missing"),
        (PGGAN, {"layer5.weight": torch.zeros(16, 15, 3, 3)}, DamagedCheckpointError, "layer5.weight has shape"),
        (PGGAN, {"output1.weight": torch.zeros(3, 23, 1, 1)}, DamagedCheckpointError, "output1.weight has shape"),
        (PGGAN, {"layer8.weight": torch.zeros(8, 8, 3, 3)}, UnsupportedCheckpointError, "a tensor layer8.weight"),
        (PGGAN, {"layer7.bias": torch.zeros(8, dtype=torch.int32)}, DamagedCheckpointError, "int32"),
        (PGGAN, {"layer1.bias": torch.full((24,), torch.inf)}, DamagedCheckpointError, "not finite"),
        (STYLEGAN, {"synthesis.lod": torch.zeros(2)}, DamagedCheckpointError, "lod is not a number"),
        (STYLEGAN, {"synthesis.lod": torch.tensor(5.0)}, UnsupportedCheckpointError, "step = 0"),
        (STYLEGAN, {"synthesis.lod": torch.tensor(15.5)}, UnsupportedCheckpointError, "step = -10"),
        (STYLEGAN, {"synthesis.layer2.blur.kernel": torch.ones(16, 1, 3, 3)}, UnsupportedCheckpointError, "not the usual blur"),
        (STYLEGAN, {"synthesis.layer2.blur.kernel": torch.ones(1, 2, 3, 3)}, UnsupportedCheckpointError, "not the usual blur"),
        (
            STYLEGAN,
            {"synthesis.layer0.weight": torch.zeros(16, 14, 4, 4)},
            UnsupportedCheckpointError,
            "layer0.const that its architecture",
        ),
        (STYLEGAN, {"synthesis.layer0.const": None}, DamagedCheckpointError, "layer0.const is missing"),
        (STYLEGAN, {"synthesis.layer7.apply_noise.noise": None}, DamagedCheckpointError, "noise is missing"),
        (STYLEGAN, {"synthesis.layer3.style.weight": torch.zeros(16, 14)}, DamagedCheckpointError, "style.weight has shape"),
        (STYLEGAN, {"synthesis.layer0.style.weight": torch.zeros(14)}, DamagedCheckpointError, "style.weight is missing or has another"),
        (STYLEGAN, {"synthesis.output3.weight": torch.zeros(3, 16)}, DamagedCheckpointError, "output3.weight is missing or has another"),
        (STYLEGAN, {"synthesis.layer11.bias": torch.full((4,), torch.nan)}, DamagedCheckpointError, "not finite"),
        (STYLEGAN, {"mapping.dense3.bias": torch.zeros(14, dtype=torch.int32)}, DamagedCheckpointError, "int32"),
        (STYLEGAN, {"synthesis.layer12.bias": torch.zeros(4)}, UnsupportedCheckpointError, "a tensor synthesis.layer12.bias"),
        (STYLEGAN2, {"synthesis.layer6.weight": None}, UnsupportedCheckpointError, "6 convolutions"),
        (STYLEGAN2, {"synthesis.layer3.noise": torch.zeros(16, 16)}, DamagedCheckpointError, "layer3.noise has shape"),
        (STYLEGAN2, {"synthesis.layer3.noise": None}, DamagedCheckpointError, "layer3.noise is missing"),
        (STYLEGAN2, {"synthesis.upsample.kernel": torch.ones(1, 1, 4, 4)}, UnsupportedCheckpointError, "not the usual resample filter"),
        (STYLEGAN2, {"mapping.dense1.weight": torch.zeros(22)}, DamagedCheckpointError, "dense1.weight has shape"),
        (STYLEGAN2, {"mapping.label_weight": torch.zeros(2)}, DamagedCheckpointError, "label_weight is missing or has another number"),
        (STYLEGAN2, {"truncation.w_avg": torch.zeros(8, 14)}, DamagedCheckpointError, "w_avg has shape"),
        (STYLEGAN2, {"synthesis.extra": torch.zeros(1)}, UnsupportedCheckpointError, "a tensor synthesis.extra"),
    ],
)
def test_files_that_do_not_fit_are_refused_by_name(name: str, change: dict[str, Any], error: type, words: str, tmp_path: Path) -> None:
    tensors = {key: tensor for key, tensor in (stored(name)["generator_smooth"] | change).items() if tensor is not None}
    with pytest.raises(error, match=words) as caught:
        load_checkpoint(saved(tmp_path / "network.pth", tensors))
    assert str(caught.value).isascii() and "\n" not in str(caught.value)


def test_another_w_for_every_layer_is_refused_by_name(tmp_path: Path) -> None:
    tensors = stored(STYLEGAN2)["generator_smooth"]
    tensors |= {
        "mapping.dense4.weight": torch.zeros(8 * 14, 22),
        "mapping.dense4.bias": torch.zeros(8 * 14),
        "truncation.w_avg": torch.zeros(8 * 14),
    }
    with pytest.raises(UnsupportedCheckpointError, match="another w for every layer"):
        load_checkpoint(saved(tmp_path / "network.pth", tensors))


@each_file
def test_cut_files_are_damaged(name: str, tmp_path: Path) -> None:
    whole = (REFERENCES / f"{name}.pth").read_bytes()
    for share in (0.1, 0.5, 0.9, 0.999):
        (tmp_path / "cut.pth").write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(CheckpointError) as caught:
            load_checkpoint(tmp_path / "cut.pth")
        assert caught.value.exit_code != 3


def without_constant(tensors: dict[str, Tensor], w: Tensor) -> dict[str, Tensor]:
    """A StyleGAN whose first layer, a 4x4 convolution of w as one pixel, gives at `w` the constant that it has instead now."""
    constant = tensors["synthesis.layer0.const"]
    gain = (2 / (16 * len(w))) ** 0.5
    weight = (constant[0, :, None] * w[:, None, None] / w.square().sum() / gain).flip((2, 3))
    made = F.conv2d(F.pad(w[None, :, None, None], (3, 3, 3, 3)), weight * gain)
    torch.testing.assert_close(made, constant, rtol=0, atol=1e-5)
    return {name: tensor for name, tensor in tensors.items() if name != "synthesis.layer0.const"} | {"synthesis.layer0.weight": weight}


@torch.no_grad()
def test_a_stylegan_without_a_constant_begins_with_w(tmp_path: Path) -> None:
    _, expected = reference(STYLEGAN)
    table = stored(STYLEGAN)["generator_smooth"]
    for w, image in zip(expected["w"], expected["img"], strict=True):
        torch.save({"generator_smooth": without_constant(table, w)}, tmp_path / "start.pth")
        loaded = load_checkpoint(tmp_path / "start.pth")
        generator = loaded.generator
        assert generator.config.synthesis.start_from_w
        ws = w.expand(1, generator.num_ws, -1).clone()
        assert worst(generator.synthesis(ws), image[None]) < 1e-4
    other = ws.clone()
    other[:, 0] *= 1.5  # the first entry alone makes the first pixels
    assert not torch.allclose(generator.synthesis(other), generator.synthesis(ws), atol=1e-3)
    features = generator.synthesis.b4._start(other)
    torch.testing.assert_close(features, 1.5 * generator.synthesis.b4._start(ws))
    generator.synthesis.b4.const.neg_()
    save_checkpoint(loaded, tmp_path / "tuned.pth")
    save_checkpoint(loaded, tmp_path / "new.pth", format="genforce")
    save_checkpoint(loaded, tmp_path / "new.safetensors")
    for name in ("tuned.pth", "new.pth", "new.safetensors"):
        again = load_checkpoint(tmp_path / name).generator
        torch.testing.assert_close(again.synthesis(ws), generator.synthesis(ws), rtol=1e-4, atol=1e-4)
    double, z = generator.double(), expected["z"][:1].double()
    axes = torch.eye(generator.z_dim, dtype=torch.float64)[:2]
    output = default_output(double)
    (columns,) = jacobian_columns(Response(double, "z", outputs=(output,)), Latents(z), axes)
    weights = torch.randn(columns.shape[-1], dtype=torch.float64)
    with torch.enable_grad():
        z.requires_grad_(True)
        (backwards,) = torch.autograd.grad(output(double, double.mapping(z))[0] @ weights, z)
    torch.testing.assert_close((columns @ weights).flatten(), backwards[0, :2])


@pytest.mark.slow
@each_file
def test_every_command_works_on_it(name: str, somewhere: Path, run: Any) -> None:
    path = REFERENCES / f"{name}.pth"
    told = run("inspect", path)
    assert (told["assumptions"], told["substitutes"]) == ([], [])
    assert run("sample", path, "--seeds", "0-3", "--out", "grid.png") and Path("grid.png").exists()
    assert len(run("sefa", path, "--num", 3, "--seeds", "0-1")["dimensions"]) == 3
    space = "w" if name in STYLED else "z"
    assert len(run("discover", path, "--space", space, "--num", 3, "--samples", 8, "--subspace", 5, "--seeds", "0-1")["dimensions"]) == 3
    tuned = run("finetune", path, "--samples", 8, "--seeds", "0-1")
    assert tuned["changed_tensors"] == ["mapping.fc0.weight" if name in STYLED else "synthesis.first.affine.weight"]
    assert run("traverse", tuned["run"], "--dim", 1, "--out", "walk.png", "--seeds", "0-1") and Path("walk.png").exists()
    assert run("convert", path, "new.safetensors") and run("inspect", "new.safetensors")["layers"] == told["layers"]


@each_file
@torch.no_grad()
def test_a_file_of_theirs_is_written_with_all_its_keys(name: str, tmp_path: Path) -> None:
    first, (_, expected) = load_checkpoint(REFERENCES / f"{name}.pth"), reference(name)
    save_checkpoint(first, tmp_path / "new.pth", format="genforce")
    again, theirs = load_checkpoint(tmp_path / "new.pth"), stored(name)
    written = torch.load(tmp_path / "new.pth", weights_only=True)
    assert written.keys() == {"generator", "generator_smooth"}  # training has moved on from the average in these files
    for network, table in written.items():
        assert table.keys() == theirs[network].keys()
        for key, tensor in table.items():
            assert tensor.shape == theirs[network][key].shape and tensor.dtype == theirs[network][key].dtype, key
            drawn = name != PGGAN or not key.startswith("output") or key.startswith("output3")
            assert not drawn or torch.allclose(tensor, theirs[network][key], atol=1e-6), key
    assert worst(again.generator(expected["z"]), expected["img"]) < 1e-4 and again.generator.config == first.generator.config


@pytest.mark.parametrize(
    "name",
    [
        "sg2_tensorflow_32.pkl",
        pytest.param("sg2_skip_32.pkl", marks=pytest.mark.slow),
        pytest.param("tf_ada_labelembed_32.pkl", marks=pytest.mark.slow),
        "tf_stylegan2_labelconcat_32.pkl",
        "tf_stylegan1_32.pkl",
        "tf_pggan_32.pkl",
        "rosinality_sg1_32.model",
        "fb_pgan_32.pt",
        pytest.param("sg3_t_32.pkl", marks=pytest.mark.slow),
        pytest.param("sg2_resnet_gray_16.pkl", marks=pytest.mark.slow),
        pytest.param("psp_decoder_32.pt", marks=pytest.mark.slow),
        pytest.param("tf_orojar_progan_32.pkl", marks=pytest.mark.slow),
        pytest.param("sg2_human_64x32.pkl", marks=pytest.mark.slow),
    ],
)
@torch.no_grad()
def test_networks_of_other_files_are_written_so_where_they_fit(name: str, tmp_path: Path) -> None:
    first = load_checkpoint(REFERENCES / name)
    generator = first.generator
    z = torch.randn(2, generator.z_dim, generator=torch.Generator().manual_seed(0))
    label = torch.eye(generator.c_dim)[:2] if generator.c_dim else None
    told = {
        "fb_pgan_32.pt": "not equalised|not normalised|labels|no form",
        "rosinality_sg1_32.model": "another epsilon|one noise|before the blur",
        "tf_ada_labelembed_32.pkl": "embedded in another way",
        "sg3_t_32.pkl": "a StyleGAN3 network",
        "sg2_resnet_gray_16.pkl": "resnet",
        "sg2_human_64x32.pkl": "not square",
        "tf_orojar_progan_32.pkl": "no form",
    }.get(name)
    if told is not None:
        with pytest.raises(UnsupportedCheckpointError, match=told):
            save_checkpoint(first, tmp_path / "new.pth", format="genforce")
        assert list(tmp_path.iterdir()) == []
        return
    save_checkpoint(first, tmp_path / "new.pth", format="genforce")
    again = load_checkpoint(tmp_path / "new.pth").generator
    for psi in (1.0, 0.6):
        wanted = generator(z, label, psi=psi)
        assert worst(again(z, label, psi=psi), wanted) < 1e-4
