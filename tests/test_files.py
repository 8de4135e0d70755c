"""Files are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orojar_cli.errors import OutputFileError
from orojar_cli.files import atomic_path, write_bytes, write_text, written_file


def test_the_file_appears_whole(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a.bin", b"abc")
    write_text(tmp_path / "a.txt", "Ωж")
    assert (tmp_path / "a.bin").read_bytes() == b"abc"
    assert (tmp_path / "a.txt").read_bytes() == "Ωж".encode()
    assert sorted(os.listdir(tmp_path)) == ["a.bin", "a.txt"]


def test_an_older_file_is_there_until_the_new_one_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"new")
        assert path.read_bytes() == b"old"
        assert temporary.parent == tmp_path and temporary.suffix == ".png" and temporary != path
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a.png"]


@pytest.mark.parametrize("error", [ValueError("bad"), KeyboardInterrupt(), MemoryError()])
def test_any_failure_leaves_the_older_file_and_nothing_else(error: BaseException, tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(type(error)), atomic_path(path) as temporary:
        temporary.write_bytes(b"half")
        raise error
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_full_disk_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputFileError, match="No space left on device"), atomic_path(tmp_path / "a.bin") as temporary:
        temporary.write_bytes(b"half")
        raise OSError(28, "No space left on device")
    assert os.listdir(tmp_path) == []


def test_a_failing_flush_is_an_output_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("orojar_cli.files.os.fsync", fail)
    with pytest.raises(OutputFileError, match="Input/output error"):
        write_bytes(tmp_path / "a.bin", b"abc")
    assert os.listdir(tmp_path) == []


def test_a_missing_folder_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputFileError, match="does not exist; create it"):
        write_bytes(tmp_path / "missing" / "a.bin", b"abc")
    assert os.listdir(tmp_path) == []


def test_a_folder_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputFileError, match="it is a folder"):
        write_bytes(tmp_path / "folder", b"abc")
    assert os.listdir(tmp_path) == ["folder"]


def test_a_file_in_the_place_of_the_folder_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputFileError, match="Not a directory"):
        write_bytes(tmp_path / "file" / "a.bin", b"abc")


def test_a_body_that_writes_nothing_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputFileError), atomic_path(tmp_path / "a.bin"):
        pass
    assert os.listdir(tmp_path) == []


def test_a_symbolic_link_stays_and_what_it_leads_to_is_written(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    for name in ("there.bin", "not-yet.bin"):
        target, link = tmp_path / "elsewhere" / name, tmp_path / f"link-{name}"
        if name == "there.bin":
            target.write_bytes(b"old")
        link.symlink_to(target)
        write_bytes(link, b"new")
        assert link.is_symlink() and target.read_bytes() == b"new" and not target.is_symlink()
    assert sorted(os.listdir(tmp_path / "elsewhere")) == ["not-yet.bin", "there.bin"]
    (tmp_path / "folder-link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputFileError, match="it is a folder"):
        write_bytes(tmp_path / "folder-link", b"new")


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="this system has no devices")
def test_a_device_is_not_replaced() -> None:
    with pytest.raises(OutputFileError, match="cannot write /dev/null: it is no ordinary file"):
        write_bytes("/dev/null", b"abc")


@pytest.mark.parametrize("path", [".", "", "x" * 300, "x" * 300 + "/a", "file/a.bin", "missing/a.bin"])
def test_what_cannot_be_written_is_known_beforehand(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputFileError, match=r"^cannot write "):
        written_file(path)
    with pytest.raises(OutputFileError, match=r"^cannot write "):
        write_bytes(path, b"abc")
    assert os.listdir(tmp_path) == ["file"]
