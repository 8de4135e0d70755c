"""Fine-tuning called from Python."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from paths import REFERENCES

import orojar_cli
from orojar_cli.errors import OptionError
from orojar_cli.operations.metrics import metrics

NETWORK = REFERENCES / "sg2_from_sg3_repo_16.pkl"


@pytest.fixture
def tuned():
    return orojar_cli.finetune(orojar_cli.load_checkpoint(NETWORK), samples=8, seeds=(0,))


def test_the_tuned_network_is_a_copy_in_memory(tuned, tmp_path: Path) -> None:
    original, again = tuned.original.generator.state_dict(), orojar_cli.load_checkpoint(NETWORK).generator.state_dict()
    assert all(torch.equal(original[name], again[name]) for name in again)
    weight = "mapping.layers.0.weight" if "mapping.layers.0.weight" in again else next(name for name in again if name.endswith("0.weight"))
    assert not torch.equal(tuned.checkpoint.generator.state_dict()[weight], original[weight])
    assert tuned.run is None and tuned.checkpoint.sha256 != tuned.original.sha256
    tuned.directions.check_fits(tuned.checkpoint.generator, tuned.checkpoint.sha256)
    tuned.save(tmp_path / "tuned.pkl")
    saved = orojar_cli.load_checkpoint(tmp_path / "tuned.pkl").generator.state_dict()
    assert all(torch.equal(saved[name], value) for name, value in tuned.checkpoint.generator.state_dict().items())
    assert tuned.show().width > 300
    tuned.save(tmp_path / "axes.png")
    assert (tmp_path / "axes.png").stat().st_size > 1000
    assert json.loads(json.dumps(tuned.to_dict())) == tuned.to_dict()


def test_the_command_prints_what_the_result_says(tuned, orojar, tmp_path: Path) -> None:
    code, out, err = orojar("finetune", NETWORK, "--samples", 8, "--seeds", "0", "--device", "cpu", "--outdir", tmp_path, "--json")
    assert code == 0, err
    told = json.loads(out)
    assert {name: told[name] for name in tuned.to_dict()} == tuned.to_dict()
    assert (tmp_path / Path(told["run"]).name / "summary.html").exists()


def test_what_cannot_be_is_refused(tuned) -> None:
    with pytest.raises(OptionError, match="unknown mode"):
        orojar_cli.finetune(tuned.original, "both")
    with pytest.raises(OptionError, match="in one go"):
        orojar_cli.finetune(tuned.original, resume="somewhere")


def test_the_tuned_network_is_measured(tuned) -> None:
    found = orojar_cli.metrics(tuned.checkpoint, tuned, names=("activeness",), samples=8, num=2)
    assert found.to_dict()["method"] == "orojar-rotation" and len(found.measurements) > 0
    assert "<table>" in found._repr_html_() and orojar_cli.measures.NETWORK_METRICS
    assert found.show().height == 28 + 22 * (1 + len(found.rows()))
    assert (
        repr(found)
        == f"<Metrics, {len(found.rows())} numbers of {NETWORK.name} and its {len(tuned.directions)} directions by orojar-rotation>"
    )
    with pytest.raises(OptionError, match="--against"):
        metrics(tuned.checkpoint, names=("agreement",))


def test_networks_may_be_names(tuned, tmp_path: Path) -> None:
    again = orojar_cli.finetune(str(NETWORK), samples=8, seeds=(0,), device="cpu", outdir=tmp_path)
    assert again.numbers == tuned.numbers and str(again.run.path) in repr(again)
    options = {"names": ("activeness",), "samples": 8, "num": 2, "device": "cpu"}
    wanted = orojar_cli.metrics(again.checkpoint, again, **options).measurements[0].value
    found = orojar_cli.metrics(again.run.path / "tuned.pkl", again.run.path, **options)
    assert found.measurements[0].value == wanted and found.path == again.run.path / "directions.safetensors"
    compared = orojar_cli.metrics(NETWORK, against=str(NETWORK), **options | {"names": ("agreement",)})
    assert compared.measurements[0].value == pytest.approx(1)
