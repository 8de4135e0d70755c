"""StyleGAN's two other containers: their own pictures and w; what their files do not hold; variants; what is refused.

GenForce's files are in `generators/test_genforce.py`.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from paths import REFERENCES
from pickle_assembler import assemble
from tensorflow_assembler import network
from torch import Tensor
from torch.func import jvp

import orojar_cli
from orojar_cli import load_checkpoint, save_checkpoint
from orojar_cli.containers.constructors import read_pickle
from orojar_cli.containers.file import CheckpointFile
from orojar_cli.containers.records import TensorRecord
from orojar_cli.containers.tensorflow import TensorFlowNetwork
from orojar_cli.containers.tensors import stored_tensor
from orojar_cli.directions import METHODS, Settings
from orojar_cli.errors import CheckpointError, DamagedCheckpointError, OptionError, UnsupportedCheckpointError
from orojar_cli.generators.noise import layer_noise
from orojar_cli.generators.stylegan1 import network as network_module
from orojar_cli.latents.spaces import space_dim, style_offsets
from orojar_cli.projection.noise_maps import NoiseMaps

TENSORFLOW, PYTORCH = REFERENCES / "tf_stylegan1_32.pkl", REFERENCES / "rosinality_sg1_32.model"


def expected(path: Path) -> dict[str, Tensor]:
    return {key: torch.from_numpy(value) for key, value in np.load(path.with_suffix(".npz")).items()}


def worst(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).abs().max() / wanted.abs().max())


@torch.no_grad()
def test_tensorflow_files_give_the_numbers_of_the_original_code() -> None:
    checkpoint, wanted = load_checkpoint(TENSORFLOW), expected(TENSORFLOW)
    generator, z = checkpoint.generator, wanted["z"]
    psi, cutoff = float(wanted["trunc_psi"]), int(wanted["trunc_layers"])
    assert worst(generator.mapping(z)[:, 0], wanted["w"]) < 1e-4
    assert worst(generator(z), wanted["img"]) < 1e-4
    assert worst(generator.mapping(z, psi=psi, cutoff=cutoff), wanted["wp_trunc"]) < 1e-4
    assert worst(generator(z, psi=psi, cutoff=cutoff), wanted["img_trunc"]) < 1e-4
    assert (checkpoint.assumptions, checkpoint.substitutes) == ((), ())


def originals() -> tuple[dict[str, Any], dict[str, Any]]:
    """(options, variables) of the reference, components' as "mapping/Dense0/weight"."""
    record = TensorFlowNetwork(read_pickle(CheckpointFile(TENSORFLOW))[2], "Gs")
    values = {name: stored_tensor(each).numpy() if isinstance(each, TensorRecord) else each for name, each in record.variables.items()}
    return record.options, values


def written(path: Path, options: dict[str, Any], variables: dict[str, Any], functions: dict[str, str] | None = None) -> Path:
    """A pickle of these."""
    names = {"": "G_style", "mapping": "G_mapping", "synthesis": "G_synthesis"} | (functions or {})

    def below(prefix: str) -> dict[str, Any]:
        return {name.removeprefix(prefix): value for name, value in variables.items() if name.startswith(prefix)}

    parts = {name: network(names[name], options, below(f"{name}/")) for name in ("mapping", "synthesis")}
    top = {name: value for name, value in variables.items() if "/" not in name}
    path.write_bytes(assemble((network("G_style", {}, {}), network("D_basic", {}, {}), network(names[""], options, top, **parts))))
    return path


@torch.no_grad()
def test_tensorflow_kernels_that_enlarge_at_once_lie_the_other_way_round(tmp_path: Path) -> None:
    options, variables = originals()
    z = torch.randn(2, 14)
    plain = load_checkpoint(written(tmp_path / "plain.pkl", options | {"fused_scale": False}, variables)).generator(z)
    assert torch.equal(plain, load_checkpoint(TENSORFLOW).generator(z))  # all of it is below 128 pixels
    for size in (8, 16, 32):
        name = f"synthesis/{size}x{size}/Conv0_up/weight"
        variables[name] = variables[name][::-1, ::-1].copy()
    fused = load_checkpoint(written(tmp_path / "fused.pkl", options | {"fused_scale": True}, variables)).generator(z)
    assert torch.equal(plain, fused)


