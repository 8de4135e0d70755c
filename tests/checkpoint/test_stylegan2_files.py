"""StyleGAN2 in the containers that people have: the outputs of the original code, labels of both generations, sizes that are not square."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from paths import REFERENCES
from pickle_assembler import GENERATOR, assemble, random_tensors
from tensorflow_assembler import network

from orojar_cli import load_checkpoint, save_checkpoint
from orojar_cli.errors import DamagedCheckpointError, UnsupportedCheckpointError
from orojar_cli.generators.families import empty_network
from orojar_cli.tuning.rotation import fold_rotation

# File and size of its images.
FILES = {
    "tf_ada_labelembed_32.pkl": (32, 32),
    "tf_stylegan2_labelconcat_32.pkl": (32, 32),
    "psp_decoder_32.pt": (32, 32),
    "rosinality_full_32.pt": (32, 32),
    "sg2_human_64x32.pkl": (64, 32),
    "sg2_initres_48x80.pkl": (48, 80),
    "sg2_rect_64x32.pt": (64, 32),
}
each_file = pytest.mark.parametrize("name", FILES)


def reference(name: str) -> dict[str, Any]:
    """The arrays of a reference; `c` is the label, None where there are no classes."""
    arrays = {key: torch.from_numpy(value) for key, value in np.load(REFERENCES / f"{name.partition('.')[0]}.npz").items()}
    label = arrays.pop("label", arrays.get("c"))
    return arrays | {"c": label if label is not None and label.numel() else None}


def worst(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found - wanted).abs().max() / wanted.abs().max())


@each_file
@torch.no_grad()
def test_w_pictures_and_truncated_pictures_are_those_of_the_original_code(name: str) -> None:
    generator, known = load_checkpoint(REFERENCES / name).generator, reference(name)
    z, label, ws = known["z"], known["c"], generator.mapping(known["z"], known["c"])
    assert generator.image_shape == (3, *FILES[name]) and generator.img_resolution == FILES[name][0]
    assert worst(generator(z, label), known["img"]) < 1e-4
    if "w" in known:
        assert worst(ws[:, 0], known["w"]) < 1e-4
    if "latent_avg" in known and not name.startswith("psp"):
        generator.mapping.w_avg.copy_(known["latent_avg"])  # the file keeps none
    if "img_trunc" in known:
        psi, cutoff = float(known.get("trunc_psi", 0.6)), known.get("trunc_layers")
        truncated = generator.mapping(z, label, psi, None if cutoff is None else int(cutoff))
        wanted = known["wp_trunc"] if "wp_trunc" in known else known.get("w_trunc")
        if wanted is not None:
            assert worst(truncated if wanted.ndim == 3 else truncated[:, 0], wanted) < 1e-4
        assert worst(generator.synthesis(truncated), known["img_trunc"]) < 1e-4
    if "wplus" in known:
        assert worst(generator.synthesis(known["wplus"]), known["img_wplus"]) < 1e-4


def test_what_the_files_do_not_hold_is_said() -> None:
    assert load_checkpoint(REFERENCES / "psp_decoder_32.pt").substitutes == ()
    assert load_checkpoint(REFERENCES / "rosinality_full_32.pt").substitutes == ("the mean w (estimated from 4,096 latents)",)


@each_file
@torch.no_grad()
def test_a_rotation_of_z_folds_into_it(name: str) -> None:
    generator, known = load_checkpoint(REFERENCES / name).generator, reference(name)
    dim = generator.z_dim
    matrix = torch.linalg.qr(torch.randn(dim, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(3))).Q
    fold_rotation(generator, matrix)
    assert worst(generator((known["z"].double() @ matrix.T).float(), known["c"]), known["img"]) < 1e-4


@each_file
def test_its_own_container_keeps_what_changed(name: str, tmp_path: Path) -> None:
    loaded = load_checkpoint(REFERENCES / name)
    with torch.no_grad():
        loaded.generator.mapping.layers[0].weight[0] += 1
    path = tmp_path / f"tuned{Path(name).suffix}"
    if name.startswith("tf_stylegan2"):
        with pytest.raises(UnsupportedCheckpointError, match=r"normalise z and label each alone has no .pkl form; write \.safetensors"):
            save_checkpoint(loaded, path)
        path = path.with_suffix(".safetensors")
    assert "mapping.fc0.weight" in save_checkpoint(loaded, path)
    again = load_checkpoint(path).generator
    assert again.config == loaded.generator.config
    assert all(torch.equal(tensor, again.state_dict()[key]) for key, tensor in loaded.generator.state_dict().items() if "w_avg" not in key)


@pytest.mark.parametrize("name", ["sg2_human_64x32.pkl", "sg2_initres_48x80.pkl", "sg2_rect_64x32.pt"])
@torch.no_grad()
def test_a_new_pickle_of_a_network_that_is_not_square_says_where_it_begins(name: str, tmp_path: Path) -> None:
    first = load_checkpoint(REFERENCES / name)
    save_checkpoint(first, tmp_path / "safe.safetensors")
    save_checkpoint(load_checkpoint(tmp_path / "safe.safetensors"), tmp_path / "new.pkl")
    again = load_checkpoint(tmp_path / "new.pkl")
    assert again.generator.config == first.generator.config
    z = reference(name)["z"]
    assert torch.equal(again.generator(z), first.generator(z))


@each_file
def test_it_has_features_and_pictures_of_every_height(name: str) -> None:
    generator, known = load_checkpoint(REFERENCES / name).generator, reference(name)
    ws, (height, width) = generator.mapping(known["z"][:1], None if known["c"] is None else known["c"][:1]), FILES[name]
    heights = [layer.resolution for layer in generator.config.layers()]
    assert heights == sorted(heights) and heights[-1] == height
    for rows in sorted(set(heights)):
        features, image = generator.synthesis.run(ws, until=rows)
        assert features.shape[2:] == image.shape[2:] == (rows, rows * width // height)


@pytest.mark.slow
@each_file
def test_every_command_works_on_it(name: str, tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path, height = REFERENCES / name, FILES[name][0]
    told = run("inspect", path)
    assert (told["family"], told["img_resolution"]) == ("StyleGAN2", height)
    label = ("--class", 1) if told["c_dim"] else ()
    assert run("sample", path, "--seeds", "0-3", "--out", "grid.png", *label) and Path("grid.png").exists()
    assert len(run("sefa", path, "--num", 3, "--seeds", "0-1", *label)["dimensions"]) == 3
    found = run("discover", path, "--space", "z", "--num", 3, "--samples", 8, "--subspace", 5, "--seeds", "0-1", *label)
    assert len(found["dimensions"]) == 3
    tuned = run("finetune", path, "--samples", 8, "--seeds", "0-1", *label)
    assert tuned["changed_tensors"] == ["mapping.fc0.weight"]
    assert run("traverse", tuned["run"], "--dim", 1, "--out", "walk.png", "--seeds", "0-1", *label) and Path("walk.png").exists()
    assert run("convert", path, "new.safetensors") and run("inspect", "new.safetensors")["layers"] == told["layers"]


def tensorflow_layout(tensors: dict[str, torch.Tensor], config: Any) -> dict[str, np.ndarray]:
    """Our tensors as TensorFlow's networks name and store them, for any size of the first features."""
    result: dict[str, np.ndarray] = {}
    for name, tensor in tensors.items():
        parts, values = name.split("."), tensor.numpy()
        if parts[-1] == "resample_filter":
            continue
        if parts[0] == "mapping":
            result["dlatent_avg" if parts[1] == "w_avg" else f"mapping/Dense{parts[1][2:]}/{parts[-1]}"] = values.T
            continue
        size, layer = int(parts[1][1:]), parts[2]
        path = "synthesis/{}x{}/".format(*config.synthesis.size(size))
        path += {"conv0": "Conv0_up", "conv1": "Conv1" if size > 4 else "Conv", "torgb": "ToRGB", "const": "Const"}[layer]
        if layer == "const":
            result[f"{path}/const"] = values[None]
        elif parts[-1] == "noise_const":
            result[f"synthesis/noise{max(0, 2 * size.bit_length() - 2 - (5 if layer == 'conv0' else 4))}"] = values[None, None]
        elif parts[3] == "affine":
            result[f"{path}/{'mod_weight' if parts[-1] == 'weight' else 'mod_bias'}"] = values.T if parts[-1] == "weight" else values - 1
        elif parts[-1] == "weight":
            result[f"{path}/weight"] = (values[:, :, ::-1, ::-1] if layer == "conv0" else values).transpose(2, 3, 1, 0)
        else:
            result[f"{path}/{parts[-1]}"] = values
    return result


