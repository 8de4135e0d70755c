"""BigGAN: both layouts against the outputs of their own code, what a file leaves open, and every command on them."""

from __future__ import annotations

import itertools
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from paths import REFERENCES
from torch.func import jvp, vmap

from orojar_cli import load_checkpoint, save_checkpoint
from orojar_cli.directions import METHODS, Settings, optimised
from orojar_cli.directions.frame import Frame
from orojar_cli.directions.sefa import sefa
from orojar_cli.errors import CheckpointError, DamagedCheckpointError, OptionError, UnsupportedCheckpointError
from orojar_cli.explore.studio import Studio
from orojar_cli.explore.view import View
from orojar_cli.generators.biggan.config import BigGANConfig
from orojar_cli.generators.biggan.network import BigGAN, statistics_position
from orojar_cli.latents.points import Latents, seed_latents
from orojar_cli.latents.spaces import named_layers
from orojar_cli.response import penalties
from orojar_cli.response.outputs import Output
from orojar_cli.runs.resume import Partial
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


class Steps(Partial):
    """What an optimisation keeps of every step, in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[dict[str, torch.Tensor]] = []

    def write(self, name: str, tensors: dict[str, torch.Tensor], *, at_once: bool = False) -> None:
        if name == "optimisation":
            self.steps.append({key: tensor.clone() for key, tensor in tensors.items()})

    def gradients(self) -> list[torch.Tensor]:
        """Of every step, from Adam's moving average m = 0.9 m + 0.1 g."""
        moments = [torch.zeros_like(self.steps[0]["exp_avg"]), *(step["exp_avg"] for step in self.steps)]
        return [(after - 0.9 * before) / 0.1 for before, after in itertools.pairwise(moments)]


@pytest.mark.slow
@pytest.mark.parametrize(("method", "count"), [("orojar-sgd", 4), ("hessian", 1)])
def test_the_methods_take_the_authors_own_steps(method: str, count: int, monkeypatch: pytest.MonkeyPatch, rough: None) -> None:
    """`discover --method orojar-sgd --protocol paper --layers mid`, and `hessian`, with the start, signs and latents that the original
    code drew: its penalties, gradients and matrix after four steps of Adam."""
    generator = generator_of(SHARED)
    with np.load(REFERENCES / "biggan_pt_128_discovery.npz") as arrays:
        wanted = {key: torch.from_numpy(array) for key, array in arrays.items()}
    layers = named_layers(generator, "mid")
    assert [index for entry in layers or () for index in generator.free_coordinates(entry)] == list(range(*wanted["segment"].tolist()))
    drawn = iter(wanted["signs"].flatten(0, 1))
    monkeypatch.setattr(penalties, "rademacher", lambda shape, like, rng=None: next(drawn).to(like))
    monkeypatch.setattr(optimised, "first_matrix", lambda *_: wanted["A0"].clone())
    if method == "hessian":
        monkeypatch.setattr(optimised, "coefficients", lambda *_: wanted["hp_w"])
    latents = iter(wanted["z"])
    label = torch.nn.functional.one_hot(wanted["y"], generator.c_dim).float()
    monkeypatch.setattr(
        Settings,
        "latents",
        lambda self, generator, size, stream=0: Latents(next(latents, torch.randn(size, 24)), label[:1].expand(size, -1)),
    )
    preset = METHODS[method].protocol("paper")
    assert preset.options["lr"] == float(wanted["lr"]) and preset.options["epsilon"] == float(wanted["eps"]) and preset.options["k"] == 2
    kept, options = Steps(), dict(preset.options) | {"steps": count, "batch": 2}
    settings = Settings(space="z", layers=layers, num=None, class_index=2, outputs=preset.outputs, options=options, partial=kept)
    # The file has five rows in a space of eight.
    found = METHODS[method](generator, replace(settings, num=5))
    assert found.directions.shape == (5, 24) and found.options["steps"] == count and len(kept.steps) == count
    if method == "hessian":
        assert float(kept.steps[0]["loss"]) == pytest.approx(float(wanted["hp_penalty"]), rel=1e-3)
        assert worst(kept.gradients()[0], wanted["hp_grad_A"]) < 1e-3
        return
    assert [float(step["loss"]) for step in kept.steps] == pytest.approx(wanted["orojar_penalty"].tolist(), rel=1e-3)
    for gradient, theirs in zip(kept.gradients(), wanted["orojar_grad_A"], strict=True):
        assert worst(gradient, theirs) < 1e-3
    assert worst(kept.steps[-1]["matrix"], wanted["A_after_4_adam_steps"]) < 1e-3
    # And the directions are its orthonormal rows, in their third of z.
    rows = torch.nn.functional.pad(optimised.gram_schmidt(wanted["A_after_4_adam_steps"]), (8, 8))
    assert float((found.directions @ rows.T).abs().max(1).values.min()) > 1 - 1e-3