@torch.no_grad()
def test_tensorflow_labels_stand_behind_z_before_both_are_normalised(tmp_path: Path) -> None:
    options, variables = originals()
    rng = np.random.RandomState(1)
    variables["mapping/LabelConcat/weight"] = rng.randn(3, 14).astype(np.float32)
    variables["mapping/Dense0/weight"] = rng.randn(28, 18).astype(np.float32)
    generator = load_checkpoint(written(tmp_path / "network.pkl", options | {"label_size": 3}, variables)).generator
    z, label = torch.randn(4, 14), torch.eye(3)[[0, 1, 2, 0]]
    x = torch.cat((z, label @ torch.from_numpy(variables["mapping/LabelConcat/weight"])), 1)
    x = x / (x.square().mean(1, keepdim=True) + 1e-8).sqrt()
    for index in range(3):
        weight, bias = (torch.from_numpy(variables[f"mapping/Dense{index}/{part}"]) for part in ("weight", "bias"))
        x = F.leaky_relu(x @ weight * (2 / len(weight)) ** 0.5 * 0.01 + bias * 0.01, 0.2)
    assert worst(generator.mapping(z, label)[:, 0], x) < 1e-5


@torch.no_grad()
def test_tensorflow_networks_without_a_constant_begin_with_w(tmp_path: Path) -> None:
    options, variables = originals()
    wanted = expected(TENSORFLOW)
    for w, image in zip(wanted["w"], wanted["img"], strict=True):
        changed = {name.replace("4x4/Const/", "4x4/Dense/"): value for name, value in variables.items()}
        constant = torch.from_numpy(changed.pop("synthesis/4x4/Dense/const"))
        # At this w the dense layer gives the constant of the reference, whose picture is then to be drawn.
        weight = w[:, None] * constant.flatten()[None] / w.square().sum() / (2 / (16 * len(w))) ** 0.5
        changed["synthesis/4x4/Dense/weight"] = weight.numpy()
        loaded = load_checkpoint(written(tmp_path / "network.pkl", options | {"const_input_layer": False}, changed))
        generator = loaded.generator
        assert worst(generator.synthesis(w.expand(1, generator.num_ws, -1)), image[None]) < 1e-4
    generator.synthesis.b4.const.neg_()
    save_checkpoint(loaded, tmp_path / "new.pth", format="genforce")
    ws = generator.mapping(wanted["z"])
    assert worst(load_checkpoint(tmp_path / "new.pth").generator.synthesis(ws), generator.synthesis(ws)) < 1e-4


@pytest.mark.parametrize(
    ("options", "change", "functions", "error", "words"),
    [
        ({"const_input_layer": 0}, {}, {}, UnsupportedCheckpointError, "const_input_layer = 0"),
        ({"const_input_layer": False}, {}, {}, DamagedCheckpointError, "Dense/StyleMod/weight is missing"),
        ({}, {"synthesis/4x4/Dense/weight": np.zeros((18, 256))}, {}, UnsupportedCheckpointError, "4x4/Dense/weight"),
        ({"use_pixel_norm": True}, {}, {}, UnsupportedCheckpointError, "use_pixel_norm = True"),
        ({"nonlinearity": "relu"}, {}, {}, UnsupportedCheckpointError, "nonlinearity = relu"),
        ({"blur_filter": None}, {}, {}, UnsupportedCheckpointError, "blur_filter = None"),
        ({"use_styles": False}, {}, {}, UnsupportedCheckpointError, "use_styles = False"),
        ({"fused_scale": "always"}, {}, {}, UnsupportedCheckpointError, "fused_scale"),
        ({"attention": 1}, {}, {}, UnsupportedCheckpointError, "option attention"),
        ({"mapping_layers": 10**9}, {}, {}, UnsupportedCheckpointError, "mapping_layers"),
        ({"mapping_lrmul": "x"}, {}, {}, UnsupportedCheckpointError, "lr_multiplier"),
        ({"mapping_layers": 4}, {}, {}, DamagedCheckpointError, "Dense3/weight is missing"),
        ({"resolution": 64}, {}, {}, DamagedCheckpointError, "says resolution 64"),
        ({"label_size": 3}, {}, {}, DamagedCheckpointError, "label_size 3"),
        ({}, {}, {"synthesis": "G_synthesis_stylegan2"}, UnsupportedCheckpointError, "built by G_synthesis_stylegan2"),
        ({}, {"lod": -1.0}, {}, DamagedCheckpointError, "lod is not a number"),
        ({}, {"lod": 3.0}, {}, UnsupportedCheckpointError, "step = 0"),
        ({}, {"dlatent_avg": None}, {}, DamagedCheckpointError, "dlatent_avg is missing"),
        ({}, {"synthesis/noise4": np.zeros((1, 1, 8, 8))}, {}, DamagedCheckpointError, "noise4 has shape"),
        ({}, {"synthesis/4x4/Const/StyleMod/weight": 1.0}, {}, DamagedCheckpointError, "StyleMod/weight is missing"),
        ({}, {"synthesis/4x4/Conv/weight": np.zeros((3, 3, 16, 15))}, {}, DamagedCheckpointError, "4x4/Conv/weight has shape"),
        ({}, {"synthesis/ToRGB_lod1/weight": np.zeros((1, 1, 16))}, {}, DamagedCheckpointError, "ToRGB_lod1/weight is missing or has"),
        ({}, {"synthesis/64x64/Conv1/bias": np.zeros(3)}, {}, UnsupportedCheckpointError, "64x64/Conv1/bias"),
        ({}, {"synthesis/8x8/Conv1/bias": np.full(16, np.inf)}, {}, DamagedCheckpointError, "not finite"),
    ],
)
def test_tensorflow_files_that_do_not_fit_are_refused_by_name(
    options: Any, change: Any, functions: Any, error: type, words: str, tmp_path: Path
) -> None:
    given, variables = originals()
    variables = {name: value for name, value in (variables | change).items() if value is not None}
    with pytest.raises(error, match=words) as caught:
        load_checkpoint(written(tmp_path / "network.pkl", given | options, variables, functions))
    assert str(caught.value).isascii() and "\n" not in str(caught.value)