def tensorflow_file(config: Any, tensors: dict[str, torch.Tensor], options: dict[str, Any]) -> bytes:
    variables = tensorflow_layout(tensors, config)

    def below(prefix: str) -> dict[str, Any]:
        return {name[len(prefix) :]: value for name, value in variables.items() if name.startswith(prefix)}

    def top() -> Any:
        parts = {name: network(f"G_{name}", options, below(f"{name}/")) for name in ("mapping", "synthesis")}
        return network("G_main", options, {name: value for name, value in variables.items() if "/" not in name}, **parts)

    return assemble((top(), network("D_stylegan2", {}, {}), top()))


OBLONG = dataclasses.replace(GENERATOR, synthesis=dataclasses.replace(GENERATOR.synthesis, start=(3, 5)))
OBLONG_OPTIONS = {
    **{"min_h": 3, "min_w": 5, "res_log2": 1, "num_channels": 3, "fmap_base": 16, "fmap_max": 6, "use_attention": False},
    **{"latent_size": 8, "dlatent_size": 8, "mapping_layers": 2},
}


@torch.no_grad()
def test_tensorflow_networks_that_are_not_square_are_read(tmp_path: Path) -> None:
    tensors = random_tensors(OBLONG.shapes(), OBLONG.synthesis.resample_filter, 5)
    (tmp_path / "oblong.pkl").write_bytes(tensorflow_file(OBLONG, tensors, OBLONG_OPTIONS))
    generator = load_checkpoint(tmp_path / "oblong.pkl").generator
    wanted = empty_network(OBLONG)
    wanted.load_state_dict(tensors, assign=True)
    z = torch.randn(2, 8)
    assert generator.config == OBLONG and generator.image_shape == (3, 6, 10)
    torch.testing.assert_close(generator(z), wanted(z))


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"use_attention": True}, UnsupportedCheckpointError, "use_attention"),
        ({"min_w": 4}, DamagedCheckpointError, "begins with 3x5 pixels"),
        ({"res_log2": 2}, DamagedCheckpointError, "synthesis/12x20/Conv0_up/weight is missing"),
        ({"label_size": 3}, DamagedCheckpointError, "mapping/LabelEmbed/weight is missing"),
    ],
)
def test_tensorflow_options_that_do_not_fit_are_refused(change: dict[str, Any], error: type, words: str, tmp_path: Path) -> None:
    tensors = random_tensors(OBLONG.shapes(), OBLONG.synthesis.resample_filter, 5)
    (tmp_path / "oblong.pkl").write_bytes(tensorflow_file(OBLONG, tensors, OBLONG_OPTIONS | change))
    with pytest.raises(error, match=words):
        load_checkpoint(tmp_path / "oblong.pkl")