def test_the_protocol_is_the_papers_and_options_go_before_it(run: Any, rough: None) -> None:
    """On the smallest network, whose z is one part: all twelve directions, the whole image, three steps."""
    words = ("--class", 1, "--space", "z", "--layers", 0, "--protocol", "paper", "--seeds", 0)
    found = run("discover", REFERENCES / FILES[UNSHARED], "--method", "orojar-sgd", *words, "--set", "steps=2", "--set", "batch=2")
    told = found["options"]
    assert len(found["dimensions"]) == 12 and told["outputs"] == ["image"]
    assert {name: told[name] for name in ("k", "epsilon", "lr", "reduction", "init", "steps", "batch", "point")} == {
        "k": 2, "epsilon": 0.1, "lr": 0.01, "reduction": "mean", "init": "normal", "steps": 2, "batch": 2, "point": "zero"
    }  # fmt: skip
    assert METHODS["hessian"].protocol("paper").options["batch"] == 96
    with pytest.raises(OptionError, match="orojar has no protocol 'paper'; orojar-sgd and hessian have one"):
        METHODS["orojar"].protocol("paper")


def test_the_hessian_penaltys_points_have_one_coefficient() -> None:
    at = optimised.coefficients(500, 7, "one-hot", torch.Generator().manual_seed(0))
    assert bool(((at != 0).sum(1) == 1).all()) and 4.5 < float(at.abs().max()) <= 5 and bool(at.min() < -4.5)
    assert len(at.nonzero()[:, 1].unique()) == 7 and not optimised.coefficients(5, 7, "zero", torch.Generator()).any()


@pytest.mark.parametrize(
    ("space", "layers"), [("z", (1,)), *(pytest.param(*case, marks=pytest.mark.slow) for case in (("w", (1, 2)), ("w+", (0, 3))))]
)
def test_directions_of_layers_are_in_the_chunks_that_these_read(space: str, layers: tuple[int, ...]) -> None:
    """And nowhere in the class vector."""
    generator = small()
    settings = Settings(space=space, layers=layers, num=16, samples=8, class_index=2, outputs=(Output("image", 8),))
    chunks = [slice(3 * entry, 3 * entry + 3) for entry in layers]
    for method in ("orojar", "random", "ganspace" if space == "w" else "jacobian-pca"):
        found = METHODS[method](generator, settings).directions
        free = torch.zeros(found.shape[1], dtype=torch.bool)
        for index, chunk in enumerate(chunks):
            free[chunk if space != "w+" else slice(index * generator.w_dim + chunk.start, index * generator.w_dim + chunk.stop)] = True
        assert len(found) == 3 * len(layers) and bool((found[:, ~free] == 0).all()), method
        assert torch.linalg.matrix_rank(found) == len(found), method


def test_sefa_factorises_the_weights_that_each_chunk_meets() -> None:
    generator = small()
    found = sefa(generator, Settings(space="w", whiten=False, layers=(2,), class_index=0))
    block = generator.synthesis.get_submodule("block1")
    rows = torch.cat([(layer.weight / layer.sigma())[:, :3] for norm in (block.norm0, block.norm1) for layer in (norm.gain, norm.offset)])
    rows = rows.double() / rows.double().norm(dim=1, keepdim=True)
    vectors = torch.linalg.svd(rows).Vh
    assert found.directions.shape == (3, generator.w_dim) and bool((found.directions[:, :6] == 0).all())
    assert torch.allclose((found.directions[:, 6:9].double() @ vectors.T).abs(), torch.eye(3, dtype=torch.float64), atol=1e-4)
    for name in (UNSHARED, DEEP, FOLDER):
        several = sefa(generator_of(name), Settings(space="w", whiten=False, class_index=0, num=4, options={"activeness": False}))
        assert bool((several.directions[:, generator_of(name).z_dim :] == 0).all())
    with pytest.raises(OptionError, match="read nothing of z"):
        sefa(generator_of(UNSHARED), Settings(space="w", layers=(1,), class_index=0))


