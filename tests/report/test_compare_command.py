from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch
from paths import REFERENCES

from orojar_cli import load_checkpoint, load_directions
from orojar_cli.directions import DirectionSet
from orojar_cli.errors import OptionError
from orojar_cli.report.contender import Contender, distinct
from orojar_cli.report.numbers import number
from orojar_cli.report.run_summary import write_run_summary
from orojar_cli.runs.run import Run

SMALL = ("--num", 3, "--samples", 8, "--quick", "--metrics", "orthogonality,agreement", "--seeds", "0-1")


@pytest.mark.slow
def test_a_checkpoint_alone_is_for_the_methods(orojar, shapes_path: Path) -> None:
    hostile = Path('it\'s "mine" & <b>.pkl')
    shutil.copy(shapes_path, hostile)
    code, out, err = orojar("compare", hostile, "--methods", "random,sefa", *SMALL, "--out", "page.html", "--json")
    assert code == 0, err
    document = json.loads(out)
    assert document == json.loads(Path("page.json").read_text())
    assert [subject["name"] for subject in document["subjects"]] == ["random", "sefa"]
    page = Path("page.html").read_text()
    assert "<b>.pkl" not in page and "&lt;b&gt;.pkl" in page
    assert all(number(record["value"]) in page for record in document["measurements"])
    assert len({record["metric"] for record in document["measurements"]}) == 5
    # Calibrated: both sets change the image equally.
    for subject in document["subjects"]:
        changes, target = subject["calibration"]["changes"], subject["calibration"]["target"]
        reached = [change for change, capped in zip(changes, subject["calibration"]["capped"], strict=True) if not capped]
        assert reached == [pytest.approx(target, rel=0.05)] * len(reached) and reached
    run = Path(document["run"])
    manifest = json.loads((run / "run.json").read_text())
    assert manifest["command"] == "compare" and manifest["artefacts"]["report"].endswith("page.html")
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 10
    load_directions(run / "sefa.safetensors").check_fits(
        load_checkpoint(hostile).generator, document["subjects"][1]["checkpoint"]["sha256"]
    )
    code, _, err = orojar("traverse", run / "sefa.safetensors", "--dim", 0, "--out", "w.gif", "--frames", 4, "--seeds", 0)
    assert code == 0, err


@pytest.mark.slow
@pytest.mark.usefixtures("rough")
def test_runs_and_a_checkpoint_are_compared_as_they_are(orojar, shapes_path: Path) -> None:
    first, second = (
        json.loads(orojar("discover", shapes_path, "--method", "random", "--num", 3, "--seed", seed, "--seeds", 0, "--json")[1])["run"]
        for seed in (0, 1)
    )
    code, out, err = orojar("compare", first, Path(second) / "directions.safetensors", *SMALL, "--json")
    assert code == 0, err
    document = json.loads(out)
    names = [subject["name"] for subject in document["subjects"]]
    assert names == [f"random, {Path(folder).name}" for folder in (first, second)]
    assert len(document["agreements"]) == 1 and document["agreements"][0]["measurements"][0]["value"] < 1
    assert Path(document["report"]) == Path(document["run"]) / "report.html"
    assert Path(document["run"], "report.json").is_file()
    code, out, _ = orojar("compare", first, first, *SMALL, "--metrics", "orthogonality")
    assert code == 0 and "(2)" in out and "*" not in out.split("better than every")[0].splitlines()[1]