def rosinality() -> dict[str, torch.Tensor]:
    """The averaged generator of the reference's training dictionary."""
    file: dict[str, Any] = torch.load(REFERENCES / "sg2_rect_64x32.pt", weights_only=True)
    return dict(file["g_ema"])


def prefixed(prefix: str) -> dict[str, torch.Tensor]:
    return {prefix + name: tensor for name, tensor in rosinality().items()}


@pytest.mark.parametrize(
    "file",
    [
        lambda: {"g_ema": prefixed("module.")},
        lambda: {"g_ema": prefixed("_orig_mod.")},
        lambda: {"g_ema": prefixed("module._orig_mod.")},
        lambda: {"g_ema": prefixed("generator.")},
        lambda: prefixed("G_ema."),
        lambda: prefixed("model.generator."),
        lambda: {"state_dict": prefixed("G_ema.") | {"D.weight": torch.zeros(3)}, "epoch": 3, "pytorch-lightning_version": "2.0"},
        lambda: {"state_dict": prefixed("decoder.") | {"encoder.body.num_batches_tracked": torch.tensor(3)}, "opts": {"output_size": 64}},
    ],
    ids=["parallel", "compiled", "both", "generator", "bare", "deep", "lightning", "encoder"],
)
@torch.no_grad()
def test_prefixes_of_all_names_are_taken_off(file: Any, tmp_path: Path) -> None:
    torch.save(file(), tmp_path / "network.pt")
    known = reference("sg2_rect_64x32.pt")
    assert worst(load_checkpoint(tmp_path / "network.pt").generator(known["z"]), known["img"]) < 1e-4


@torch.no_grad()
def test_averaged_weights_are_preferred_also_below_a_prefix(tmp_path: Path) -> None:
    trained = {name: tensor + 1 for name, tensor in rosinality().items() if "kernel" not in name}
    kernels = {name: tensor for name, tensor in rosinality().items() if "kernel" in name}
    file = {f"G.{name}": tensor for name, tensor in (trained | kernels).items()} | prefixed("G_ema.")
    torch.save({"state_dict": file}, tmp_path / "network.pt")
    known = reference("sg2_rect_64x32.pt")
    assert worst(load_checkpoint(tmp_path / "network.pt").generator(known["z"]), known["img"]) < 1e-4


