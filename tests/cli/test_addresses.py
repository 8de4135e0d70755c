from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from file_server import FileServer, file_server
from paths import REFERENCES
from program import document

from orojar_cli.cli.downloads import cache_folder, shown_arguments
from orojar_cli.fetch.address import is_address

PATH = REFERENCES / "sg2_from_sg3_repo_16.pkl"
DIGEST = hashlib.sha256(PATH.read_bytes()).hexdigest()


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def server() -> Iterator[FileServer]:
    with file_server() as running:
        running.serve("/net.pkl", PATH.read_bytes())
        yield running


def test_a_run_by_address_is_looked_at_offline(orojar, server: FileServer, somewhere: Path) -> None:
    url = server.url("/net.pkl?token=secret")
    told = document(orojar("sefa", url, "--num", 3, "--seeds", 0, "--json"))
    manifest = json.loads((Path(told["run"]) / "run.json").read_text())
    assert Path(told["run"]).name == "00000-sefa-net"
    kept = manifest["checkpoint"]
    assert kept == {"path": kept["path"], "sha256": DIGEST, "url": server.url("/net.pkl?...")}
    assert Path(kept["path"]).parent.parent == somewhere / "cache" / "orojar"
    assert "secret" not in json.dumps(manifest)
    requests = len(server.requests)
    code, _, err = orojar("traverse", told["run"], "--frames", 4, "--seeds", 0)
    assert code == 0, err
    code, _, err = orojar("inspect", url)
    assert code == 0 and "delete it to download it again" in err and len(server.requests) == requests == 1
    Path(kept["path"]).unlink()
    code, _, err = orojar("traverse", told["run"], "--frames", 4, "--seeds", 0)
    assert code == 1 and "fetch it again and name it with --network ADDRESS" in err
    code, _, err = orojar("traverse", told["run"], "--network", url, "--sha256", DIGEST, "--frames", 4, "--seeds", 0)
    assert code == 0, err


@pytest.mark.slow
def test_every_command_takes_an_address(orojar, server: FileServer) -> None:
    url = server.url("/net.pkl")
    told = orojar("inspect", url, "--sha256", DIGEST, "--json")
    assert document(told)["sha256"] == DIGEST and "downloading" in told[2] and "(0.2 MB)" in told[2]
    assert orojar("sample", "--network", url, "--seeds", 0)[0] == 0
    assert orojar("convert", url, "out.safetensors", "--sha256", DIGEST)[0] == 0
    code, _, err = orojar("traverse", url, "--sha256", DIGEST, "--frames", 4, "--seeds", 0)
    assert code == 0, err
    told = document(orojar("discover", url, "--method", "random", "--num", 2, "--seeds", 0, "--json"))
    code, _, err = orojar("traverse", told["run"], "--network", url, "--frames", 4, "--seeds", 0)
    assert code == 0, err
    told = document(orojar("finetune", url, "--samples", 8, "--seeds", 0, "--json"))
    manifest = json.loads((Path(told["run"]) / "run.json").read_text())
    assert manifest["checkpoint"]["url"] == url and (Path(told["run"]) / "tuned.pkl").exists()
    assert orojar("traverse", told["run"], "--frames", 4, "--seeds", 0)[0] == 0
    assert len(server.requests) == 1


def test_refusals_have_their_exit_codes(orojar, server: FileServer) -> None:
    url, wrong = server.url("/net.pkl"), "0" * 64
    code, out, err = orojar("inspect", url, "--sha256", wrong)
    assert code == 3 and out == "" and DIGEST in err and wrong in err
    code, _, err = orojar("inspect", PATH, "--sha256", wrong)
    assert code == 3 and DIGEST in err
    assert orojar("inspect", PATH, "--sha256", DIGEST)[0] == 0
    code, _, err = orojar("inspect", url, "--max-download", "0.0001")
    assert code == 1 and "more than the limit of 100000" in err
    for bad in ("http://example.org/x.pkl", "file:///etc/passwd", "s3://bucket/x.pkl"):
        code, _, err = orojar("inspect", bad)
        assert code == 2 and "only https" in err and "Traceback" not in err
    code, _, err = orojar("inspect", server.url("/missing.pkl"))
    assert code == 1 and "404 (Not Found)" in err
    server.serve("/page.pkl", b"<!DOCTYPE html>")
    code, _, err = orojar("sefa", server.url("/page.pkl"))
    assert code == 1 and "is a web page" in err
    code, _, err = orojar("traverse", "--sha256", DIGEST)
    assert code == 2 and "--sha256 verifies a checkpoint" in err


def test_the_cache_is_where_the_platform_keeps_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_folder() == tmp_path / "cache" / "orojar"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    assert cache_folder() == tmp_path / ".cache" / "orojar"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache_folder() == tmp_path / "Library" / "Caches" / "orojar"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "Local"))
    assert cache_folder() == tmp_path / "Local" / "orojar" / "Cache"


def test_addresses_are_told_from_paths() -> None:
    assert all(map(is_address, ("https://a/b", "HTTP://a", "s3://x", "file:///x")))
    assert not any(map(is_address, ("a/b.pkl", "C:\\net.pkl", "./https:/x", "net.pkl")))
    assert shown_arguments(["sefa", "https://a/b?k=1", "--network=https://u:p@a/b", "--num=3"]) == [
        *("sefa", "https://a/b?...", "--network=https://a/b", "--num=3")
    ]