@pytest.fixture
def named(tmp_path: Path) -> Path:
    """The PyTorch reference under the name that its trainer gives such files."""
    return Path(shutil.copy(PYTORCH, tmp_path / "train_step-3.model"))


def pictures(generator: Any, wanted: dict[str, Tensor], **truncation: float) -> Tensor:
    """Pictures with the noise that the original code was given: another map for each picture."""
    images = []
    for index, z in enumerate(wanted["z"]):
        for stage in range(4):
            generator.synthesis.get_submodule(f"b{4 << stage}").noise_const = wanted[f"noise_{stage}"][index, 0]
        images.append(generator(z[None], **truncation))
    return torch.cat(images)


@torch.no_grad()
def test_pytorch_files_give_the_numbers_of_the_original_code(named: Path) -> None:
    generator, wanted = load_checkpoint(named).generator, expected(PYTORCH)
    assert (generator.img_resolution, generator.num_ws) == (32, 8)
    assert worst(generator.mapping(wanted["z"])[:, 0], wanted["w"]) < 1e-4
    assert worst(pictures(generator, wanted), wanted["img"]) < 1e-4
    generator.mapping.w_avg = wanted["mean_style"][0]
    assert worst(pictures(generator, wanted, psi=float(wanted["style_weight"])), wanted["img_trunc"]) < 1e-4
    growing = load_checkpoint(named, assume={"fade": "0.6"})
    assert worst(pictures(growing.generator, wanted), wanted["img_alpha_0.4"]) < 1e-4
    assert growing.assumptions == () and "60% of the image from 16" in growing.info.architecture


@torch.no_grad()
def test_what_pytorch_files_do_not_hold_is_the_same_at_every_reading_and_said(named: Path) -> None:
    first, again = load_checkpoint(named), load_checkpoint(named)
    z = expected(PYTORCH)["z"]
    assert torch.equal(first.generator(z, psi=0.5), again.generator(z, psi=0.5))
    assert first.assumptions == ("fade=0.0",)
    assert [words.partition(" (")[0] for words in first.substitutes] == ["the noise maps of 9 resolutions", "the mean w"]
    mean = first.generator.mapping.w(torch.randn(20_000, 12, generator=torch.Generator().manual_seed(5))).mean(0)
    assert worst(first.generator.mapping.w_avg, mean) < 0.1
    maps = [first.generator.synthesis.get_submodule(f"b{4 << stage}").noise_const for stage in range(9)]
    assert all(0.5 < float(each.std()) < 1.5 for each in maps)