def test_names_are_made_distinct_and_one_set_is_no_comparison() -> None:
    found = DirectionSet(torch.eye(3), torch.ones(3), torch.tensor([1.0, 3.0, 2.0]), "toy", "w", (0,), "")
    checkpoint = type("Loaded", (), {"path": "folder/net.pkl", "sha256": ""})()
    subjects = [
        Contender("toy", checkpoint, found, origin) for origin in ("runs/00001-a/directions.safetensors", "b.safetensors", None, None)
    ]
    names = [subject.name for subject in distinct([*subjects, Contender("other", checkpoint, found)])]
    assert names == ["toy, 00001-a", "toy, b.safetensors", "toy, net.pkl", "toy, net.pkl (4)", "other"]
    # Directions keep their order and numbers; of axes of z the most active are taken, and keep theirs too.
    assert subjects[0].top(2).directions.activeness.tolist() == [1.0, 3.0]
    axes = Contender("axes", checkpoint, dataclasses.replace(found, space="z", labels=("", "", "hue"))).top(2)
    assert axes.directions.activeness.tolist() == [3.0, 2.0] and [axes.dimension(row) for row in (0, 1)] == ["dim 1", "dim 2 · hue"]
    with pytest.raises(OptionError, match="two direction sets"):
        distinct(subjects[:1])


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("compare", "CKPT", "--out", "page.pdf"), 2, ".html"),
        (("compare", "CKPT", "--out", "no/folder/page.html"), 1, "no/folder"),
        (("compare", "CKPT", "--metrics", "beauty"), 2, "none of orthogonality"),
        (("compare", "CKPT", "--methods", "beauty"), 2, "none of orojar"),
        (("compare", "CKPT", "--methods", "random", "--num", "2", "--samples", "8"), 2, "two direction sets"),
        (("compare", "CKPT", "--methods", "sefa,random", "--space", "z"), 2, "live in w"),
        (("compare", "missing.pkl"), 1, "No such file"),
    ],
)
def test_errors_are_one_line_and_leave_nothing(orojar, shapes_path: Path, somewhere: Path, arguments, code: int, message: str) -> None:
    got, out, err = orojar(*(shapes_path if argument == "CKPT" else argument for argument in arguments))
    assert got == code and message in err and out == "" and "Traceback" not in err
    assert list(somewhere.iterdir()) == []


@pytest.mark.slow
@pytest.mark.usefixtures("rough")
def test_a_tuned_run_has_a_summary(orojar, somewhere: Path) -> None:
    code, out, err = orojar("finetune", REFERENCES / "sg2_from_sg3_repo_16.pkl", "--samples", 8, "--seeds", 0, "--json")
    assert code == 0, err
    told = json.loads(out)
    page = (Path(told["run"]) / "summary.html").read_text()
    assert told["summary"].endswith("summary.html")
    for value in (told["loss_before"], told["loss_after"], *told["activeness"]):
        assert number(value) in page
    assert "data:image/" in page and "https:" not in page and told["run"] not in page.split("<main>")[0]


@pytest.mark.slow
def test_a_tuned_run_alone_is_compared_with_the_network_it_was_tuned_from(orojar, shapes_path: Path) -> None:
    told = json.loads(orojar("finetune", shapes_path, "--samples", 8, "--seeds", 0, "--json")[1])
    code, out, err = orojar("compare", told["run"], *SMALL, "--json")
    assert code == 0, err
    document = json.loads(out)
    assert [subject["method"] for subject in document["subjects"]] == ["orojar-rotation", "z-axes"]
    assert "tuned from" in err and document["agreements"] == []


def test_a_summary_shows_training_and_escapes(tmp_path: Path) -> None:
    axes = DirectionSet(torch.eye(3), torch.ones(3), torch.tensor([1.0, 3.0, 2.0]), "t", "z", (0,), "", labels=("<script>", "", ""))
    manifest = {
        "argv": ["finetune", "<b>"],
        "artefacts": {},
        "checkpoint": {"path": "<i>.pkl", "sha256": "0"},
        "options": {},
        "versions": {},
    }
    run = Run(tmp_path, manifest | {"device": "cpu", "seconds": 61.0, "finished": "now"})
    history = [{"stage": 0, "step": step, "loss": 1 / (step + 1), "held_out": {"total": 2.0}} for step in range(4)]
    page = write_run_summary(run, axes, {"before": {"loss": 0.5}, "after": {"loss": 0.4}, "image_shift": 0.00123}, history).read_text()
    assert not any(mark in page for mark in ("<script>", "<b>", "<i>"))
    assert all(text in page for text in ("0.500", "0.400", "20.0 % less", "0.00123", "loss over training", "held out total", "61 s"))
    assert page.index("dim 1") < page.index("dim 2") < page.index("dim 0")
