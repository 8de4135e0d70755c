"""StyleGAN-XL: the outputs of its own code, a mean w for each class, layers as the file records them, and what is refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from paths import REFERENCES

from orojar_cli import load_checkpoint, save_checkpoint
from orojar_cli.checkpoint.contents import read_contents
from orojar_cli.containers.module_tree import NetworkTree, read_network
from orojar_cli.errors import DamagedCheckpointError, OptionError, UnsupportedCheckpointError
from orojar_cli.generators.families import config_from_dict, config_to_dict
from orojar_cli.generators.stylegan3.network import AliasFreeSynthesis
from orojar_cli.generators.styleganxl import pickle_reader
from orojar_cli.generators.styleganxl.config import RecordedConfig
from orojar_cli.latents.points import Latents
from orojar_cli.latents.spaces import displaced_ws
from orojar_cli.tuning.rotation import fold_rotation

FILE = REFERENCES / "stylegan_xl_16.pkl"


@pytest.fixture
def known() -> dict[str, torch.Tensor]:
    return {key: torch.from_numpy(value) for key, value in np.load(FILE.with_suffix(".npz")).items()}


def worst(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found - wanted).abs().max() / wanted.abs().max())


@torch.no_grad()
def test_w_pictures_and_truncated_pictures_are_those_of_the_original_code(known: dict[str, torch.Tensor]) -> None:
    generator = load_checkpoint(FILE).generator
    z, label = known["z"], known["c"]
    assert (generator.config.family, generator.image_shape, generator.c_dim) == ("StyleGAN-XL", (3, 16, 16), 4)
    assert worst(generator.mapping(z, label)[:, 0], known["w"]) < 1e-4
    assert worst(generator.mapping(z, label, 0.6)[:, 0], known["w_trunc"]) < 1e-4
    assert worst(generator(z, label), known["img"]) < 1e-4 and worst(generator(z, label, psi=0.6), known["img_trunc"]) < 1e-4
    for name, tensor in generator.state_dict().items():
        assert tensor.numel() == 1 or name.startswith("synthesis.input.") or float(tensor.std()) > 0.01


@torch.no_grad()
def test_truncation_is_towards_the_mean_of_the_class(known: dict[str, torch.Tensor]) -> None:
    mapping = load_checkpoint(FILE).generator.mapping
    z, label = known["z"], known["c"]
    assert mapping.w_avg.shape == (4, 16) and float(mapping.w_avg.std(0).min()) > 0
    assert torch.allclose(mapping(z, label, 0)[:, 3], mapping.w_avg[label.argmax(1)])
    some = mapping(z, label, 0.5, cutoff=2)
    assert torch.equal(some[:, 2:], mapping(z, label)[:, 2:]) and torch.equal(some[:, :2], mapping(z, label, 0.5)[:, :2])
    assert torch.equal(mapping.broadcast(mapping.w(z, label), 0.5, label=label), mapping(z, label, 0.5))
    with pytest.raises(OptionError, match="give the label"):
        mapping.broadcast(mapping.w(z, label), 0.5)
    mapping.renew_average(torch.randn(4000, 8), None)
    for index in range(4):
        one = torch.nn.functional.one_hot(torch.tensor([index]), 4).float()
        assert torch.allclose(mapping.w(torch.randn(20000, 8), one.expand(20000, -1)).mean(0), mapping.w_avg[index], atol=0.3)


@torch.no_grad()
def test_a_step_before_the_last_activation_is_truncated_like_the_rest(known: dict[str, torch.Tensor]) -> None:
    generator = load_checkpoint(FILE).generator
    at = Latents(known["z"], known["c"], 0.6, None)
    ws = displaced_ws(generator, at, torch.zeros(3, 16), "p", tuple(range(8)))
    assert torch.allclose(ws, generator.mapping(known["z"], known["c"], 0.6), atol=1e-5)


@torch.no_grad()
def test_a_rotation_of_z_folds_into_it_and_files_keep_it(known: dict[str, torch.Tensor], tmp_path: Path) -> None:
    loaded = load_checkpoint(FILE)
    matrix = torch.linalg.qr(torch.randn(8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(3))).Q
    fold_rotation(loaded.generator, matrix)
    z = (known["z"].double() @ matrix.T).float()
    assert worst(loaded.generator(z, known["c"]), known["img"]) < 1e-4
    assert save_checkpoint(loaded, tmp_path / "tuned.pkl") == ["mapping.fc0.weight"]
    save_checkpoint(loaded, tmp_path / "tuned.safetensors")
    for name in ("tuned.pkl", "tuned.safetensors"):
        again = load_checkpoint(tmp_path / name).generator
        assert again.config == loaded.generator.config and torch.equal(again(z, known["c"], 0.6), loaded.generator(z, known["c"], 0.6))


@pytest.mark.parametrize("name", ["sg3_t_32", "sg3_r_32"])
@torch.no_grad()
def test_layers_of_many_sampling_rates_are_drawn_as_recorded(name: str) -> None:
    """A grown network's layers come from several schedules: those of StyleGAN3 itself must draw the same when they are only recorded."""
    generator = load_checkpoint(REFERENCES / f"{name}.pkl").generator
    config = generator.config.synthesis
    layers = tuple(config.alias_free_layers())
    assert len({layer.target.rate for layer in layers}) > 1
    recorded = RecordedConfig(config.w_dim, config.img_resolution, 3, config.bands[0], layers, config.output_scale, config.conv_clamp)
    assert (recorded.num_ws, recorded.layers(), recorded.shapes()) == (config.num_ws, config.layers(), config.shapes())
    synthesis = AliasFreeSynthesis(recorded)
    synthesis.load_state_dict(generator.synthesis.state_dict())
    label = torch.eye(generator.c_dim)[:2] if generator.c_dim else None
    ws = generator.mapping(torch.randn(2, generator.z_dim), label)
    assert torch.equal(synthesis(ws), generator.synthesis(ws))