def test_layers_have_the_papers_names() -> None:
    """Thirds of the components of z, at 128 pixels and in chunks."""
    generator = generator_of(SHARED)
    assert [named_layers(generator, name) for name in ("coarse", "mid", "fine")] == [(0, 1), (2, 3), (4, 5)]
    assert named_layers(generator, None) is None and named_layers(generator, [3]) == (3,)
    assert named_layers(generator_of(FOLDER), "coarse") == (0, 1, 2, 3)
    with pytest.raises(OptionError, match="no layers of 64 pixels and more"):
        named_layers(small(), "fine")
    with pytest.raises(OptionError, match="none of coarse, mid, fine"):
        named_layers(small(), "rough")


def test_inspect_tells_the_chunks() -> None:
    info = load_checkpoint(REFERENCES / FILES[SHARED]).info
    assert info.reads == ("z 0-3", "z 4-7, class", "z 8-11, class", "z 12-15, class", "z 16-19, class", "z 20-23, class")
    assert load_checkpoint(REFERENCES / FILES[UNSHARED]).info.reads == ("z 0-11", "class", "class", "class")
    assert [layer.resolution for layer in info.layers] == [4, 8, 16, 32, 64, 128]


def test_z_is_drawn_again_beyond_the_truncation() -> None:
    plain, folder = generator_of(DEEP), generator_of(FOLDER)
    seeds = range(40)

    def randn(size: int) -> torch.Tensor:
        return torch.from_numpy(np.concatenate([np.random.RandomState(seed).randn(1, size) for seed in seeds])).float()

    assert torch.equal(seed_latents(plain, seeds, 0).z, randn(9))
    cut = seed_latents(plain, seeds, 0, psi=0.5).z
    inside = randn(9).abs() <= 0.5
    assert float(cut.abs().max()) <= 0.5 and torch.equal(cut[inside], randn(9)[inside]) and bool((~inside).any())
    # The other layout scales z itself, by the truncation that chooses its statistics.
    for psi in (1.0, 0.4):
        z = seed_latents(folder, seeds, 0, psi=psi).z
        assert 1.5 < float(z.abs().max()) <= 2 and torch.equal(z[randn(8).abs() <= 2], randn(8)[randn(8).abs() <= 2])
        assert float(Settings(class_index=0, psi=psi).latents(folder, 500).z.abs().max()) <= 2
    assert float(Settings(class_index=0, psi=0.3).latents(plain, 500).z.abs().max()) <= 0.3
    for psi in (0.0, -1.0, 1e-9):
        with pytest.raises(OptionError, match="must be"):
            seed_latents(plain, [0], 0, psi=psi)


@each_file
def test_it_has_derivatives(name: str) -> None:
    generator = generator_of(name).double()
    z, label = torch.randn(1, generator.z_dim, dtype=torch.float64), torch.tensor([1])
    ws = generator.mapping(z, label)
    axes = torch.eye(generator.z_dim, generator.w_dim, dtype=torch.float64)[:3, None]
    columns = vmap(lambda tangent: jvp(generator.synthesis, (ws,), (tangent.expand_as(ws),))[1])(axes)
    for axis, column in zip(axes, columns, strict=True):
        difference = (generator.synthesis(ws + 1e-6 * axis) - generator.synthesis(ws - 1e-6 * axis)) / 2e-6
        assert float((column - difference).abs().max()) < 1e-4 * max(1, float(column.abs().max()))
    for resolution in generator.config.resolutions:
        features, image = generator.synthesis.run(ws, until=resolution)
        assert features.shape[2:] == (resolution, resolution) and (image is None) == (resolution < generator.img_resolution)


@each_file
def test_it_goes_back_into_its_own_file(name: str, tmp_path: Path) -> None:
    """With all else as it was, and the numbers that the tool which wrote it would read."""
    first = load_checkpoint(REFERENCES / FILES[name])
    fold_rotation(first.generator, chunkwise_rotation(first.generator))
    suffix = Path(first.path).suffix
    written = save_checkpoint(first, tmp_path / f"tuned{suffix}")
    assert "synthesis.first.weight" in written
    if name == FOLDER:
        (tmp_path / "pytorch_model.bin").write_bytes((tmp_path / "tuned.bin").read_bytes())
        shutil.copy(REFERENCES / "biggan_hf_32/config.json", tmp_path)
    again = load_checkpoint(tmp_path / ("pytorch_model.bin" if name == FOLDER else f"tuned{suffix}"))
    z, label = torch.randn(2, first.generator.z_dim), torch.tensor([0, 1])
    assert torch.equal(again.generator(z, label), first.generator(z, label))
    before, after = (torch.load(path, weights_only=True) for path in (first.path, again.path))
    assert before.keys() == after.keys()


