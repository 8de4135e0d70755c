"""BigGAN: both layouts against the outputs of their own code, what a file leaves open, and every command on them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from paths import REFERENCES

from orojar_cli import load_checkpoint, save_checkpoint
from orojar_cli.directions import Settings
from orojar_cli.errors import DamagedCheckpointError, OptionError, UnsupportedCheckpointError
from orojar_cli.generators.biggan.config import BigGANConfig
from orojar_cli.generators.biggan.network import BigGAN, statistics_position
from orojar_cli.response.outputs import Output
from orojar_cli.tuning.rotation import find_rotation, fold_rotation, z_parts

FILES = {
    "biggan_pt_128": "biggan_pt_128.pth",
    "biggan_pt_deep_32": "biggan_pt_deep_32.pth",
    "biggan_pt_noshared_32": "biggan_pt_noshared_32.pth",
    "biggan_hf_32": "biggan_hf_32/pytorch_model.bin",
}
each_file = pytest.mark.parametrize("name", FILES)
each_state_dict = pytest.mark.parametrize("name", [name for name in FILES if name != "biggan_hf_32"])


def generator_of(name: str) -> Any:
    return load_checkpoint(REFERENCES / FILES[name]).generator


def expected(name: str) -> dict[str, torch.Tensor]:
    with np.load(REFERENCES / f"{name}.npz") as arrays:
        return {key: torch.from_numpy(array) for key, array in arrays.items()}


def worst(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found - wanted).abs().max() / wanted.abs().max())


@each_state_dict
@torch.no_grad()
def test_the_pictures_are_those_of_the_original_code(name: str) -> None:
    generator, wanted = generator_of(name), expected(name)
    one_hot = torch.nn.functional.one_hot(wanted["y"], generator.c_dim).float()
    assert worst(generator(wanted["z"], one_hot), wanted["img"]) < 1e-4
    assert torch.equal(generator(wanted["z"], wanted["y"]), generator(wanted["z"], one_hot))
    # The network has no truncation: it is in how z is drawn.
    assert torch.equal(generator.mapping(wanted["z"], one_hot, psi=0.5), generator.mapping(wanted["z"], one_hot))


@pytest.mark.parametrize("name", ["biggan_pt_128", "biggan_pt_deep_32"])
@torch.no_grad()
def test_classes_mix_in_their_embedding(name: str) -> None:
    generator, wanted = generator_of(name), expected(name)
    count = len(wanted["img_mix"])
    z, mixed = wanted["z"][:count], wanted["y_mix"][:count]
    assert worst(generator(z, mixed), wanted["img_mix"]) < 1e-4
    shares = torch.zeros(count, generator.c_dim)
    shares[:, wanted["y"]] = torch.linalg.lstsq(wanted["y_shared"].T, mixed.T).solution.T
    assert worst(generator(z, shares), wanted["img_mix"]) < 1e-4


@torch.no_grad()
def test_truncation_scales_z_and_chooses_statistics() -> None:
    generator, wanted = generator_of("biggan_hf_32"), expected("biggan_hf_32")
    assert generator.config.assumed == () and generator.config.norm_epsilon == 1e-4
    for psi in wanted["truncations"].tolist():
        assert worst(generator(wanted["z"], wanted["y"], psi=psi), wanted[f"img_trunc_{psi:g}"]) < 1e-4, psi
    ws = generator.mapping(wanted["z"], wanted["y"], psi=0.4, cutoff=2)
    assert torch.equal(ws[:, 2:], generator.mapping(wanted["z"], wanted["y"])[:, 2:])
    assert torch.equal(ws[:, :2], generator.mapping(wanted["z"], wanted["y"], psi=0.4)[:, :2])
    for psi in (0.0, 1.5, -1.0):
        with pytest.raises(OptionError, match="statistics for truncations"):
            generator(wanted["z"], wanted["y"], psi=psi)


def test_the_place_between_statistics_is_found_in_double_precision() -> None:
    """Entry 28 for 0.58, whose quotient is just below 29; between entries the weights are the wrong way round."""
    assert statistics_position(0.58, 51) == pytest.approx(28.0, abs=1e-9)
    assert [statistics_position(psi, 51) for psi in (0.3, 0.4, 0.6, 0.7, 1.0)] == [15, 20, 30, 35, 50]
    assert statistics_position(0.505, 51) == pytest.approx(25.75)


@each_file
def test_its_statistics_and_gains_are_not_the_initial_ones(name: str) -> None:
    """Else a network that forgets one of them would draw the same pictures."""
    tensors = {key: tensor for key, tensor in generator_of(name).state_dict().items() if key != "mapping.w_avg"}
    assert all(float(tensor.std()) > 1e-3 for tensor in tensors.values() if tensor.numel() > 1)
    assert all(float(tensor) != 0 for tensor in tensors.values() if tensor.numel() == 1)


@each_file
@torch.no_grad()
def test_safetensors_keep_it_exactly(name: str, tmp_path: Path) -> None:
    first = load_checkpoint(REFERENCES / FILES[name])
    assert save_checkpoint(first, tmp_path / "new.safetensors") == []
    again = load_checkpoint(tmp_path / "new.safetensors")
    assert (again.generator.config, again.assumptions) == (first.generator.config, first.assumptions)
    z, label = torch.randn(2, first.generator.z_dim), torch.tensor([0, 1])
    assert torch.equal(again.generator(z, label), first.generator(z, label))


def test_the_folder_without_its_configuration_is_deduced_and_says_so(tmp_path: Path) -> None:
    whole = load_checkpoint(REFERENCES / FILES["biggan_hf_32"])
    shutil.copy(whole.path, tmp_path / "pytorch_model.bin")
    alone = load_checkpoint(tmp_path / "pytorch_model.bin")
    assert alone.assumptions == ("doubling=0101010", "norm_epsilon=0.0001", "output_epsilon=0.0001")
    assert alone.generator.config == whole.generator.config
    other = load_checkpoint(tmp_path / "pytorch_model.bin", assume={"doubling": "0111000"})
    assert other.generator.config.resolutions == [4, 8, 16, 32] and other.generator.config.doubling == "0111000"
    with pytest.raises(OptionError, match="doubling"):
        load_checkpoint(tmp_path / "pytorch_model.bin", assume={"doubling": "01"}).generator  # noqa: B018


@pytest.mark.parametrize("prefix", ["", "biggan-deep-32-"])
def test_the_configuration_beside_the_file_is_read(prefix: str, tmp_path: Path) -> None:
    shutil.copy(REFERENCES / FILES["biggan_hf_32"], tmp_path / f"{prefix}pytorch_model.bin")
    said = json.loads((REFERENCES / "biggan_hf_32/config.json").read_text())
    said |= {"eps": 1e-3, "layers": [[not layer[0], *layer[1:]] for layer in said["layers"]], "output_dim": 64}
    (tmp_path / f"{prefix}config.json").write_text(json.dumps(said))
    config = load_checkpoint(tmp_path / f"{prefix}pytorch_model.bin").generator.config
    assert (config.doubling, config.norm_epsilon, config.output_epsilon, config.assumed) == ("1010101", 1e-3, 1e-3, ())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "JSONDecodeError"),
        ("[" * 60_000, "RecursionError"),
        ('{"layers": 3}', "no list of layers"),
        ('{"layers": [[true, 1, 1]]}', "1 layers, the tensors 7"),
        ('{"layers": [[true, 1]]}', "no list of layers"),
        (None, "says 77 pixels"),
    ],
)
def test_a_configuration_that_does_not_fit_is_damage(text: str | None, words: str, tmp_path: Path) -> None:
    shutil.copy(REFERENCES / FILES["biggan_hf_32"], tmp_path / "pytorch_model.bin")
    said = json.loads((REFERENCES / "biggan_hf_32/config.json").read_text()) | {"output_dim": 77}
    (tmp_path / "config.json").write_text(json.dumps(said) if text is None else text)
    with pytest.raises(DamagedCheckpointError, match=words):
        load_checkpoint(tmp_path / "pytorch_model.bin")


def changed(name: str, tmp_path: Path, change: dict[str, torch.Tensor | None], rename: dict[str, str] | None = None) -> Path:
    """A reference with tensors replaced, added or (None) left out, and parts of names replaced."""
    tensors = torch.load(REFERENCES / FILES[name], weights_only=True) | change
    for old, new in (rename or {}).items():
        tensors = {key.replace(old, new): tensor for key, tensor in tensors.items()}
    path = tmp_path / "G_ema.pth"
    torch.save({key: tensor for key, tensor in tensors.items() if tensor is not None}, path)
    return path


@torch.no_grad()
def test_standing_statistics_are_sums_and_running_ones_are_not(tmp_path: Path) -> None:
    name = "biggan_pt_noshared_32"
    tensors, wanted = torch.load(REFERENCES / FILES[name], weights_only=True), expected(name)
    for count, factor in ((16.0, 16.0), (0.0, 1.0)):
        new: dict[str, torch.Tensor] = {}
        for key, tensor in tensors.items():
            if "stored_" in key:
                place, _, part = key.rpartition(".")
                new |= {f"{place}.bn.{part}": tensor * factor, f"{place}.bn.accumulation_counter": torch.tensor([count])}
            else:
                new[key] = tensor
        torch.save(new, tmp_path / "G.pth")
        assert worst(load_checkpoint(tmp_path / "G.pth").generator(wanted["z"], wanted["y"]), wanted["img"]) < 1e-4


@torch.no_grad()
def test_further_singular_vectors_change_nothing(tmp_path: Path) -> None:
    name = "biggan_pt_deep_32"
    path = changed(name, tmp_path, {"linear.u1": torch.zeros(1, 256), "linear.sv1": torch.ones(1)})
    z, label = torch.randn(1, 9), torch.tensor([2])
    assert torch.equal(load_checkpoint(path).generator(z, label), generator_of(name)(z, label))


@torch.no_grad()
def test_the_epsilons_of_converted_weights_are_chosen(tmp_path: Path) -> None:
    name = "biggan_pt_deep_32"
    chosen = load_checkpoint(REFERENCES / FILES[name], assume={"norm_epsilon": "1e-4", "spectral_epsilon": "1e-4"})
    assert chosen.assumptions == () and chosen.generator.config.output_epsilon == 1e-5
    assert generator_of(name).config.assumed == ("norm_epsilon", "spectral_epsilon")
    z, label = torch.randn(1, 9), torch.tensor([2])
    assert not torch.equal(chosen.generator(z, label), generator_of(name)(z, label))
    save_checkpoint(chosen, tmp_path / "new.safetensors")
    assert torch.equal(load_checkpoint(tmp_path / "new.safetensors").generator(z, label), chosen.generator(z, label))


@torch.no_grad()
def test_weights_stored_after_their_division_are_used_as_they_are(tmp_path: Path) -> None:
    """Files of torch before 1.1 have no right singular vector, but the weight as it was used."""
    tensors = torch.load(REFERENCES / FILES["biggan_hf_32"], weights_only=True)
    old: dict[str, torch.Tensor] = {}
    for key, tensor in tensors.items():
        if key.endswith("weight_orig"):
            at = key.removesuffix("_orig")
            old[at] = tensor / (tensors[f"{at}_u"] @ tensor.flatten(1) @ tensors[f"{at}_v"])
        if not key.endswith("weight_v"):
            old[key] = tensor
    torch.save(old, tmp_path / "pytorch_model.bin")
    z, label = torch.randn(2, 8), torch.eye(6)[:2]
    found = load_checkpoint(tmp_path / "pytorch_model.bin").generator(z, label, psi=0.5)
    assert worst(found, generator_of("biggan_hf_32")(z, label, psi=0.5)) < 1e-5


SHARED, DEEP, UNSHARED, FOLDER = FILES


@pytest.mark.parametrize(
    ("name", "change", "rename", "error", "words"),
    [
        (DEEP, {}, {"stored_mean": "bn.running_mean", "stored_var": "bn.running_var"}, UnsupportedCheckpointError, "cross_replica"),
        (DEEP, {}, {"bn1.stored_mean": "bn1.other"}, UnsupportedCheckpointError, "gn or nonorm"),
        (DEEP, {"shared.weight": None}, {}, UnsupportedCheckpointError, "without a shared embedding"),
        (DEEP, {"linear.weight": torch.zeros(250, 14)}, {}, DamagedCheckpointError, "250 rows"),
        (DEEP, {"linear.weight": torch.zeros(256, 3)}, {}, DamagedCheckpointError, "no more than a class vector"),
        (DEEP, {"linear.weight": torch.zeros(256)}, {}, DamagedCheckpointError, "number of axes"),
        (DEEP, {"linear.weight": torch.zeros(256, 13)}, {}, DamagedCheckpointError, "has shape"),
        (DEEP, {"linear.u0": torch.zeros(1, 255)}, {}, DamagedCheckpointError, "linear.u0 has shape"),
        (DEEP, {"linear.u0": torch.full((1, 256), torch.nan)}, {}, DamagedCheckpointError, "not finite"),
        (DEEP, {"linear.bias": torch.zeros(256, dtype=torch.int64)}, {}, DamagedCheckpointError, "int64"),
        (DEEP, {"blocks.3.0.conv4.weight": None}, {}, DamagedCheckpointError, "blocks.3.0.conv4.weight is missing"),
        (DEEP, {"blocks.3.0.conv4.weight": torch.zeros(15, 4, 1, 1)}, {}, UnsupportedCheckpointError, "keep or halve"),
        (DEEP, {"blocks.9.0.conv1.weight": torch.zeros(4, 16, 1, 1)}, {}, DamagedCheckpointError, "blocks.6.0.conv4.weight is missing"),
        (DEEP, {"surplus": torch.zeros(1)}, {}, UnsupportedCheckpointError, "surplus"),
        (DEEP, {"shared.weight": torch.zeros(1).expand(6, 5)}, {}, DamagedCheckpointError, "strides"),
        (SHARED, {"blocks.0.0.bn1.gain.weight": torch.zeros(64)}, {}, DamagedCheckpointError, "number of axes"),
        (SHARED, {"blocks.2.0.bn1.gain.weight": torch.zeros(32, 10)}, {}, DamagedCheckpointError, "has shape"),
        (SHARED, {"output_layer.2.weight": torch.zeros(4, 4, 3, 3)}, {}, DamagedCheckpointError, "output_layer.2.weight has shape"),
        (UNSHARED, {"blocks.1.0.bn1.gain.weight": torch.zeros(9, 16)}, {}, DamagedCheckpointError, "has shape"),
        (FOLDER, {}, {"weight_v": "weight_w"}, UnsupportedCheckpointError, "neither the weights as used"),
        (FOLDER, {"generator.gen_z.weight_orig": torch.zeros(1024, 8)}, {}, DamagedCheckpointError, "does not fit its class vector"),
        (FOLDER, {"generator.bn.running_means": torch.zeros(1, 4)}, {}, UnsupportedCheckpointError, "1 sets of batch statistics"),
        (FOLDER, {"generator.bn.running_means": torch.zeros(50, 4)}, {}, DamagedCheckpointError, "has shape"),
        (FOLDER, {}, {"layers.5.": "layers.15."}, DamagedCheckpointError, "no block generator.layers.5"),
        (FOLDER, {}, {"layers.4.": "layers.9."}, DamagedCheckpointError, "no block generator.layers.4"),
        (FOLDER, {"generator.conv_to_rgb.weight_orig": torch.zeros(2, 4, 3, 3)}, {}, UnsupportedCheckpointError, "image_rows = 2"),
    ],
)
def test_files_that_do_not_fit_are_refused_by_name(
    name: str, change: dict[str, Any], rename: dict[str, str], error: type, words: str, tmp_path: Path
) -> None:
    path = changed(name, tmp_path, change, rename)
    with pytest.raises(error, match=words) as caught:
        load_checkpoint(path)
    assert str(caught.value).isascii() and "\n" not in str(caught.value)


@pytest.mark.parametrize("counter", [torch.tensor([-1.0]), torch.tensor([torch.nan]), torch.zeros(3)])
def test_a_counter_that_is_no_count_is_damage(counter: torch.Tensor, tmp_path: Path) -> None:
    path = changed(UNSHARED, tmp_path, {"blocks.0.0.bn1.bn.accumulation_counter": counter}, {"bn1.stored_": "bn1.bn.stored_"})
    with pytest.raises(DamagedCheckpointError, match="is no count"):
        load_checkpoint(path)


def test_labels_that_do_not_fit_are_refused() -> None:
    generator = generator_of(DEEP)
    z = torch.randn(2, 9)
    for label, words in ((None, "class from 0 to 5"), (torch.tensor([0, 6]), "classes from 0 to 5"), (torch.zeros(2, 7), "label"),
                         (torch.zeros(1, 6), "1 labels for 2")):  # fmt: skip
        with pytest.raises(OptionError, match=words):
            generator(z, label)


def chunkwise_rotation(generator: Any) -> torch.Tensor:
    rng = torch.Generator().manual_seed(3)
    sizes = [len(part) for part in z_parts(generator)]
    return torch.block_diag(*[torch.linalg.qr(torch.randn(size, size, dtype=torch.float64, generator=rng)).Q for size in sizes])


@each_file
@torch.no_grad()
def test_a_rotation_inside_each_chunk_folds_into_all_that_reads_it(name: str) -> None:
    """Also into the stored right singular vectors: what weights are divided by stays."""
    generator = generator_of(name)
    z, label = torch.randn(2, generator.z_dim), torch.tensor([0, 1])
    before = generator(z, label)
    matrix = chunkwise_rotation(generator)
    assert len(z_parts(generator)) == (6 if name == SHARED else 1)
    fold_rotation(generator, matrix)
    assert worst(generator((z.double() @ matrix.T).float(), label), before) < 1e-4
    assert worst(generator(z, label), before) > 1e-2


def test_a_rotation_across_chunks_is_refused() -> None:
    generator = generator_of(SHARED)
    with pytest.raises(OptionError, match="mixes the 6 chunks"):
        fold_rotation(generator, torch.eye(24, dtype=torch.float64).flip(0))


def small() -> Any:
    """A network of 32 pixels whose z is in four chunks of three, with random weights."""
    config = BigGANConfig(12, 4, 3, (16, 16, 8, 8), "111", attention=(1,))
    generator = BigGAN(config)
    rng = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, tensor in generator.state_dict().items():
            tensor.copy_(torch.randn(tensor.shape, generator=rng))
            if name.endswith("var"):
                tensor.abs_().add_(0.5)
    return generator.eval().requires_grad_(False)


def test_the_rotation_found_is_that_of_each_chunk() -> None:
    generator = small()
    rotation = find_rotation(generator, Settings(space="z", samples=8, class_index=1, outputs=(Output("image", 8),)))
    inside = torch.block_diag(*[torch.ones(3, 3)] * 4).bool()
    assert bool((rotation.matrix[~inside] == 0).all()) and bool((rotation.matrix[inside] != 0).any())
    assert torch.allclose(rotation.matrix @ rotation.matrix.T, torch.eye(12, dtype=torch.float64), atol=1e-9)
    assert rotation.loss_after < rotation.loss_before
    active = rotation.activeness.reshape(4, 3)
    assert bool((active.diff(dim=1) <= 0).all())
