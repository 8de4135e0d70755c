"""Directions of other tools: each kind of file by its right value, on networks whose answer is known; what does not fit is refused."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from paths import REFERENCES, ROOT
from torch import Tensor
from toys import linear

import orojar_cli
from orojar_cli.directions import DirectionSet
from orojar_cli.directions.imported import read_directions
from orojar_cli.errors import DirectionSetError, InputFileError, UnsafeCheckpointError
from orojar_cli.generators.families import family_of
from orojar_cli.latents.points import seed_latents

RNG = torch.Generator().manual_seed(0)
PUBLISHED = ROOT.parent / "shared" / "reference" / "orojar_directions"


def unit(rows: Tensor) -> Tensor:
    return rows / rows.norm(dim=-1, keepdim=True)


@pytest.fixture
def made(tiny) -> Any:
    """tiny: z 16, w 16, six entries of ws."""
    return tiny.generator


KINDS = {
    ".npy [K, D]": lambda path, rows: np.save(path, rows.numpy()),
    ".npy double": lambda path, rows: np.save(path, rows.double().numpy()),
    ".npz directions": lambda path, rows: np.savez(path, directions=rows.numpy(), order=np.arange(3)),
    ".npz GANSpace": lambda path, rows: np.savez(
        path, lat_comp=rows[:, None].numpy(), lat_mean=np.zeros((1, 16)), lat_stdev=np.ones(3), act_comp=rows.numpy(), act_mean=np.zeros(16)
    ),
    ".pt bare": lambda path, rows: torch.save(rows, path),
    ".pt older": lambda path, rows: torch.save(rows, path, _use_new_zipfile_serialization=False),
    ".pt parameter": lambda path, rows: torch.save(torch.nn.Parameter(rows), path),
    ".pt factor": lambda path, rows: torch.save({"ckpt": "a.pt", "eigvec": rows.T.contiguous()}, path),
    ".pkl table": lambda path, rows: path.write_bytes(pickle.dumps({"directions": rows.numpy(), "names": ["a"]}, 4)),
    ".safetensors plain": lambda path, rows: safetensors.torch.save_file({"directions": rows}, path),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_gives_its_rows(kind: str, made, tmp_path: Path) -> None:
    rows = 3 * torch.randn(3, 16, generator=RNG)
    path = tmp_path / f"a{kind.partition(' ')[0]}"
    KINDS[kind](path, rows)
    found = read_directions(path, made, space="w", measured=False)
    assert (found.method, found.space, found.layers) == ("imported", "w", tuple(range(6)))
    torch.testing.assert_close(found.directions, unit(rows), rtol=0, atol=1e-6)


def test_sigma_is_one_standard_deviation_of_the_latents_and_activeness_is_measured(made, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.eye(16)[:2])
    found = read_directions(tmp_path / "a.npy", made, space="w")
    w = made.mapping.w(torch.randn(20_000, 16, generator=torch.Generator().manual_seed(5)))
    torch.testing.assert_close(found.sigma, w.std(0)[:2], rtol=0.05, atol=0)
    assert bool((found.activeness > 0).all())
    assert read_directions(tmp_path / "a.npy", made, space="z", measured=False).sigma.tolist() == [1.0, 1.0]


def test_an_edit_is_the_edit_made_by_hand(made, tmp_path: Path) -> None:
    """InterFaceGAN's boundary [1, D]: w + s * sigma * boundary at every layer."""
    boundary = unit(torch.randn(1, 16, generator=RNG))
    np.save(tmp_path / "smile.npy", boundary.numpy())
    found = read_directions(tmp_path / "smile.npy", made, space="w", label="smile", measured=False)
    assert found.labels == ("smile",)
    at = seed_latents(made, [0, 1])
    by_hand = DirectionSet(boundary, torch.ones(1), torch.ones(1), "", "w", found.layers, "")
    wanted = made.mapping(at.z) + 2 * found.sigma[0] * by_hand.directions[0]
    torch.testing.assert_close(found.apply(made, at, "smile", 2.0), wanted)


def test_w_plus_has_a_row_for_each_layer(made, tmp_path: Path) -> None:
    array = torch.randn(2, 6, 16, generator=RNG)
    torch.save(array, tmp_path / "a.pt")
    found = read_directions(tmp_path / "a.pt", made, measured=False)
    assert found.space == "w+" and found.directions.shape == (2, 96)
    torch.testing.assert_close(found.directions, unit(array.flatten(1)), rtol=0, atol=1e-6)
    torch.save(array[0], tmp_path / "b.pt")
    with pytest.raises(DirectionSetError, match=r"can be directions in w or w\+ or z; say which with --space"):
        read_directions(tmp_path / "b.pt", made)
    one = read_directions(tmp_path / "b.pt", made, space="w+", measured=False)
    torch.testing.assert_close(one.directions, found.directions[:1])
    part = read_directions(tmp_path / "b.pt", made, space="w", layers=(2, 3), measured=False)
    assert len(part) == 6 and part.layers == (2, 3)


