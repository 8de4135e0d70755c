"""Names that are measured: of dimensions whose meaning is known, written beside those that people gave."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from paths import ROOT
from PIL import Image
from program import document

import orojar_cli
from orojar_cli.errors import OptionError, OutputFileError, OwnCodeError

CODE = """
import torch

class Scores:
    names = ("ground red", "right half")
    def __call__(self, images):
        return torch.stack([images[:, 0, :2].mean((1, 2)), images[..., images.shape[3] // 2 :].mean((1, 2, 3))], 1)

def scores(images):
    print("noise on stdout")
    return {"ground red": images[:, 0, :2].mean((1, 2)), "nothing": torch.zeros(len(images))}

def fails(images):
    raise ValueError("no weights")

number = 7
"""


@pytest.fixture
def scores(somewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of the user's in this folder, whose import leaves nothing behind."""
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path not in ("", str(somewhere))])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    Path("mine.py").write_text(CODE)


@pytest.fixture
def named(orojar, shapes_path: Path) -> Path:
    """A run of SeFa's directions, one of which a person named."""
    run = document(orojar("sefa", shapes_path, "--num", 3, "--seeds", 0, "--device", "cpu", "--json"))["run"]
    assert orojar("label", run, "--dim", 2, "ground")[0] == 0
    return Path(run)


def test_dimensions_whose_meaning_is_known_get_it_for_a_name() -> None:
    found = orojar_cli.propose_labels("demo", num=4, samples=48)
    assert found.directions.labels[:4] == ("ground colour", "hue and size", "y position", "x position")
    ground, hue, up, right = found.directions.proposals[:4]
    assert ground.attribute == "border brightness" and up.attribute == "subject upwards" and right.attribute == "subject to the right"
    # Hue is not a mean colour: it moves green against magenta.
    assert hue.attribute == "green tint"
    assert all(abs(one.correlation) > 0.8 and abs(one.effect) > 0.5 for one in (ground, up, right))
    assert found.directions.proposals[4:] == (None,) * 6 and found.path is None
    assert found.directions.shown(3) == "x position" and found.directions["subject to the right"].labels == ("x position",)
    header, rows = found.table()
    assert len(rows) == 4 and rows[3][:3] == ["dim 3", "x position", right.text] and len(header) == len(rows[0])
    assert "4 of 4" in repr(found) and "<table>" in found._repr_html_() and found.show().width > 400


def test_names_are_written_beside_labels_shown_and_used(orojar, named: Path) -> None:
    line = ("label", named, "--auto", "--samples", 32, "--device", "cpu", "--json")
    told = document(orojar(*line))
    file = named / "directions.safetensors"
    found = orojar_cli.load_directions(file)
    assert told["written"] == str(file) and told["samples"] == 32 and np.array(told["correlation"]).shape == (3, len(told["attributes"]))
    assert found.labels == ("", "", "ground") and found.proposals[2].attribute == "border brightness"
    assert [entry["proposal"] for entry in told["dimensions"]] == [one and one.to_dict() for one in found.proposals]
    shown = found.shown(0)
    assert shown.startswith("~") and found.proposals[0].attribute in shown
    code, out, err = orojar("traverse", named, "--dim", found.proposals[0].attribute, "--out", "w.png", "--seeds", 0, "--steps", 3)
    assert code == 0 and f"dim 0  {shown}" in out, err
    # The caption is in the picture: without the name the row says "dim 0" in its place.
    with Image.open("w.png") as picture:
        before = np.asarray(picture)
    bytes_before = file.read_bytes()
    assert document(orojar(*line)) == told and file.read_bytes() == bytes_before, "the same numbers again"
    assert orojar("label", named, "--dim", found.proposals[0].attribute, "mine")[0] == 0
    assert orojar_cli.load_directions(file).shown(0) == "mine"
    assert orojar("traverse", named, "--dim", "mine", "--out", "w.png", "--seeds", 0, "--steps", 3)[0] == 0
    with Image.open("w.png") as picture:
        assert picture.size != (before.shape[1], before.shape[0]) or (np.asarray(picture) != before).any()
    assert document(orojar(*line))["dimensions"][0]["label"] == "mine"
    assert orojar_cli.load_directions(file).labels == ("mine", "", "ground")


def test_a_dry_run_writes_nothing(orojar, named: Path) -> None:
    file = named / "directions.safetensors"
    before = file.read_bytes()
    code, out, err = orojar("label", named, "--auto", "--dry-run", "--samples", 32, "--num", 2)
    assert code == 0 and "nothing was written" in err and "dim 1" in out and "dim 2" not in out
    assert file.read_bytes() == before
    code, out, _ = orojar("label", "demo", "--auto", "--dry-run", "--samples", 16, "--num", 1)
    assert code == 0 and "ground colour" in out


def test_what_was_measured_before_stays_for_dimensions_that_are_not_measured_now(named: Path) -> None:
    first = orojar_cli.propose_labels(named, samples=32, write=True)
    again = orojar_cli.propose_labels(named, samples=32, num=1, write=True)
    assert again.directions.proposals[1:] == first.directions.proposals[1:] and again.path == named / "directions.safetensors"
    assert orojar_cli.load_directions(again.path).proposals == again.directions.proposals
    # Fewer dimensions are fewer chances: the same correlation in a narrower interval.
    before, now = (found.directions.proposals[0] for found in (first, again))
    assert now.correlation == before.correlation and now.interval[0] > before.interval[0] and now.interval[1] < before.interval[1]


def test_ones_own_code_measures(orojar, named: Path, shapes_path: Path, scores: None) -> None:
    told = document(orojar("label", named, "--auto", "--attributes", "mine:scores", "--samples", 32, "--json"))
    assert told["attributes"] == ["ground red", "nothing"] and all(row[1] is None for row in told["correlation"])
    (ground,) = [entry["proposal"] for entry in told["dimensions"] if entry["label"] == "ground"]
    assert ground["attribute"] == "ground red" and ground["by"] == "mine:scores" and abs(ground["correlation"]) > 0.8
    # A direction set that is in no run, and two kinds of attributes at once.
    (named / "directions.safetensors").rename("alone.safetensors")
    line = ("label", "--auto", shapes_path, "alone.safetensors", "--attributes", "mine:Scores", "--attributes", "image", "--num", 1)
    told = document(orojar(*line, "--samples", 16, "--json"))
    assert told["attributes"][:3] == ["ground red", "right half", "brightness"] and told["written"] == "alone.safetensors"
    for name, code, message in [
        ("mine:fails", 1, "mine:fails failed in measuring images: ValueError: no weights (mine.py, line 14)"),
        ("mine:number", 1, "cannot be called"),
        ("mine:nothing", 1, "mine has no nothing"),
        ("nothere:scores", 1, "no module nothere"),
        ("scores", 2, "is not image|faces|package.module:name"),
    ]:
        ended = orojar("label", "--auto", shapes_path, "alone.safetensors", "--attributes", name, "--samples", 16)
        assert ended[0] == code and message in ended[2] and "Traceback" not in ended[2]


def test_from_python_a_callable_will_do(shapes) -> None:
    found = orojar_cli.propose_labels(
        shapes, orojar_cli.sefa(shapes, num=2, seeds=(0,)), attributes=lambda images: {"red": images[:, 0].mean((1, 2))}, samples=16
    )
    assert found.names == ["red"] and found.num == 2 and json.loads(json.dumps(found.to_dict()))["written"] is None
    with pytest.raises(OwnCodeError, match="without `names`"):
        orojar_cli.propose_labels(shapes, found, attributes=lambda images: images, samples=16)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (("RUN", "--samples", "32"), "--samples belongs to --auto"),
        (("RUN", "--dry-run", "--dim", "1", "x"), "--dry-run belongs to --auto"),
        (("RUN",), "or --auto measures names"),
        (("RUN", "--dim", "1"), "say which dimension is named how"),
        (("RUN", "--auto", "--dim", "1"), "leave out --dim"),
        (("CKPT", "a.safetensors", "--auto", "--directions", "b.safetensors"), "two direction sets"),
        (("CKPT", "--auto"), "in no file that could keep names"),
        (("demo", "--auto"), "belong to the program"),
        (("RUN", "--auto", "--samples", "3"), "16"),
        (("RUN", "--auto", "--attributes", "x y:z"), "is not image|faces|package.module:name"),
    ],
)
def test_what_label_does_not_take(orojar, named: Path, shapes_path: Path, line: tuple[str, ...], message: str) -> None:
    words = {"RUN": named, "CKPT": shapes_path}
    code, _, err = orojar("label", *(words.get(word, word) for word in line))
    assert code == 2 and message in err, err


def test_a_file_that_cannot_be_written_is_refused_before_measuring(named: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orojar_cli.operations.label.attribute_response", lambda *_, **__: pytest.fail("measured"))
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(OutputFileError, match="may not be written"):
        orojar_cli.propose_labels(named, write=True)
    with pytest.raises(OptionError, match="samples"):
        orojar_cli.propose_labels(named, samples=3)


@pytest.mark.slow
def test_the_pages_table_is_what_is_measured() -> None:
    found = orojar_cli.propose_labels("demo")
    told = [" | ".join(row[1:5]) for row in found.table()[1]]
    page = (ROOT / "docs" / "label.md").read_text(encoding="utf-8")
    lines = [line.strip("| ") for line in page.partition("|---|---|---|---|\n")[2].splitlines()[:5]]
    assert lines == told[:5] and found.directions.proposals[5:] == (None,) * 5
