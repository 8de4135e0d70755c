"""Directions for other tools: opened with what those tools open them with, and read again as they were."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import orojar_cli
from orojar_cli.directions.imported import read_directions
from orojar_cli.errors import OptionError
from orojar_cli.operations.exporting import LAYOUTS, export_directions

CASES = [(suffix, layout) for suffix, layouts in LAYOUTS.items() for layout in layouts]


@pytest.mark.parametrize(("suffix", "layout"), CASES)
@pytest.mark.parametrize("space", ["w", "w+"])
def test_what_is_written_is_opened_elsewhere_and_read_again(tiny, suffix: str, layout: str, space: str, tmp_path: Path) -> None:
    found = orojar_cli.discover(tiny, "random", space=space, whiten=False, num=3, seeds=(0,), layers=(1, 2)).directions
    path = tmp_path / f"a{suffix}"
    if layout == "ganspace" and space == "w+":
        with pytest.raises(OptionError, match="hold directions in w"):
            export_directions(found, path, layout)
        return
    assert export_directions(found, path, layout) is found
    wanted = found.directions.numpy().reshape(3, *((2, 16) if space == "w+" else (16,)))
    if suffix == ".npy":
        assert np.array_equal(np.load(path, allow_pickle=False), wanted)
    elif suffix == ".npz":
        with np.load(path, allow_pickle=False) as file:
            if layout == "arrays":
                assert np.array_equal(file["directions"], wanted) and file["layers"].tolist() == [1, 2]
                assert np.array_equal(file["sigma"], found.sigma.numpy())
            else:
                assert file["lat_comp"].shape == (3, 1, 16) and np.array_equal(file["act_stdev"], found.sigma.numpy())
    else:
        value = torch.load(path, weights_only=True)
        value = value["eigvec"].T if layout == "factorisation" else value
        assert np.array_equal(value.numpy().reshape(wanted.shape), wanted)
    again = read_directions(path, tiny.generator, space=space, layers=(1, 2), measured=False)
    torch.testing.assert_close(again.directions, found.directions, rtol=0, atol=1e-6)
    torch.testing.assert_close(again.sigma, found.sigma, rtol=1e-3, atol=0)


def test_other_suffixes_and_layouts_are_refused_before_anything_is_written(tiny, tmp_path: Path) -> None:
    found = orojar_cli.sefa(tiny, num=2, seeds=(0,)).directions
    for name, layout, words in (
        ("a.txt", None, r"exported as \.npy"),
        ("a.npy", "ganspace", "has no layout"),
        ("a.pt", "arrays", "has no layout"),
    ):
        with pytest.raises(OptionError, match=words):
            export_directions(found, tmp_path / name, layout)
    assert not list(tmp_path.iterdir())


def test_the_command_writes_those_of_a_run(orojar, references: Path) -> None:
    code, out, err = orojar("sefa", references / "sg2_from_sg3_repo_16.pkl", "--num", 2, "--seeds", 0, "--json")
    assert code == 0, err
    told = json.loads(out)
    code, out, err = orojar("export", told["run"], "a.pt", "--layout", "factorisation", "--json")
    assert code == 0, err
    assert json.loads(out) == {"out": "a.pt", "directions": 2, "space": "w", "layers": list(range(6))}
    kept = orojar_cli.load_directions(told["directions"])
    assert torch.equal(torch.load("a.pt", weights_only=True)["eigvec"].T, kept.directions)
    code, _, err = orojar("export", references / "sg2_from_sg3_repo_16.pkl", "b.npy")
    assert code == 2 and "no directions to export" in err and not Path("b.npy").exists()