def tree() -> NetworkTree:
    contents = read_contents(FILE)
    return read_network(contents.entries["G_ema"], "G_ema", contents.file)


def test_a_grown_network_is_read_without_its_address() -> None:
    grown = tree()
    grown.class_name = grown.classes[""] = "SuperresGenerator"
    grown.init_kwargs = {"img_resolution": 16, "path_stem": "https://example.org/stem.pkl", "head_layers": 7, "up_factor": 2}
    grown.attributes[""] = {}
    (found,) = [each for each in [pickle_reader.recognise(grown)] if each is not None]
    config, tensors = pickle_reader.read(found, "it")
    assert config == load_checkpoint(FILE).generator.config and len(tensors) == len(config.shapes())
    assert config_from_dict(json.loads(json.dumps(config_to_dict(config)))) == config


L1, L3 = "synthesis.L1_24_16", "synthesis.L3_24_16"


@pytest.mark.parametrize(
    ("path", "values", "error", "words"),
    [
        ("synthesis", {"layer_names": None}, DamagedCheckpointError, "does not name its layers"),
        ("synthesis", {"layer_names": ["L0_24_16"] * 3 + ["L5_16_16", "L6_16_3"]}, UnsupportedCheckpointError, "layers of one name"),
        ("synthesis", {"layer_names": ["nothing"] * 8}, DamagedCheckpointError, "does not record its"),
        ("synthesis", {"output_scale": float("nan")}, DamagedCheckpointError, "output_scale is not a finite number"),
        ("synthesis.input", {"size": 2**40}, UnsupportedCheckpointError, "input size"),
        (L1, {"in_size": 20}, UnsupportedCheckpointError, "do not lead from"),
        (L1, {"in_channels": 15}, UnsupportedCheckpointError, "does not take what"),
        (L1, {"in_channels": 2**40}, UnsupportedCheckpointError, "channels"),
        (L1, {"up_factor": 0}, UnsupportedCheckpointError, "up factor = 0"),
        (L1, {"up_taps": 10**6}, UnsupportedCheckpointError, "up taps"),
        (L1, {"padding": [9, 8, 8, 9]}, UnsupportedCheckpointError, "pads its two axes differently"),
        (L1, {"padding": [10**9, 8] * 2}, UnsupportedCheckpointError, "padding"),
        (L1, {"conv_clamp": 128}, UnsupportedCheckpointError, "clamps its layers differently"),
        (L1, {"out_sampling_rate": 8.5}, DamagedCheckpointError, "not a whole number"),
        (L1, {"down_radial": 1}, UnsupportedCheckpointError, "neither yes nor no"),
        (L3, {"is_torgb": True}, UnsupportedCheckpointError, "L3"),
        (L3, {"in_cutoff": 100.0}, UnsupportedCheckpointError, "cutoff beyond half its sampling rate"),
        ("mapping", {"c_dim": 5}, DamagedCheckpointError, r"embed.weight has shape \(4, 9\)"),
        ("mapping", {"num_layers": 2**40}, UnsupportedCheckpointError, "num_layers"),
        ("mapping.embed_proj", {"activation": "relu"}, UnsupportedCheckpointError, "projects its classes"),
    ],
)
def test_records_that_do_not_fit_are_refused(path: str, values: dict[str, Any], error: type, words: str) -> None:
    changed = tree()
    changed.attributes[path] = changed.attributes[path] | values
    with pytest.raises(error, match=words):
        pickle_reader.read(changed, "it")


def test_options_in_a_file_of_ours_are_checked() -> None:
    config = load_checkpoint(FILE).generator.config
    options = json.loads(json.dumps(config_to_dict(config)))
    options["synthesis"]["recorded"][2][1][3] = 23
    with pytest.raises(UnsupportedCheckpointError):
        config_from_dict(options)
    with pytest.raises(UnsupportedCheckpointError, match="class_features"):
        dataclasses.replace(config.mapping, class_features=0)


@pytest.mark.slow
def test_every_command_works_on_it(tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told, one = run("inspect", FILE), ("--class", 2)
    assert told["family"] == "StyleGAN-XL" and len(told["layers"]) == 8
    assert run("sample", FILE, "--seeds", "0-3", "--out", "grid.png", "--trunc", 0.6, *one) and Path("grid.png").exists()
    assert len(run("sefa", FILE, "--num", 3, "--seeds", "0-1", *one)["dimensions"]) == 3
    assert len(run("discover", FILE, "--num", 3, "--samples", 8, "--subspace", 5, "--seeds", "0-1", *one)["dimensions"]) == 3
    tuned = run("finetune", FILE, "--samples", 8, "--seeds", "0-1", *one)
    assert tuned["changed_tensors"] == ["mapping.fc0.weight"]
    assert run("traverse", tuned["run"], "--dim", 1, "--out", "walk.png", "--seeds", "0-1", *one) and Path("walk.png").exists()
    assert run("convert", FILE, "new.safetensors") and run("inspect", "new.safetensors")["layers"] == told["layers"]