@torch.no_grad()
def test_projection_takes_the_maps_of_the_stages_that_are_drawn_with(named: Path) -> None:
    generator = load_checkpoint(named).generator
    maps = NoiseMaps.of(generator, 2)
    assert {name: tuple(noise.shape) for name, noise in maps.maps.items()} == {f"b{r}.noise_const": (2, 1, r, r) for r in (4, 8, 16, 32)}
    ws = generator.mapping(torch.randn(2, 12))
    assert torch.equal(maps.images(generator, ws), generator.synthesis(ws))
    maps.maps["b32.noise_const"].zero_()
    assert worst(maps.images(generator, ws), generator.synthesis(ws)) > 1e-3


@torch.no_grad()
def test_the_layers_of_a_stage_share_random_noise_in_pytorch_files_only(named: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path, kinds in ((named, 4), (TENSORFLOW, 8)):
        generator, maps = load_checkpoint(path).generator, []
        z = torch.randn(2, generator.z_dim)
        drawn = generator(z, noise_mode="random", rng=[1, 2])
        assert worst(drawn[1:], generator(z[1:], noise_mode="random", rng=[2])) < 1e-5
        assert worst(drawn[1:], generator(z[1:], noise_mode="random", rng=[3])) > 1e-3 < worst(drawn, generator(z, noise_mode="none"))
        with monkeypatch.context() as patch:
            patch.setattr(network_module, "layer_noise", lambda *given, maps=maps: maps.append(layer_noise(*given)) or maps[-1])
            generator(z, noise_mode="random", rng=[1, 2])
        assert len(maps) == 8 and len({each.numpy().tobytes() for each in maps}) == kinds


@torch.no_grad()
def test_the_step_is_in_the_name_or_the_last_stage_that_learned_noise_or_is_chosen(named: Path, tmp_path: Path) -> None:
    tensors = torch.load(PYTORCH, weights_only=True)["g_running"]
    for stage in range(6, 9):
        tensors[f"generator.progression.{stage}.noise1.weight_orig"].zero_()
    torch.save(tensors, tmp_path / "140000.model")
    checkpoint = load_checkpoint(tmp_path / "140000.model")
    assert (checkpoint.assumptions, checkpoint.generator.img_resolution) == (("step=5", "fade=0.0"), 128)
    chosen, z = load_checkpoint(tmp_path / "140000.model", assume={"step": "3"}), torch.randn(2, 12)
    assert chosen.assumptions == ("fade=0.0",)
    assert torch.equal(chosen.generator(z), load_checkpoint(named).generator(z))
    save_checkpoint(chosen, tmp_path / "new.safetensors")
    again = load_checkpoint(tmp_path / "new.safetensors")
    assert torch.equal(again.generator(z), chosen.generator(z)) and again.assumptions == chosen.assumptions
    for step in ("9", "0", "much"):
        with pytest.raises(OptionError, match=r"step|number"):
            load_checkpoint(tmp_path / "140000.model", assume={"step": step})
    shutil.copy(tmp_path / "140000.model", tmp_path / "train_step-40.model")
    assert load_checkpoint(tmp_path / "train_step-40.model").generator.img_resolution == 128


@torch.no_grad()
def test_a_stage_that_enlarges_and_convolves_at_once_takes_the_mean_of_the_shifts(named: Path) -> None:
    """Stages from 128 pixels up, against the layout's description."""
    tensors = torch.load(PYTORCH, weights_only=True)["g_running"]
    layer, name = load_checkpoint(named).generator.synthesis.b128.conv0, "generator.progression.5"
    x, w, noise = torch.randn(2, 12, 64, 64), torch.randn(2, 12), torch.randn(128, 128)
    weight = F.pad(tensors[f"{name}.conv1.0.weight"] * (2 / (9 * 12)) ** 0.5, (1, 1, 1, 1))
    weight = (weight[..., 1:, 1:] + weight[..., :-1, 1:] + weight[..., 1:, :-1] + weight[..., :-1, :-1]) / 4
    wanted = F.conv_transpose2d(x, weight, tensors[f"{name}.conv1.0.bias"], stride=2, padding=1)
    wanted = F.conv2d(wanted, tensors[f"{name}.conv1.1.weight"], padding=1, groups=8)
    wanted = F.leaky_relu(wanted + noise * tensors[f"{name}.noise1.weight_orig"] * (2 / 8) ** 0.5, 0.2)
    style = F.linear(w, tensors[f"{name}.adain1.style.linear.weight_orig"] * (2 / 12) ** 0.5, tensors[f"{name}.adain1.style.linear.bias"])
    gamma, beta = style[:, :, None, None].chunk(2, 1)
    assert worst(layer(x, w, noise), gamma * F.instance_norm(wanted) + beta) < 1e-5


@torch.no_grad()
def test_a_tuned_pytorch_file_is_the_same_container_with_only_the_changed_numbers_replaced(named: Path, tmp_path: Path) -> None:
    checkpoint, before = load_checkpoint(named), torch.load(named, weights_only=True)
    generator, z = checkpoint.generator, torch.randn(2, 12)
    for key, parameter in generator.named_parameters():
        if key != "synthesis.b4.conv0.bias":  # which those networks do not have
            parameter += 0.1 * torch.randn(parameter.shape)
    generator.mapping.w_avg = load_checkpoint(named).generator.mapping.w_avg
    target = tmp_path / "tuned" / "train_step-3.model"
    target.parent.mkdir()
    changed = save_checkpoint(checkpoint, target)
    assert len(changed) == len(list(generator.named_parameters())) - 1
    assert worst(load_checkpoint(target).generator(z), generator(z)) < 1e-4
    after = torch.load(target, weights_only=True)
    assert target.stat().st_size == named.stat().st_size
    for key, tensors in before.items():
        same = [name for name, tensor in tensors.items() if not isinstance(tensor, Tensor) or torch.equal(tensor, after[key][name])]
        assert len(tensors) - len(same) == (len(changed) if key == "g_running" else 0)


@pytest.mark.slow
def test_finetune_writes_the_container_that_it_was_given_and_keeps_what_the_name_says(named: Path, tmp_path: Path) -> None:
    for path, name in ((named, "tuned.train_step-3.model"), (TENSORFLOW, "tuned.pkl")):
        tuned = orojar_cli.finetune(str(path), samples=4, outdir=str(tmp_path / "runs"))
        again, before = load_checkpoint(tuned.run.path / name), load_checkpoint(path)
        assert again.generator.img_resolution == 32 and again.info.container == before.info.container
        assert (tuned.run.path / name).stat().st_size == path.stat().st_size
        for key, tensor in again.generator.state_dict().items():
            if key != "mapping.w_avg":  # which is estimated anew where the file has none
                assert torch.equal(tensor, before.generator.state_dict()[key]) == (key != "mapping.fc0.weight"), key


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"generator.progression.2.conv1.2.weight": torch.ones(16, 1, 3, 3)}, UnsupportedCheckpointError, "not the usual blur"),
        ({"generator.to_rgb.1.conv.weight_orig": None}, UnsupportedCheckpointError, "1 stages"),
        (
            {"generator.to_rgb.8.conv.weight_orig": torch.zeros(3, 4)},
            DamagedCheckpointError,
            "weight_orig is missing or has another number",
        ),
        ({"generator.progression.5.conv1.0.weight": torch.zeros(8, 12, 3, 3)}, DamagedCheckpointError, "conv1.0.weight has shape"),
        ({"generator.progression.3.noise2.weight_orig": torch.zeros(16)}, DamagedCheckpointError, "noise2.weight_orig has shape"),
        ({"generator.progression.3.conv1.1.conv.bias": None}, DamagedCheckpointError, "conv.bias is missing"),
        ({"style.3.linear.weight_orig": torch.zeros(11, 12)}, DamagedCheckpointError, "style.3.linear"),
        ({"style.1.linear.weight_orig": torch.zeros(12)}, DamagedCheckpointError, "style.1.linear.weight_orig is missing or has"),
        ({"style.1.linear.bias": torch.zeros(12, dtype=torch.int64)}, DamagedCheckpointError, "int64"),
        ({"style.1.linear.bias": torch.full((12,), torch.nan)}, DamagedCheckpointError, "not finite"),
        (
            {"generator.progression.9.noise1.weight_orig": torch.zeros(1, 4, 1, 1)},
            UnsupportedCheckpointError,
            "a tensor generator.progression.9",
        ),
    ],
)
def test_pytorch_files_that_do_not_fit_are_refused_by_name(change: dict[str, Any], error: type, words: str, tmp_path: Path) -> None:
    tensors = torch.load(PYTORCH, weights_only=True)["g_running"] | change
    torch.save({"g_running": {name: tensor for name, tensor in tensors.items() if tensor is not None}}, tmp_path / "000010.model")
    with pytest.raises(error, match=words) as caught:
        load_checkpoint(tmp_path / "000010.model")
    assert str(caught.value).isascii() and "\n" not in str(caught.value)


