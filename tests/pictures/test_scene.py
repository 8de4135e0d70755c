from __future__ import annotations

import json

import pytest
import torch

from orojar_cli.directions import DirectionSet
from orojar_cli.errors import OptionError
from orojar_cli.pictures.scene import Scene, Still, Subject, Walk, strength_text

STILL = Still(dimensions=(3, 1), edits=((2, 1.5),), extent=2, layers=(0, 4), seeds=(7,), psi=0.7, cutoff=4, size=48, columns=2, by=None)


@pytest.mark.parametrize("scene", [STILL, Walk(dimensions=(1,), frames=12, ease=False, marker=False), Still(by=2), Scene()])
def test_scenes_survive_json(scene: Scene) -> None:
    assert type(scene).from_dict(json.loads(json.dumps(scene.to_dict()))) == scene


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"seeds": []}, "seed"),
        ({"seeds": [-1]}, "--seeds"),
        ({"seeds": [1.0]}, "--seeds"),
        ({"seeds": [True]}, "--seeds"),
        ({"seeds": list(range(20_000))}, "--seeds"),
        ({"seeds": "0-3"}, "--seeds"),
        ({"dimensions": [2**40]}, "--dim"),
        ({"edits": [[1]]}, "--dim"),
        ({"edits": [[1, float("nan")]]}, "--dim"),
        ({"edits": [[1, 2.0], [1, 3.0]]}, "twice"),
        ({"extent": float("inf")}, "--range"),
        ({"extent": "3"}, "--range"),
        ({"psi": None}, "--trunc"),
        ({"size": 100_000}, "--size"),
        ({"size": 2}, "--size"),
        ({"steps": 201}, "--steps"),
        ({"columns": 0}, "--columns"),
        ({"noise_mode": "loud"}, "--noise-mode"),
        ({"noise_mode": ["const"]}, "--noise-mode"),
        ({"caption": 1}, "--caption"),
        ({"class_index": -1}, "--class"),
        ({"out": "/etc/passwd"}, "out"),
    ],
)
def test_values_that_cannot_be_are_named(values, name: str) -> None:
    with pytest.raises(OptionError, match=name):
        Still.from_dict(values)


def test_subjects_name_what_they_show(shapes) -> None:
    labels = ("", "x position", "", "")
    found = DirectionSet(torch.eye(64)[:4], torch.ones(4), torch.ones(4), "test", "w", tuple(range(8)), shapes.sha256, labels)
    subject = Subject(shapes.generator, found)
    assert subject.edit_text(Scene(edits=((1, 2), (3, -0.5)))) == "x position +2, dim 3 -0.5"
    assert subject.point_names(Scene(seeds=(4, 9))) == ["seed 4", "seed 9"]
    projected = Subject(shapes.generator, found, projected=torch.zeros(2, 8, 64))
    assert projected.point_names(Scene()) == ["picture 1", "picture 2"] and len(projected.points(Scene())) == 2
    for scene in (Scene(dimensions=(4,)), Scene(edits=((9, 1.0),)), Still(dimensions=(0,), by=7)):
        with pytest.raises(OptionError, match="no dimension"):
            subject.points(scene)


def test_strengths_are_short() -> None:
    assert [strength_text(value) for value in (1.5, -2, 0, 1e-17, 4 / 3)] == ["+1.5", "-2", "0", "0", "+1.33"]
