"""Fine-tuning called from Python."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from paths import REFERENCES

import orojar_cli
from orojar_cli.errors import OptionError
from orojar_cli.operations import before_after
from orojar_cli.operations.metrics import metrics
from orojar_cli.pictures.walk import Renderer

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


def test_the_picture_before_and_after_numbers_the_axes_of_each_network(tuned, monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, Any] = {}
    monkeypatch.setattr(before_after, "labelled_grid", lambda cells, **words: told.update(words))
    tuned._before_after()
    before, after = zip(*(label.split("\n")[0].removeprefix("dim ").split(" | ") for label in told["row_labels"]), strict=True)
    rows = before_after.original_axes(Renderer(tuned.original.generator), tuned.look.at[:1], tuned.directions, tuned.expected).directions
    assert [int(number) for number in after] == list(range(len(after)))
    assert [rows[row].tolist().index(1.0) for row in range(len(before))] == [int(number) for number in before] != sorted(map(int, before))
    values = [float(text) for text in told["column_labels"]]
    assert values == [round(value, 1) for value in values] and values[0] == -2


def test_the_command_prints_what_the_result_says(tuned, orojar, tmp_path: Path) -> None:
    code, out, err = orojar("finetune", NETWORK, "--samples", 8, "--seeds", "0", "--device", "cpu", "--outdir", tmp_path, "--json")
    assert code == 0, err
    told = json.loads(out)
    assert {name: told[name] for name in tuned.to_dict()} == tuned.to_dict()
    assert (tmp_path / Path(told["run"]).name / "summary.html").exists()


def test_what_cannot_be_is_refused(tuned) -> None:
    with pytest.raises(OptionError, match="unknown mode"):
        orojar_cli.finetune(tuned.original, "both")
    with pytest.raises(OptionError, match="give the outdir"):
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


def test_an_interrupted_rotation_continues_and_ends_the_same(orojar, tmp_path: Path) -> None:
    words = {"samples": 24, "seeds": (0,), "outdir": tmp_path}
    whole = orojar_cli.finetune(NETWORK, **words)

    def interrupt(stage: str, done: int, total: int) -> None:
        if stage == "held-out loss":
            raise KeyboardInterrupt

    told: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        orojar_cli.finetune(NETWORK, **words, progress=interrupt, notice=told.append)
    folder = tmp_path / "00001-finetune-sg2_from_sg3_repo_16"
    assert [path.name for path in folder.iterdir()] == ["partial.safetensors"] and f"--resume {folder}" in told[-1]
    with pytest.raises(OptionError, match="other settings"):
        orojar_cli.finetune(NETWORK, **words, resume=folder, seed=1)
    stages: dict[str, int] = {}
    resumed = orojar_cli.finetune(NETWORK, **words, resume=folder, progress=lambda stage, done, total: stages.update({stage: done}))
    assert "Gram matrices" not in stages and "stopping set" not in stages and "activeness" in stages
    assert torch.equal(resumed.rotation.directions, whole.rotation.directions) and resumed.numbers == whole.numbers
    assert not (folder / "partial.safetensors").exists() and (folder / "run.json").exists()


def test_a_budget_chooses_the_samples_and_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = {"seeds": (0,), "outdir": tmp_path}
    told: list[str] = []
    monkeypatch.setattr("orojar_cli.operations.finetune.seconds_each", lambda *_: 0.1)
    whole = orojar_cli.finetune(NETWORK, **words, budget="400s", notice=told.append)
    samples = whole.rotation.options["samples"]
    assert 100 < samples < 2000 and any(f"measuring {samples} latents" in line for line in told)

    def interrupt(stage: str, done: int, total: int) -> None:
        if stage == "held-out loss":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        orojar_cli.finetune(NETWORK, **words, budget=400, progress=interrupt)
    # Twice as fast now; what was begun goes on as it was.
    monkeypatch.setattr("orojar_cli.operations.finetune.seconds_each", lambda *_: 0.05)
    resumed = orojar_cli.finetune(NETWORK, **words, budget=400, resume=tmp_path / "00001-finetune-sg2_from_sg3_repo_16")
    assert abs(resumed.rotation.options["samples"] / samples - 1) < 0.1
    orojar_cli.finetune(NETWORK, seeds=(0,), budget=1, notice=told.append)
    assert any("measuring 32 latents" in line and line.endswith("which is the least there is") for line in told)
    with pytest.raises(OptionError, match="leave out one of"):
        orojar_cli.finetune(NETWORK, samples=8, budget=4)


def test_a_full_disk_loses_nothing_that_was_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("orojar_cli.operations.finetune.save_checkpoint", full)
    monkeypatch.setattr("orojar_cli.runs.resume._INTERVAL", 0.0)
    with pytest.raises(OSError, match="No space"):
        orojar_cli.finetune(NETWORK, samples=8, seeds=(0,), outdir=tmp_path)
    (folder,) = tmp_path.iterdir()
    assert {path.name for path in folder.iterdir()} == {"partial.safetensors", "rotation.safetensors"}
    monkeypatch.undo()
    stages: list[str] = []
    orojar_cli.finetune(NETWORK, samples=8, seeds=(0,), outdir=tmp_path, resume=folder, progress=lambda stage, *_: stages.append(stage))
    assert "Gram matrices" not in stages and (folder / "run.json").exists()