@pytest.mark.parametrize("source", [TENSORFLOW, PYTORCH])
def test_cut_files_are_damaged(source: Path, tmp_path: Path) -> None:
    whole, path = source.read_bytes(), tmp_path / source.name
    for share in (0.1, 0.5, 0.9, 0.999):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(CheckpointError) as caught:
            load_checkpoint(path)
        assert caught.value.exit_code != 3


def test_it_has_derivatives(named: Path) -> None:
    for path in (TENSORFLOW, named):
        generator = load_checkpoint(path).generator.double()
        at, tangent = torch.randn(1, generator.z_dim).double(), torch.randn(1, generator.z_dim).double()
        _, column = jvp(generator, (at,), (tangent,))
        difference = (generator(at + 1e-6 * tangent) - generator(at - 1e-6 * tangent)) / 2e-6
        assert worst(column, difference) < 1e-5
        features, image = generator.synthesis.run(generator.mapping(at), until=16)
        assert features.shape[2:] == (16, 16) and image is None
        with pytest.raises(OptionError, match="no image at resolution 16"):
            generator.synthesis(generator.mapping(at), resolution=16)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tensorflow", "pytorch"])
def test_every_command_works_on_it(kind: str, named: Path, somewhere: Path, run: Any) -> None:
    path = TENSORFLOW if kind == "tensorflow" else named
    told = run("inspect", path)
    assert (told["family"], told["img_resolution"], len(told["layers"])) == ("StyleGAN", 32, 8)
    assert run("sample", path, "--seeds", "0-3", "--trunc", 0.7, "--out", "grid.png") and Path("grid.png").exists()
    assert len(run("sefa", path, "--num", 3, "--seeds", "0-1")["dimensions"]) == 3
    for space in ("w", "z", "w+"):
        layers = ("--layers", "0-1") if space == "w+" else ()
        found = run("discover", path, "--space", space, *layers, "--num", 3, "--samples", 8, "--subspace", 5, "--seeds", "0-1")
        assert len(found["dimensions"]) == 3
    tuned = run("finetune", path, "--samples", 8, "--seeds", "0-1")
    assert tuned["changed_tensors"] == ["mapping.fc0.weight"]
    assert run("traverse", tuned["run"], "--dim", 1, "--out", "walk.png", "--seeds", "0-1") and Path("walk.png").exists()
    assert run("convert", path, "new.safetensors") and run("inspect", "new.safetensors")["layers"] == told["layers"]


