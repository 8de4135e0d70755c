from __future__ import annotations

import io
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from orojar_cli.errors import InputFileError, OptionError, UnsafeCheckpointError
from orojar_cli.latents.points import Latents
from orojar_cli.latents.projected import ProjectedLatents, load_projected, save_projected
from orojar_cli.latents.spaces import all_layers, displaced_ws


def write_member(path: Path, header: bytes, data: bytes = b"", *, name: str = "w.npy", compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr(name, b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data)
    return path


def header(shape: str, descr: str = "'<f4'") -> bytes:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}\n".encode()


def test_what_is_written_is_read(shapes, tmp_path: Path) -> None:
    ws = torch.randn(3, 8, 64, generator=torch.Generator().manual_seed(0))
    save_projected(tmp_path / "a.npz", ws)
    assert torch.equal(load_projected(tmp_path / "a.npz", shapes.generator), ws)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        assert list(file) == ["w"] and file["w"].dtype == np.float32
    with pytest.raises(OptionError, match=r"\.npz"):
        save_projected(tmp_path / "a.pt", ws)
    assert [file.name for file in tmp_path.iterdir()] == ["a.npz"]


@pytest.mark.parametrize("shape", [(1, 8, 64), (5, 8, 64), (1, 1, 64), (64,)])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_shapes_and_types_of_other_tools(shapes, tmp_path: Path, shape, dtype, save) -> None:
    w = np.asfortranarray(np.random.default_rng(0).standard_normal(shape).astype(dtype))
    save(tmp_path / "a.npz", w=w, other=np.zeros(3))
    ws = load_projected(tmp_path / "a.npz", shapes.generator)
    assert ws.shape == (shape[0] if len(shape) == 3 else 1, 8, 64) and ws.dtype == torch.float32
    expected = np.broadcast_to(w.astype(np.float32), ws.shape)
    assert np.array_equal(ws.numpy(), expected)


@pytest.mark.parametrize("shape", [(2, 8, 64), (8, 64), (3, 64), (64,)])
@pytest.mark.parametrize("kind", [".npy", ".npz latents", ".pt", ".pt older", ".pt ws", ".pkl w", ".safetensors latent"])
def test_latents_of_encoders(shapes, tmp_path: Path, shape: tuple[int, ...], kind: str) -> None:
    w = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    suffix, _, key = kind.partition(" ")
    path, tensor = tmp_path / f"a{suffix}", torch.from_numpy(w)
    match suffix:
        case ".npy":
            np.save(path, w)
        case ".npz":
            np.savez(path, **{key: w, "other": np.zeros(3)})
        case ".pt":
            torch.save(
                {key: tensor, "images": torch.zeros(2)} if key == "ws" else tensor, path, _use_new_zipfile_serialization=key != "older"
            )
        case ".pkl":
            path.write_bytes(pickle.dumps({key: w, "seed": 3}, 4))
        case ".safetensors":
            safetensors.torch.save_file({key: tensor}, path)
    ws = load_projected(path, shapes.generator)
    expected = {(2, 8, 64): w, (8, 64): w[None], (3, 64): np.repeat(w[:, None], 8, 1) if w.ndim == 2 else w, (64,): np.tile(w, (1, 8, 1))}
    assert np.array_equal(ws.numpy(), expected[shape])


@pytest.mark.parametrize("shape", [(2, 7, 64), (1, 8, 63), (8, 63), (63,), (1, 1, 8, 64)])
def test_a_w_of_another_network_is_refused(shapes, tmp_path: Path, shape) -> None:
    np.savez(tmp_path / "a.npz", w=np.zeros(shape, np.float32))
    with pytest.raises(OptionError, match=r"\[N, 8, 64\]"):
        load_projected(tmp_path / "a.npz", shapes.generator)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"z": np.zeros((1, 8, 64), np.float32)}, "no array 'w'.*'z'"),
        ({"w": np.zeros((1, 8, 64), np.int64)}, "int64"),
        ({"w": np.zeros((1, 8, 64), complex)}, "complex"),
        ({"w": np.array([{"a": 1}], dtype=object)}, "object"),
        ({"w": np.full((1, 8, 64), np.nan, np.float32)}, "not finite"),
        ({"w": np.full((1, 8, 64), 1e300)}, "not finite"),
        ({"w": np.zeros((0, 8, 64), np.float32)}, "damaged"),
    ],
)
def test_contents_that_cannot_be_are_named(shapes, tmp_path: Path, arrays, message: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputFileError, match=message):
        load_projected(tmp_path / "a.npz", shapes.generator)


