from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from orojar_cli.directions import METHODS, DirectionSet, Settings, load_directions, save_directions
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


def test_rows_are_taken_by_number_label_and_slice() -> None:
    whole = example().labelled(2, "Smile")
    assert whole["smile"].labels == ("Smile",) and torch.equal(whole["smile"].directions, whole.directions[2:3])
    assert torch.equal(whole[1].directions, whole.directions[1:2]) and len(whole[1:]) == len(whole) - 1
    assert torch.equal(whole[[2, 0]].sigma, whole.sigma[[2, 0]]) and len(whole[["smile", 0]]) == 2
    assert [len(each) for each in whole] == [1] * len(whole) and torch.equal(list(whole)[2].directions, whole["smile"].directions)
    assert "SMILE" in whole and 0 in whole and len(whole) not in whole and "frown" not in whole
    for wrong in (99, "frown", [0, "frown"]):
        with pytest.raises(OptionError, match="dimension"):
            whole[wrong]


def test_a_set_says_what_it_is_in_a_line_and_in_a_table() -> None:
    whole = example().labelled(0, "<b>bold</b>")
    assert repr(whole).startswith(f"<{len(whole)} {whole.method} directions in {whole.space}, layers ") and "bold" in repr(whole)
    shown = whole._repr_html_()
    assert shown.count("<tr>") == len(whole) + 1 and "<b>" not in shown and "&lt;b&gt;bold&lt;/b&gt;" in shown


def test_a_set_is_saved_loaded_and_moved(tmp_path: Path) -> None:
    whole = example()
    whole.save(tmp_path / "set.safetensors")
    again = DirectionSet.load(tmp_path / "set.safetensors")
    assert torch.equal(again.directions, whole.directions) and again.labels == whole.labels
    moved = whole.to("cpu")
    assert torch.equal(moved.directions, whole.directions) and moved.labels == whole.labels and moved.scores.keys() == whole.scores.keys()


def test_images_move_in_every_space(tiny) -> None:
    z = torch.randn(2, tiny.generator.z_dim, generator=torch.Generator().manual_seed(0))
    before = tiny.generator(z)
    for space in ("z", "w", "p", "w+", "s"):
        found = METHODS["random"](tiny.generator, Settings(space=space, num=2, samples=8))
        assert torch.allclose(found.images(tiny.generator, z, 0, 0.0), before, atol=1e-4)
        moved = found.images(tiny.generator, z, 0, torch.tensor([0.0, 2.0]))
        assert torch.allclose(moved[0], before[0], atol=1e-4) and not torch.allclose(moved[1], before[1], atol=1e-3), space
        if space == "s":
            with pytest.raises(OptionError, match="images"):
                found.apply(tiny.generator, z, 0, 1.0)
        else:
            ws = found.apply(tiny.generator, z, 0, 2.0)
            assert torch.allclose(tiny.generator.synthesis(ws), found.images(tiny.generator, z, 0, 2.0), atol=1e-6)


@pytest.mark.parametrize("strength", [float("nan"), torch.ones(3), torch.ones(2, 1)])
def test_strengths_that_do_not_fit_are_refused(tiny, strength) -> None:
    found = METHODS["random"](tiny.generator, Settings(num=2, samples=8))
    with pytest.raises(OptionError, match="strength"):
        found.apply(tiny.generator, torch.zeros(2, tiny.generator.z_dim), 0, strength)