@pytest.mark.slow
@pytest.mark.parametrize("name", [DEEP, UNSHARED, FOLDER])
def test_every_command_works_on_it(name: str, run: Any) -> None:
    path = REFERENCES / FILES[name]

    told = run("inspect", path)
    assert told["family"] == "BigGAN" and len(told["reads"]) == told["num_ws"]
    assert run("sample", path, "--seeds", "0-3", "--class", 1, "--trunc", 0.5, "--out", "grid.png") and Path("grid.png").exists()
    layers = "0" if name == UNSHARED else "coarse"
    assert len(run("sefa", path, "--class", 1, "--num", 3, "--layers", layers, "--seeds", "0-1")["dimensions"]) == 3
    found = run("discover", path, "--class", 1, "--space", "z", "--layers", layers, "--num", 3, "--samples", 8, "--seeds", "0-1")
    assert len(found["dimensions"]) == 3
    tuned = run("finetune", path, "--class", 1, "--samples", 8, "--seeds", "0-1")
    assert "synthesis.first.weight" in tuned["changed_tensors"]
    assert run("traverse", tuned["run"], "--dim", 1, "--class", 1, "--out", "walk.png", "--seeds", "0-1") and Path("walk.png").exists()
    assert run("traverse", found["run"], "--dim", 1, "--layers", layers, "--class", 1, "--out", "walk.gif", "--frames", 3, "--seeds", 0)
    assert run("convert", path, "new.safetensors") and run("inspect", "new.safetensors")["layers"] == told["layers"]
    words = ("--class", 1, "--methods", "sefa,random", "--metrics", "orthogonality", "--samples", 8, "--num", 3)
    assert run("compare", path, *words, "--out", "page.html") and Path("page.html").exists()


def test_layers_that_read_nothing_of_z_add_no_coordinates() -> None:
    frame = Frame.of(generator_of(UNSHARED), Settings(space="w+", class_index=0))
    assert frame.steps.shape == (12, 4 * 17) and bool((frame.steps[:, 12:] == 0).all())
    with pytest.raises(OptionError, match="read nothing of z"):
        Frame.of(generator_of(UNSHARED), Settings(space="z", layers=(1, 2), class_index=0))


@pytest.mark.slow
@pytest.mark.parametrize("name", [UNSHARED, FOLDER])
def test_any_tensor_of_another_shape_or_missing_is_refused(name: str, tmp_path: Path) -> None:
    """Nothing is left that a log only needs; a latent of another size or more classes are another network."""
    tensors = torch.load(REFERENCES / FILES[name], weights_only=True)
    sizes = {UNSHARED: "linear.weight", FOLDER: "embeddings.weight"}.get(name)
    for key, tensor in list(tensors.items())[::11]:
        wider = tensor.new_zeros((*tensor.shape[:-1], 3 * (tensor.shape or (1,))[-1]))
        for new in (None, tensor[..., None], wider, tensor.new_zeros(0), tensor.to(torch.int64), torch.zeros(1).expand(1 << 40)):
            if key.endswith(".sv0") or (new is wider and key == sizes):
                continue
            with pytest.raises(CheckpointError) as caught:
                load_checkpoint(changed(name, tmp_path, {key: new}))
            assert str(caught.value).isascii() and "\n" not in str(caught.value) and len(str(caught.value)) < 400


@torch.no_grad()
def test_the_log_of_singular_values_is_not_read(tmp_path: Path) -> None:
    path = changed(DEEP, tmp_path, {"linear.sv0": torch.full((3, 2), torch.nan), "blocks.0.0.conv1.sv0": None})
    z, label = torch.randn(1, 9), torch.tensor([2])
    assert torch.equal(load_checkpoint(path).generator(z, label), generator_of(DEEP)(z, label))


@pytest.mark.slow
@pytest.mark.parametrize("name", [DEEP, FOLDER])
def test_the_explorer_draws_it(name: str) -> None:
    generator = generator_of(name)
    directions = sefa(generator, Settings(space="w", whiten=False, class_index=0, num=3, options={"activeness": False}))
    studio = Studio(generator, directions, name="a network")
    first, moved = (studio.pictures(View("own", (0, 1), 1, 0.5, (0, 1), edits)) for edits in ((), ((0, 2.0),)))
    assert first.shape == (2, 32, 32, 3) and not np.array_equal(first, moved)
