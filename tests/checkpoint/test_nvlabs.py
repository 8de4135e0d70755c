"""A .pkl that orojar writes is loaded by the tools whose container it is: checked with stand-ins for their loader and their classes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from orojar_cli import load_checkpoint, save_checkpoint
from orojar_cli.checkpoint.emitter import write_pickle
from orojar_cli.demonstration import demonstration

REFERENCES = Path(__file__).parents[1] / "references"


def loaded_by(package: str, path: Path) -> dict[str, Any]:
    program = str(Path(__file__).with_name("nvlabs_stand_in.py"))
    done = subprocess.run([sys.executable, program, package, str(path)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    report: dict[str, Any] = json.loads(done.stdout)
    return report | {"states": torch.load(f"{path}.states", weights_only=True)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stem", "package", "home"),
    [
        ("sg2_tensorflow_32", "ada", "training.networks"),
        ("sg2_tensorflow_32", "three", "training.networks_stylegan2"),
        ("sg2_cond_fp16_64", "ada", "training.networks"),
        ("sg2_resnet_gray_16", "three", "training.networks_stylegan2"),
        ("sg3_t_32", "three", "training.networks_stylegan3"),
        ("sg3_r_32", "three", "training.networks_stylegan3"),
    ],
)
def test_the_tools_restore_every_number(stem: str, package: str, home: str, tmp_path: Path) -> None:
    source = load_checkpoint(REFERENCES / f"{stem}.pkl")
    write_pickle(source, tmp_path / "new.pkl")
    found = loaded_by(package, tmp_path / "new.pkl")
    assert {name.rpartition(".")[0] for name in found["classes"]} == {home}
    assert found["same"] == [True, source.critic is None]
    assert found["entries"] == {"training_set_kwargs": "dict", "augment_pipe": "NoneType"}
    for name, network in (("G_ema", source.generator), ("D", source.critic or source.generator)):
        state, own = found["states"][name], network.state_dict()
        assert state.keys() == own.keys()
        assert all(torch.equal(state[key], own[key]) for key in own)


@pytest.mark.slow
def test_attributes_that_newer_classes_ask_for_are_there(tmp_path: Path) -> None:
    write_pickle(load_checkpoint(REFERENCES / "sg2_skip_32.pkl"), tmp_path / "new.pkl")
    attributes = loaded_by("three", tmp_path / "new.pkl")["attributes"]
    assert "fused_modconv_default" in attributes["synthesis.b8"] and "num_fp16_res" in attributes["synthesis"]
    assert {"in_channels", "out_channels", "w_dim"} <= set(attributes["synthesis.b8.conv0"]) & set(attributes["synthesis.b8.torgb"])
    write_pickle(load_checkpoint(REFERENCES / "sg3_t_32.pkl"), tmp_path / "three.pkl")
    assert "embed" in loaded_by("three", tmp_path / "three.pkl")["attributes"]["mapping"]


@pytest.mark.slow
def test_a_training_copy_is_written_beside_the_averaged_one(tmp_path: Path) -> None:
    first = load_checkpoint(REFERENCES / "genforce_stylegan2_32.pth")
    training = first.build("G", first.contents.network("G"))
    first.generator.mapping.w_avg += 1
    for also_g in (False, True):
        save_checkpoint(first, tmp_path / "new.pkl", also_g=also_g)
        found = loaded_by("ada", tmp_path / "new.pkl")
        assert not found["same"][0]
        assert torch.equal(found["states"]["G"]["synthesis.b4.const"], training.synthesis.b4.const)
        wanted = first.generator if also_g else training
        assert torch.equal(found["states"]["G"]["mapping.w_avg"], wanted.mapping.w_avg)


@pytest.mark.slow
@pytest.mark.usefixtures("rough")
@pytest.mark.parametrize(("stem", "package"), [("sg2_skip_32", "ada"), ("sg2_human_64x32", "ada"), ("sg2_from_sg3_repo_16", "three")])
def test_what_is_tuned_of_a_file_without_source_text_opens_there(stem: str, package: str, run: Any, tmp_path: Path) -> None:
    few = ["--samples", 8, "--output", "image:8", "--seeds", 0, "--outdir", tmp_path / "runs"]
    tuned = Path(run("finetune", REFERENCES / f"{stem}.pkl", *few)["checkpoint"])
    assert tuned.name == "tuned.pkl"
    found, ours = loaded_by(package, tuned), load_checkpoint(tuned)
    for name, network in (("G_ema", ours.generator), ("G", ours.build("G", ours.contents.network("G")))):
        assert all(torch.equal(found["states"][name][key], tensor) for key, tensor in network.state_dict().items())


@pytest.mark.slow
def test_the_bundled_network_opens_there_and_here(tmp_path: Path) -> None:
    assert loaded_by("ada", Path(shutil.copy(demonstration()[0], tmp_path / "bundled.pkl")))["entries"]
    first = load_checkpoint(demonstration()[0])
    save_checkpoint(first, tmp_path / "demo.pkl", format="nvlabs")
    state, own = loaded_by("ada", tmp_path / "demo.pkl")["states"]["G_ema"], first.generator.state_dict()
    assert state.keys() == own.keys() and all(torch.equal(state[key], own[key]) for key in own)
    again = load_checkpoint(tmp_path / "demo.pkl")
    assert set(again.info.sources.values()) == {"written by orojar"} and again.info.contents["G"] == "the same network as G_ema"
    again.generator.mapping.w_avg += 1
    assert save_checkpoint(again, tmp_path / "tuned.pkl", also_g=True) == ["mapping.w_avg"]
    tuned = loaded_by("ada", tmp_path / "tuned.pkl")
    assert torch.equal(tuned["states"]["G"]["mapping.w_avg"], again.generator.mapping.w_avg) and tuned["same"][0]