@pytest.mark.parametrize(
    ("average", "error", "words"),
    [
        (torch.arange(320.0).view(10, 32), UnsupportedCheckpointError, "another mean for each layer"),
        (torch.zeros(1000, 32), UnsupportedCheckpointError, r"latent_avg has the shape \[1000, 32\]"),
        (torch.zeros(10, 31), DamagedCheckpointError, r"latent_avg has shape \(10, 31\)"),
        (torch.zeros(10, 32, dtype=torch.int64), DamagedCheckpointError, "int64"),
        (torch.zeros(2, 5, 32), DamagedCheckpointError, "latent_avg has shape"),
        (torch.full((10, 32), torch.nan), DamagedCheckpointError, "not finite"),
    ],
)
def test_means_that_do_not_fit_are_refused(average: torch.Tensor, error: type, words: str, tmp_path: Path) -> None:
    torch.save({"g_ema": rosinality(), "latent_avg": average}, tmp_path / "network.pt")
    with pytest.raises(error, match=words):
        load_checkpoint(tmp_path / "network.pt")


@pytest.mark.parametrize("shape", [(10, 32), (1, 32), (32,)])
def test_the_mean_w_may_be_repeated_for_each_layer(shape: tuple[int, ...], tmp_path: Path) -> None:
    mean = torch.linspace(-1, 1, 32)
    torch.save({"g_ema": rosinality(), "latent_avg": mean.expand(shape).contiguous()}, tmp_path / "network.pt")
    loaded = load_checkpoint(tmp_path / "network.pt")
    assert torch.equal(loaded.generator.mapping.w_avg, mean) and loaded.substitutes == ()
    loaded.generator.mapping.w_avg += 1
    assert save_checkpoint(loaded, tmp_path / "moved.pt") == ["mapping.w_avg"]
    assert torch.equal(torch.load(tmp_path / "moved.pt", weights_only=True)["latent_avg"], (mean + 1).expand(shape))


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float16, 1e-2), (torch.bfloat16, 1e-1), (torch.float64, 1e-5)])
@torch.no_grad()
def test_numbers_of_other_widths_are_converted_and_written_back(dtype: torch.dtype, bound: float, tmp_path: Path) -> None:
    torch.save({"g_ema": {name: tensor.to(dtype) for name, tensor in rosinality().items()}}, tmp_path / "network.pt")
    known, loaded = reference("sg2_rect_64x32.pt"), load_checkpoint(tmp_path / "network.pt")
    assert worst(loaded.generator(known["z"]), known["img"]) < bound and loaded.generator.mapping.layers[0].weight.dtype == torch.float32
    loaded.generator.mapping.layers[0].bias.fill_(0.5)
    assert save_checkpoint(loaded, tmp_path / "changed.pt") == ["mapping.fc0.bias"]
    again = torch.load(tmp_path / "changed.pt", weights_only=True)["g_ema"]
    assert again["style.1.bias"].dtype == dtype and bool((again["style.1.bias"] == 0.5).all())


@pytest.mark.parametrize("start", [(0, 4), (4096, 4), (64, 64)])
def test_beginnings_that_no_network_has_are_refused(start: tuple[int, int], tmp_path: Path) -> None:
    tensors = rosinality()
    tensors["input.input"] = torch.zeros(1, 16, 1, 1).expand(1, 16, *start).clone()
    tensors = {name: tensor for name, tensor in tensors.items() if "noises" not in name}
    torch.save({"g_ema": tensors}, tmp_path / "network.pt")
    if start == (64, 64):
        assert load_checkpoint(tmp_path / "network.pt").generator.image_shape == (3, 512, 512)
        return
    with pytest.raises(UnsupportedCheckpointError, match="begin with"):
        load_checkpoint(tmp_path / "network.pt")


@pytest.mark.parametrize("name", ["tf_ada_labelembed_32.pkl", "psp_decoder_32.pt", "sg2_initres_48x80.pkl"])
def test_what_is_cut_short_is_damaged(name: str, tmp_path: Path) -> None:
    whole = (REFERENCES / name).read_bytes()
    for length in (len(whole) // 3, len(whole) - 100):
        (tmp_path / name).write_bytes(whole[:length])
        with pytest.raises(DamagedCheckpointError):
            load_checkpoint(tmp_path / name)