@pytest.mark.parametrize(
    ("head", "data"),
    [
        # An array of a terabyte in a file of a few bytes.
        (header("(536870912, 8, 64)"), b""),
        (header("(-1, 8, 64)"), b"\0" * 2048),
        (header("(1, 8, 64)"), b"\0" * 100),
        (header("(1, 8, 64)", "'|O'"), b"\x80\x04cposix\nsystem\n"),
        (header("(1, 8, 64)", "[('a', '<f4')]"), b"\0" * 2048),
        (header("(1.0, 8, 64)"), b"\0" * 2048),
        (b"{'descr': '<f4'", b""),
        (b"(" * 5000, b""),
        (b"__import__('os').system('touch ran')\n", b""),
        (b"\xff" * 40, b""),
    ],
)
def test_hostile_array_headers(shapes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: bytes, data: bytes) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputFileError):
        load_projected(write_member(tmp_path / "a.npz", head, data), shapes.generator)
    assert not Path("ran").exists()


def test_a_bomb_is_refused_before_it_is_unpacked(shapes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive, archive.open("w.npy", "w") as member:
        for _ in range(300):
            member.write(b"\0" * (1 << 20))
    assert (tmp_path / "a.npz").stat().st_size < 2 << 20
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("the member was opened"))
    with pytest.raises(InputFileError, match="300 MiB"):
        load_projected(tmp_path / "a.npz", shapes.generator)


def test_an_archive_of_a_million_entries_is_refused(shapes, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for index in range(2000):
            archive.writestr(f"{index}.npy", b"")
    with pytest.raises(InputFileError, match="not a readable"):
        load_projected(tmp_path / "a.npz", shapes.generator)


def test_every_truncated_or_flipped_file_is_an_error_or_the_same(shapes, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, w=np.random.default_rng(0).standard_normal((1, 1, 64)).astype(np.float16))
    data, rng = buffer.getvalue(), np.random.default_rng(1)
    path = tmp_path / "a.npz"
    for trial in range(150):
        broken = bytearray(data if trial % 2 else data[: rng.integers(1, len(data))])
        for _ in range(2):
            broken[rng.integers(len(broken))] = rng.integers(256)
        path.write_bytes(broken)
        try:
            assert load_projected(path, shapes.generator).shape[1:] == (8, 64)
        except (InputFileError, OptionError) as error:
            assert "\n" not in str(error)


def test_code_in_a_file_of_latents_is_refused_and_not_run(shapes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.pt").write_bytes(b"\x80\x02cposix\nsystem\nX\x09\0\0\0touch ran\x85R.")
    with pytest.raises(UnsafeCheckpointError, match=r"uses posix\.system"):
        load_projected(tmp_path / "a.pt", shapes.generator)
    np.save(tmp_path / "b.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputFileError, match="object"):
        load_projected(tmp_path / "b.npy", shapes.generator)
    assert not Path("ran").exists()


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x93NUMPY", None])
def test_other_files(shapes, tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(InputFileError):
        load_projected(tmp_path / "a.npz", shapes.generator)


@pytest.mark.parametrize(("space", "dim"), [("w", 64), ("w+", 8 * 64), ("p", 64), ("s", None)])
def test_a_projected_w_moves_as_the_image_it_is_the_w_of(shapes, space: str, dim: int | None) -> None:
    rng = torch.Generator().manual_seed(0)
    at = Latents(torch.randn(3, 64, generator=rng))
    layers, dim = all_layers(shapes.generator), dim or 64
    step = 0.5 * torch.randn(3, dim, generator=rng)
    projected = ProjectedLatents(shapes.generator.mapping(at.z))
    moved = projected.displaced(shapes.generator, step, space, layers)
    assert torch.allclose(moved, displaced_ws(shapes.generator, at, step, space, layers), atol=2e-5)


def test_a_projected_w_has_no_z_and_layers_stay_where_they_are(shapes) -> None:
    projected = ProjectedLatents(torch.randn(2, 8, 64, generator=torch.Generator().manual_seed(0)))
    with pytest.raises(OptionError, match="no z"):
        projected.displaced(shapes.generator, torch.zeros(2, 64), "z", all_layers(shapes.generator))
    moved = projected.displaced(shapes.generator, torch.ones(2, 64), "p", (2, 5)) - projected.ws
    assert (moved[:, [2, 5]] > 0).all()
    assert float(moved[:, [0, 1, 3, 4, 6, 7]].abs().max()) == 0
