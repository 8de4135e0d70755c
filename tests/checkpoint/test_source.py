"""What is not a checkpoint is named for what it is; a checkpoint that was cut short is damaged, never "unsafe"."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pickle_assembler import assemble, checkpoint
from PIL import Image

from orojar_cli.checkpoint.contents import read_contents
from orojar_cli.checkpoint.info import describe
from orojar_cli.containers.file import CheckpointFile, printable
from orojar_cli.containers.limits import DEFAULT_LIMITS
from orojar_cli.errors import DamagedCheckpointError, InputFileError, NotACheckpointError, UnsupportedCheckpointError

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 381624121\n"


def archive(kind: str) -> bytes:
    stream = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(stream, "w") as file:
            file.writestr("a", "b")
    elif kind == "tar":
        with tarfile.open(fileobj=stream, mode="w") as file:
            file.addfile(tarfile.TarInfo("a"))
    elif kind == "npy":
        np.save(stream, np.zeros(3))
    elif kind in ("png", "jpeg", "gif"):
        Image.new("RGB", (4, 4)).save(stream, kind)
    return stream.getvalue()


KINDS = {
    "empty": (b"", "is empty"),
    "git-lfs": (LFS, "git-lfs pointer, download the real file (382 MB)"),
    "git-lfs without a size": (LFS[:60], "git-lfs pointer, download the real file"),
    "html": (b"<!DOCTYPE html><html>Quota exceeded</html>", "web page"),
    "html with a byte order mark": (b"\xef\xbb\xbf\n  <html></html>", "web page"),
    "xml": (b"<?xml version='1.0'?><Error/>", "web page"),
    "zip": (archive("zip"), "zip archive"),
    "gzip": (gzip.compress(b"a" * 100), "gzip-compressed"),
    "bzip2": (bz2.compress(b"a" * 100), "bzip2-compressed"),
    "xz": (lzma.compress(b"a" * 100), "xz-compressed"),
    "7z": (b"7z\xbc\xaf\x27\x1c\0\4" + bytes(100), "7z archive"),
    "tar": (archive("tar"), "tar archive"),
    "json": (json.dumps({"a": 1}).encode(), "JSON"),
    "json list": (b"[1, 2]", "JSON"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5"),
    "npy": (archive("npy"), "numpy array"),
    "png": (archive("png"), "PNG"),
    "jpeg": (archive("jpeg"), "JPEG"),
    "gif": (archive("gif"), "GIF"),
    "wav": (b"RIFF\0\0\0\0WAVE", "media file"),
    "pdf": (b"%PDF-1.7\n", "PDF"),
    "text": (b"Not found\n", "neither a pickle nor safetensors"),
    "zeros": (bytes(1000), "neither a pickle nor safetensors"),
    "protocol 0 pickle": (b"(dp0\n.", "neither a pickle nor safetensors"),
    "escape sequences": (b"\x1b[2J\x1b[31m", "neither a pickle nor safetensors"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_another_kind_of_file_is_named(kind: str, tmp_path: Path) -> None:
    data, words = KINDS[kind]
    path = tmp_path / "network.pkl"
    path.write_bytes(data)
    with pytest.raises(NotACheckpointError) as caught:
        read_contents(path)
    message = str(caught.value)
    assert message.startswith("not a checkpoint: network.pkl ") and words in message
    assert message.isascii() and message.isprintable()


def test_a_pickle_without_networks_is_not_supported(tmp_path: Path) -> None:
    path = tmp_path / "network.pkl"
    path.write_bytes(assemble({"a": 1}))
    with pytest.raises(UnsupportedCheckpointError, match=r"is a table without tensors \(it has a\)"):
        read_contents(path)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="it is a folder"):
        read_contents(tmp_path)


def test_a_pipe_is_refused_without_waiting_for_its_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pkl")
    with pytest.raises(InputFileError, match="not a regular file"):
        read_contents(tmp_path / "pipe.pkl")


def test_an_endless_device_is_refused() -> None:
    with pytest.raises(InputFileError, match="not a regular file"):
        read_contents("/dev/zero")


@pytest.mark.parametrize("name", ["missing.pkl", "missing/network.pkl", "a\0b.pkl", "x" * 300 + ".pkl"])
def test_a_missing_file_is_an_input_error(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="check the path"):
        read_contents(f"{tmp_path}/{name}")


def test_an_unreadable_file_is_an_input_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "network.pkl"
    path.write_bytes(b"\x80")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("orojar_cli.containers.file.io.FileIO", refuse)
    with pytest.raises(InputFileError, match="Permission denied"):
        read_contents(path)


def test_a_file_above_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "network.pkl"
    with open(path, "wb") as file:
        file.truncate(DEFAULT_LIMITS.file_bytes + 1)  # sparse: it takes no room
    with pytest.raises(UnsupportedCheckpointError, match="more than the limit"):
        read_contents(path)
    path.write_bytes(bytes(101))
    with pytest.raises(UnsupportedCheckpointError, match="more than the limit of 100"):
        read_contents(path, replace(DEFAULT_LIMITS, file_bytes=100))


def test_a_cut_file_is_damaged_and_says_so_without_security_words(tmp_path: Path, references: Path) -> None:
    whole = (references / "sg2_resnet_gray_16.pkl").read_bytes()
    path = tmp_path / "network.pkl"
    lengths = [*range(1, 200), *range(200, len(whole), 1511), len(whole) - 2, len(whole) - 1]
    for length in lengths:
        path.write_bytes(whole[:length])
        with pytest.raises(DamagedCheckpointError) as caught:
            read_contents(path)
        message = str(caught.value)
        assert "ends early" in message and "download it again" in message, (length, message)
        assert not any(word in message for word in ("refused", "unsafe", "malicious", "executed")), message


@pytest.mark.parametrize("protocol", [3, 4])
def test_a_small_file_is_damaged_wherever_it_is_cut(protocol: int, tmp_path: Path) -> None:
    whole = assemble({"a": [1, "two", 3.0, (4, None)], "b": {"c": b"d"}}, protocol)
    path = tmp_path / "network.pkl"
    for length in range(1, len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(DamagedCheckpointError, match="ends early"):
            read_contents(path)


def test_a_cut_safetensors_file_is_damaged(tmp_path: Path) -> None:
    header = json.dumps({"a": {"dtype": "F32", "shape": [100], "data_offsets": [0, 400]}}).encode()
    whole = len(header).to_bytes(8, "little") + header + bytes(400)
    path = tmp_path / "network.safetensors"
    for length in (len(header) + 8, len(header) + 100, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(DamagedCheckpointError):
            read_contents(path)


def test_a_file_that_shrinks_while_it_is_read_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "network.pkl"
    path.write_bytes(assemble(checkpoint()))
    contents = read_contents(path)
    record = contents.generator.tensors["mapping.w_avg"]
    os.truncate(path, 100)
    with pytest.raises(DamagedCheckpointError, match="became shorter"):
        record.storage.data.read()
    with pytest.raises(DamagedCheckpointError, match="became shorter"):
        record.storage.data.file.read_into(memoryview(bytearray(32)), record.storage.data.offset)


def test_the_name_of_the_file_does_not_decide(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(assemble(checkpoint()))
    assert describe(read_contents(path)).img_resolution == 8


def test_the_file_is_closed_with_its_last_user(tmp_path: Path) -> None:
    path = tmp_path / "network.pkl"
    path.write_bytes(b"\x80\x04N.")
    file = CheckpointFile(path)
    inner = file._file
    del file
    assert inner.closed


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[2J\r\n\0", "\\x1b[2J\\x0d\\x0a\\x00"),
        ("\u202eж\ud800\U0001f600", "\\u202e\\u0436\\ud800\\U0001f600"),
        ("a" * 81, "a" * 79 + "~"),
        ("ж" * 80, ("\\u0436" * 80)[:79] + "~"),
        (12, "12"),
        (None, "None"),
        ([1, 2], "<list>"),
        ({"a": 1}, "<dict>"),
    ],
)
def test_printable_escapes_and_shortens(value: object, shown: str) -> None:
    assert printable(value) == shown
