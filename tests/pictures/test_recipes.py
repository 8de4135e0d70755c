from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from orojar_cli.directions import DirectionSet
from orojar_cli.errors import InputFileError
from orojar_cli.media import save_image
from orojar_cli.pictures.recipe import Recipe, direction_identity, read_recipe, tensor_identity
from orojar_cli.pictures.scene import Still, Subject

PIXELS = np.zeros((4, 4, 3), np.uint8)


@pytest.fixture
def directions(shapes) -> DirectionSet:
    return DirectionSet(torch.eye(64)[:4], torch.ones(4), torch.ones(4), "test", "w", tuple(range(8)), shapes.sha256)


@pytest.fixture
def recipe(directions: DirectionSet) -> Recipe:
    scene = Still(dimensions=(1,), seeds=(3, 4))
    return Recipe(scene, "nets/a.pkl", directions.checkpoint, "runs/0/directions.safetensors", direction_identity(directions))


def test_a_picture_keeps_its_recipe(recipe: Recipe, tmp_path: Path) -> None:
    for kept in (recipe, dataclasses.replace(recipe, directions=None, projected="w.npz", projected_identity="a" * 64)):
        save_image(PIXELS, tmp_path / "a.png", kept.to_dict())
        assert read_recipe(tmp_path / "a.png") == kept


def test_identity_is_of_what_moves_the_pictures(directions: DirectionSet) -> None:
    same = dataclasses.replace(directions.labelled(1, "size"), method="other", activeness=torch.zeros(4))
    assert direction_identity(same) == direction_identity(directions)
    others = [
        dataclasses.replace(directions, sigma=2 * directions.sigma),
        dataclasses.replace(directions, directions=-directions.directions),
        dataclasses.replace(directions, space="p"),
        dataclasses.replace(directions, layers=(0, 1)),
        directions.select([1, 0, 2, 3]),
    ]
    assert len({direction_identity(other) for other in (directions, *others)}) == 6


def test_another_network_direction_set_or_photograph_is_refused(shapes, recipe: Recipe, directions: DirectionSet) -> None:
    recipe.check(Subject(shapes.generator, directions))
    with pytest.raises(InputFileError, match="another network"):
        recipe.check(Subject(shapes.generator, dataclasses.replace(directions, checkpoint="0" * 64)))
    with pytest.raises(InputFileError, match="other directions"):
        recipe.check(Subject(shapes.generator, directions.select([0, 1])))
    ws = torch.zeros(1, 8, 64)
    of_photograph = dataclasses.replace(recipe, projected="w.npz", projected_identity=tensor_identity(ws))
    of_photograph.check(Subject(shapes.generator, directions, projected=ws))
    for other in (None, ws + 1):
        with pytest.raises(InputFileError, match="projected w"):
            of_photograph.check(Subject(shapes.generator, directions, projected=other))
        of_photograph.check(Subject(shapes.generator, directions, projected=other), images=False)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("format", "orojar-picture-9"),
        ("kind", "film"),
        ("kind", ["still"]),
        ("scene", None),
        ("scene.steps", 10**9),
        ("scene.size", 10**6),
        ("scene.seeds", [0] * 20_000),
        ("scene.extent", float("nan")),
        ("scene.out", "/tmp/x"),
        ("checkpoint", "a.pkl"),
        ("checkpoint.sha256", "0" * 63),
        ("checkpoint.sha256", None),
        ("checkpoint.name", "/etc/passwd"),
        ("checkpoint.name", "../../a.pkl"),
        ("checkpoint.name", "~/a.pkl"),
        ("checkpoint.name", "C:\\a.pkl"),
        ("checkpoint.name", "http://example.com/a.pkl"),
        ("checkpoint.name", "a\nb"),
        ("checkpoint.name", None),
        ("checkpoint.name", "a" * 2000),
        ("directions.name", "a/../../b"),
        ("directions.name", 3),
        ("directions.sha256", "A" * 64),
        ("projected", [1]),
        ("projected", {"name": "/dev/zero", "sha256": "0" * 64}),
    ],
)
def test_every_field_from_elsewhere_is_checked(recipe: Recipe, tmp_path: Path, path: str, value) -> None:
    document = recipe.to_dict()
    *outer, last = path.split(".")
    target = document
    for name in outer:
        target = target[name]
    target[last] = value
    save_image(PIXELS, tmp_path / "a.png", document)
    with pytest.raises(InputFileError) as caught:
        read_recipe(tmp_path / "a.png")
    assert "\n" not in str(caught.value)


def test_pictures_without_a_recipe(tmp_path: Path) -> None:
    save_image(PIXELS, tmp_path / "a.png")
    save_image(PIXELS, tmp_path / "a.jpg")
    for name in ("a.png", "a.jpg"):
        with pytest.raises(InputFileError, match="does not say how"):
            read_recipe(tmp_path / name)