@pytest.mark.parametrize("stem", ["tf_stylegan1_32.pkl", "rosinality_sg1_32.model"])
@torch.no_grad()
def test_styles_are_a_space_of_scales_and_shifts(stem: str) -> None:
    generator = load_checkpoint(REFERENCES / stem).generator
    layers = (1, 2)
    counts = [2 * layer.out_channels for layer in generator.config.layers() if layer.ws in layers]
    assert space_dim(generator, "s", layers) == sum(counts)
    step = torch.randn(1, sum(counts), generator=torch.Generator().manual_seed(0))
    offsets = style_offsets(generator, step, "s", layers)
    assert offsets is not None and [part.shape[1] for part in offsets.values()] == counts
    ws = generator.mapping(torch.ones(1, generator.z_dim), torch.eye(generator.c_dim)[:1] if generator.c_dim else None)
    moved = generator.synthesis(ws, style_offsets=offsets)
    for name, part in offsets.items():
        generator.synthesis.get_submodule(name).affine.bias += part[0]
    wanted = generator.synthesis(ws)
    assert (moved - wanted).abs().max() <= 1e-5 * wanted.abs().max()


def test_directions_are_found_in_the_space_of_styles() -> None:
    generator = load_checkpoint(REFERENCES / "tf_stylegan1_32.pkl").generator
    layers = (1, 2)
    settings = Settings(space="s", layers=layers, num=3, samples=8, class_index=0 if generator.c_dim else None)
    found = METHODS["random"](generator, settings)
    assert found.directions.shape == (3, space_dim(generator, "s", layers)) and bool((found.activeness > 0).all())
