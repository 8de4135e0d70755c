from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from orojar_cli.directions import DirectionSet, load_directions, save_directions
from orojar_cli.errors import DirectionSetError, InputFileError, OptionError


def example(**changes) -> DirectionSet:
    fields = {
        "directions": torch.eye(64)[:3],
        "sigma": torch.tensor([1.0, 2.0, 0.5]),
        "activeness": torch.tensor([0.3, 0.2, 0.1]),
        "method": "orojar",
        "space": "w",
        "layers": (0, 1, 5),
        "checkpoint": "ab" * 32,
        "labels": ("", "x position", "Größe"),
        "options": {"samples": 96, "outputs": ["image:8"]},
        "scores": {"singular_value": torch.tensor([3.0, 2.0, 1.0])},
    }
    return DirectionSet(**fields | changes)


def test_a_file_gives_back_what_was_saved(tmp_path: Path) -> None:
    save_directions(example(), tmp_path / "d.safetensors")
    back = load_directions(tmp_path / "d.safetensors")
    for name in ("method", "space", "layers", "checkpoint", "labels", "options"):
        assert getattr(back, name) == getattr(example(), name)
    for name in ("directions", "sigma", "activeness"):
        assert torch.equal(getattr(back, name), getattr(example(), name))
    assert torch.equal(back.scores["singular_value"], example().scores["singular_value"])


def test_displacement_is_strength_in_sigmas() -> None:
    assert torch.equal(example().displacement(1, 1.5), 3 * torch.eye(64)[1])
    assert torch.equal(example().displacement(2, torch.tensor([2.0, -2.0])), torch.stack([torch.eye(64)[2], -torch.eye(64)[2]]))


@pytest.mark.parametrize(("given", "row"), [(0, 0), ("2", 2), (" 1 ", 1), ("x position", 1), ("X POSITION", 1), ("größe", 2)])
def test_a_dimension_is_a_number_or_a_label(given, row: int) -> None:
    assert example().index(given) == row


@pytest.mark.parametrize(("given", "message"), [("999", r"no dimension 999.*0-2"), ("-1", "no dimension -1"), ("y position", "x position")])
def test_an_unknown_dimension_says_what_there_is(given: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        example().index(given)


def test_labels_are_changed_in_a_copy() -> None:
    assert example().labelled(0, "ground").labels == ("ground", "x position", "Größe")
    assert example().labels[0] == ""
    assert example().name(1) == "dim 1  x position"


@pytest.mark.parametrize(
    "changes",
    [
        {"sigma": torch.ones(2)},
        {"directions": torch.full((3, 64), float("nan"))},
        {"sigma": torch.tensor([1.0, float("inf"), 1.0])},
        {"scores": {"singular_value": torch.full((3,), float("nan"))}},
        {"space": "q"},
        {"layers": ()},
        {"labels": ("a",)},
        {"directions": torch.ones(64)},
    ],
)
def test_a_malformed_set_is_refused(changes) -> None:
    with pytest.raises(DirectionSetError):
        example(**changes)


def test_a_set_for_another_network_is_refused(shapes) -> None:
    with pytest.raises(DirectionSetError, match="another network"):
        example().check_fits(shapes.generator, shapes.sha256)
    example(checkpoint=shapes.sha256).check_fits(shapes.generator, shapes.sha256)


@pytest.mark.parametrize("changes", [{"layers": (0, 8)}, {"directions": torch.eye(32)[:3]}, {"space": "w+"}])
def test_a_set_of_another_size_is_refused(shapes, changes) -> None:
    with pytest.raises(DirectionSetError, match="does not fit"):
        dataclasses.replace(example(checkpoint=shapes.sha256), **changes).check_fits(shapes.generator, shapes.sha256)


def test_other_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputFileError):
        load_directions(tmp_path / "missing.safetensors")
    (tmp_path / "text.safetensors").write_text("no tensors here")
    with pytest.raises(DirectionSetError):
        load_directions(tmp_path / "text.safetensors")
    safetensors.torch.save_file({"a": torch.ones(2)}, tmp_path / "other.safetensors")
    with pytest.raises(DirectionSetError, match="format"):
        load_directions(tmp_path / "other.safetensors")
    with pytest.raises(OptionError, match="safetensors"):
        save_directions(example(), tmp_path / "d.npz")


LABELS = st.lists(st.text(st.characters(categories=["Ll", "Lu"]), max_size=4), min_size=1, max_size=6)


@given(LABELS, st.data())
def test_rows_keep_all_that_is_known_of_them(labels: list[str], data: st.DataObject) -> None:
    """A selection is the rows asked for, in their order; a label finds its row, or says that there are several."""
    count = len(labels)
    numbers = torch.arange(1.0, count + 1)
    found = example(
        directions=torch.eye(8)[:count], sigma=numbers, activeness=-numbers, labels=tuple(labels), scores={"value": numbers.square()}
    )
    rows = data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=8))
    part = found.select(rows)
    assert part.labels == tuple(labels[row] for row in rows)
    for name in ("directions", "sigma", "activeness"):
        assert torch.equal(getattr(part, name), getattr(found, name)[rows])
    assert torch.equal(part.scores["value"], numbers[rows].square())
    for row, label in enumerate(labels):
        assert found.index(row) == row
        if label and [other.casefold() for other in labels].count(label.casefold()) == 1:
            assert found.index(label) == row
        else:
            with pytest.raises(OptionError, match="label"):
                found.index(label)