def test_what_is_not_said_is_asked_for_only_where_it_matters(made, shapes, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.eye(16))
    with pytest.raises(DirectionSetError, match="can be directions in w or z; say which with --space"):
        read_directions(tmp_path / "a.npy", made)
    unmapped = linear(torch.randn(16, 5, generator=RNG))
    np.save(tmp_path / "b.npy", np.eye(5))
    assert read_directions(tmp_path / "b.npy", unmapped, measured=False).space == "z"


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.eye(15), "does not fit this network"),
        (np.zeros((2, 3, 4, 16)), "does not fit"),
        (np.zeros((2, 16)), "length 0"),
        (np.full((2, 16), np.nan), "not finite"),
        (np.full((2, 16), 1e300), "not finite"),
        (np.zeros((0, 16)), "damaged"),
        (np.eye(16, dtype=int), "int"),
        (np.array([{"a": 1}], dtype=object), "object"),
    ],
)
def test_what_does_not_fit_is_refused(array: np.ndarray, words: str, made, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises((DirectionSetError, InputFileError), match=words):
        read_directions(tmp_path / "a.npy", made, space="w")


def test_code_in_a_file_is_refused_and_not_run(made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, data in {
        "a.pt": b"\x80\x02cposix\nsystem\nX\x09\0\0\0touch ran\x85R.",
        "b.pkl": b"\x80\x03cos\nsystem\nX\x09\0\0\0touch ran\x85R.",
    }.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UnsafeCheckpointError, match="system"):
            read_directions(tmp_path / name, made)
    assert not Path("ran").exists()


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x93NUMPY", b"PK\x03\x04", b"\x80\x02", b"{}"])
def test_other_files_are_refused(content: bytes, made, tmp_path: Path) -> None:
    for suffix in (".npy", ".npz", ".pt"):
        (tmp_path / f"a{suffix}").write_bytes(content)
        with pytest.raises(InputFileError):
            read_directions(tmp_path / f"a{suffix}", made)


def test_several_arrays_without_a_name_are_not_guessed(made, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", first=np.eye(16), second=np.eye(16))
    with pytest.raises(DirectionSetError, match=r"several arrays \(first, second\)"):
        read_directions(tmp_path / "a.npz", made)


def test_import_makes_a_run_that_every_command_takes(orojar, tmp_path: Path) -> None:
    network = REFERENCES / "sg2_from_sg3_repo_16.pkl"
    np.save("pose.npy", unit(torch.randn(1, 16, generator=RNG)).numpy())
    code, out, err = orojar("import", "pose.npy", "--network", network, "--space", "w", "--name", "pose", "--seeds", 0, "--json")
    assert code == 0, err
    told = json.loads(out)
    assert told["space"] == "w" and len(told["dimensions"]) == 1 and told["dimensions"][0]["activeness"] > 0
    found = orojar_cli.load_directions(told["directions"])
    assert found.labels == ("pose",) and json.loads((Path(told["run"]) / "run.json").read_text())["options"]["file"].endswith("pose.npy")
    code, _, err = orojar("traverse", told["run"], "--dim", "pose", "--out", "a.png", "--steps", 3, "--seeds", 0, "--no-caption")
    assert code == 0, err
    code, _, err = orojar("import", "pose.npy", "--network", network)
    assert code == 1 and "--space" in err
    code, _, err = orojar("import", "pose.npy")
    assert code == 2 and "--network" in err
    # Without a run, where the file leaves nothing open.
    np.save("w+.npy", np.ones((1, 6, 16)))
    code, _, err = orojar("traverse", network, "--directions", "w+.npy", "--dim", 0, "--out", "b.png", "--steps", 3, "--seeds", 0)
    assert code == 0, err
    assert Path("a.png").is_file() and Path("b.png").is_file()


@pytest.mark.parametrize("name", ["goldens_coarse", "church_mid"])
def test_the_matrices_of_the_papers_are_orthonormalised_in_their_third_of_z(name: str, tmp_path: Path) -> None:
    generator = orojar_cli.load_checkpoint(REFERENCES / "biggan_pt_128.pth").generator
    size = generator.z_dim // 3
    rows = 10 * torch.randn(size, size, generator=RNG)
    torch.save(rows, tmp_path / f"{name}.pt")
    found = read_directions(tmp_path / f"{name}.pt", generator, measured=False)
    start = 0 if "coarse" in name else size
    inside = found.directions[:, start : start + size]
    assert float(found.directions.norm()) == pytest.approx(float(inside.norm()), rel=1e-6)
    torch.testing.assert_close(inside @ inside.T, torch.eye(size), rtol=0, atol=1e-5)
    # Row by row: the k-th is spanned by the first k of the file, and keeps its side.
    assert bool(((inside * rows).sum(1) > 0).all())
    triangle = inside @ rows.T
    assert float(triangle.tril(-1).abs().max()) < 1e-3
    as_they_are = read_directions(tmp_path / f"{name}.pt", generator, orthonormal=False, measured=False)
    torch.testing.assert_close(as_they_are.directions[:, start : start + size], unit(rows), rtol=0, atol=1e-6)


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published matrices are not part of the project")
def test_the_published_matrices_are_read() -> None:
    config = replace(orojar_cli.load_checkpoint(REFERENCES / "biggan_pt_128.pth").generator.config, z_dim=120)
    generator = family_of(config).made(config)
    files = sorted(PUBLISHED.rglob("*.pt"))
    assert len(files) == 12
    for file in files:
        array = torch.load(file, weights_only=True)
        found = read_directions(file, generator, measured=False)  # type: ignore[arg-type]
        third = file.stem.partition("_")[2]
        assert found.space == "z" and found.directions.shape == (len(array), 120)
        assert found.layers == {"coarse": (0, 1), "mid": (2, 3), "fine": (4, 5), "": tuple(range(6))}[third]
        torch.testing.assert_close(found.directions @ found.directions.T, torch.eye(len(array)), rtol=0, atol=1e-4)
