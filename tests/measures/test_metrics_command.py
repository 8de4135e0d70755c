from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from paths import REFERENCES

from orojar_cli import load_checkpoint, save_checkpoint, save_directions
from orojar_cli.cli.metrics import NAMES
from orojar_cli.measures import DIRECTION_METRICS, NETWORK_METRICS
from orojar_cli.runs.run import RunWriter, latest_run

SMALL = ("--samples", 8, "--images", 16, "--num", 4)


def test_the_help_names_every_metric() -> None:
    assert (*DIRECTION_METRICS, *NETWORK_METRICS, "agreement") == NAMES


def test_the_demonstration_is_measured(orojar) -> None:
    code, out, err = orojar("metrics", *SMALL, "--metric", "orthogonality", "--metric", "ground_truth", "--json")
    assert code == 0, err
    told = json.loads(out)
    names = [measurement["metric"] for measurement in told["measurements"]]
    assert names[:2] == ["orojar_loss_raw", "orojar_loss"] and names[-1] == "dci_informativeness"
    run = Path(told["run"])
    assert sorted(file.name for file in run.iterdir()) == ["metrics.jsonl", "run.json"]
    written = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert written == told["measurements"]
    assert all(line["settings"]["seed"] == 0 and line["settings"]["samples"] for line in written)
    assert latest_run("orojar-runs") is None  # a run of metrics has no directions to show


@pytest.fixture
def tuned(shapes, direction_set, tmp_path: Path) -> Path:
    """A run of a network made from the bundled one: its z axes in another order."""
    weight = shapes.generator.mapping.layers[0].weight
    with torch.no_grad():
        weight.copy_(weight.flip(1))
    run = RunWriter(tmp_path / "tuned", "finetune", shapes.path)
    save_checkpoint(shapes, run.path / "tuned.pkl")
    axes = direction_set(torch.eye(64)[:4], space="z", layers=tuple(range(8)), checkpoint=load_checkpoint(run.path / "tuned.pkl").sha256)
    save_directions(axes, run.path / "directions.safetensors")
    made_from = {"path": shapes.path, "sha256": shapes.sha256}
    run.finish(options={}, checkpoint=made_from, device="cpu", artefacts={"checkpoint": "tuned.pkl"})
    return run.path


def test_distances_and_agreement_against_another(orojar, shapes_path: Path, tuned: Path) -> None:
    chosen = ("--metric", "distribution", "--metric", "path_length", "--metric", "ground_truth")
    code, out, err = orojar("metrics", tuned, "--against", shapes_path, *SMALL, *chosen)
    assert code == 0, err
    assert "frechet_distance (critic)" in out and "path_length_w_end (critic)" in out and "disentanglement" in out
    again = orojar("metrics", shapes_path, "--against", shapes_path, *SMALL, "--metric", "agreement", "--json")
    values = [measurement["value"] for measurement in json.loads(again[1])["measurements"]]
    assert values == pytest.approx([1, 1], abs=1e-4)


@pytest.mark.slow
def test_a_conditional_network_is_measured_at_a_class(orojar) -> None:
    path = REFERENCES / "sg2_cond_fp16_64.pkl"
    chosen = [word for name in ("orthogonality", "hessian", "activeness", "direction_length", "path_length") for word in ("--metric", name)]
    code, out, err = orojar("metrics", path, *chosen, "--samples", 8, "--images", 8, "--num", 2, "--trunc", 0.7, "--json")
    assert code == 0 and "class 0" in err, err
    for measurement in json.loads(out)["measurements"]:
        assert math.isfinite(measurement["value"]) and measurement["settings"]["class"] == 0 and measurement["settings"]["psi"] == 0.7


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--metric", "distribution"), 2, "--against"),
        (("--metric", "fid"), 2, "'fid' is not one of"),
        (("--detector", "critics"), 1, "unknown detector 'critics'"),
        (("--num", 1, "--metric", "predictability"), 2, "two directions"),
    ],
)
def test_mistakes_are_told(orojar, arguments, code: int, message: str) -> None:
    found, _, err = orojar("metrics", *arguments)
    assert found == code and message in err
    assert not list(Path().glob("orojar-runs/*"))
