"""Measured names in direction sets: beside labels, marked, in the file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from orojar_cli.directions.direction_set import DirectionSet, load_directions, save_directions
from orojar_cli.directions.labels import write_label, write_proposals
from orojar_cli.directions.proposal import Proposal
from orojar_cli.errors import DirectionSetError, OptionError

BRIGHT = Proposal("brightness", 0.92, (0.88, 0.95), 0.7, (("contrast", 0.71), ("warmth", -0.6)))
SHARP = Proposal("sharpness", -0.8, (-0.9, -0.6), -0.4, by="mine:scores")


@pytest.fixture
def plain() -> DirectionSet:
    return DirectionSet(torch.eye(4), torch.ones(4), torch.arange(4.0), "made", "w", (0, 1), "ab", ("", "smile", "", ""))


def test_a_measured_name_is_shown_where_there_is_no_label(plain: DirectionSet) -> None:
    found = replace(plain, proposals=(BRIGHT, SHARP, None, None))
    assert [found.shown(row) for row in range(4)] == ["~brightness +0.92", "smile", "", ""]
    assert found.name(0) == "dim 0  ~brightness +0.92" and found.name(1) == "dim 1  smile" and found.name(2) == "dim 2"
    assert "~brightness +0.92, smile" in repr(found) and "~brightness" in found._repr_html_()
    assert "also: contrast +0.71, warmth -0.60" in BRIGHT.sentence and "(+0.88 to +0.95)" in BRIGHT.sentence
    assert found["brightness"].proposals == (BRIGHT,) and "Brightness" in found and "warmth" not in found
    assert found.select([2, 1]).proposals == (None, SHARP)
    # Its label is the name of a labelled dimension, and its measured one still leads there.
    assert found.index("smile") == found.index("sharpness") == 1
    labelled = found.labelled(2, "brightness")
    assert labelled.index("brightness") == 2, "what a person said comes first"
    with pytest.raises(OptionError, match=r"no dimension has the label 'hue' \(labels: brightness, sharpness, smile\)"):
        found.index("hue")
    with pytest.raises(OptionError, match="more than one dimension"):
        replace(plain, proposals=(BRIGHT, BRIGHT, None, None)).index("brightness")


def test_files_keep_them_and_older_files_have_none(plain: DirectionSet, tmp_path: Path) -> None:
    path = tmp_path / "d.safetensors"
    save_directions(plain, path)
    before = path.read_bytes()
    assert b"proposals" not in before and load_directions(path).proposals == (None,) * 4
    save_directions(replace(plain, proposals=(None, SHARP, None, BRIGHT)), path)
    assert load_directions(path).proposals == (None, SHARP, None, BRIGHT)
    save_directions(replace(plain, proposals=(None,) * 4), path)
    assert path.read_bytes() == before
    with pytest.raises(DirectionSetError, match="labels and proposals of K entries"):
        replace(plain, proposals=(BRIGHT,))
    assert (
        replace(plain, directions=plain.directions[:2], sigma=torch.ones(2), activeness=torch.ones(2), labels=()).proposals == (None,) * 2
    )


def test_writing_leaves_labels_and_other_sets_alone(plain: DirectionSet, tmp_path: Path) -> None:
    path = tmp_path / "d.safetensors"
    save_directions(plain, path)
    write_label(path, 3, "given meanwhile")
    found = write_proposals(path, (BRIGHT, SHARP, None, SHARP), plain)
    assert found.labels == load_directions(path).labels == ("", "smile", "", "given meanwhile")
    assert load_directions(path).proposals == (BRIGHT, SHARP, None, SHARP)
    assert write_label(path, 0, "mine").proposals[0] == BRIGHT
    assert write_label(path, 0, "").shown(0) == "~brightness +0.92", "a label taken away leaves what was measured"
    save_directions(replace(plain, directions=torch.eye(4).flip(0)), path)
    with pytest.raises(DirectionSetError, match="made anew meanwhile"):
        write_proposals(path, (None,) * 4, plain)


@pytest.mark.parametrize(
    "change",
    [
        {"attribute": ""},
        {"attribute": "two\nlines"},
        {"attribute": "\x1b[31m"},
        {"attribute": 3},
        {"attribute": "x" * 200},
        {"correlation": float("nan")},
        {"correlation": "high"},
        {"interval": [0.1]},
        {"interval": None},
        {"effect": None},
        {"also": [["contrast"]]},
        {"also": [["\u202e", 0.1]]},
        {"also": 7},
        {"by": None},
    ],
)
def test_hostile_files(plain: DirectionSet, tmp_path: Path, change: dict) -> None:
    path = tmp_path / "d.safetensors"
    save_directions(replace(plain, proposals=(BRIGHT, None, None, None)), path)
    whole = path.read_bytes()
    length = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + length])
    metadata = json.loads(header["__metadata__"]["orojar"])
    assert Proposal.from_dict(metadata["proposals"][0]) == BRIGHT
    metadata["proposals"][0] |= change
    header["__metadata__"]["orojar"] = json.dumps(metadata)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + whole[8 + length :])
    with pytest.raises(DirectionSetError, match="is not a direction set"):
        load_directions(path)
