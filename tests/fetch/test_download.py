from __future__ import annotations

import ast
import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from file_server import FileServer, file_server

import orojar_cli
from orojar_cli import load_checkpoint
from orojar_cli.errors import (
    DamagedCheckpointError,
    DownloadError,
    InputFileError,
    NotACheckpointError,
    OptionError,
    OutputFileError,
    UnsafeCheckpointError,
)
from orojar_cli.fetch.download import Download, fetch, verify_file
from orojar_cli.fetch.transfer import checked_url, shown_url


@pytest.fixture
def server() -> Iterator[FileServer]:
    with file_server() as running:
        yield running


@pytest.fixture
def get(tmp_path: Path):
    return partial(fetch, cache=tmp_path / "cache", pause=0.0, timeout=20.0)


@pytest.fixture(scope="module")
def data(references: Path) -> bytes:
    return (references / "sg2_skip_32.pkl").read_bytes()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def left_in(tmp_path: Path) -> set[str]:
    return {path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()} - {"lock"}


def test_a_file_is_downloaded_once_and_opens(server: FileServer, get, data: bytes, tmp_path: Path) -> None:
    url = server.serve("/nets/my%20net.pkl", data)
    seen: list[tuple[str, int, int]] = []
    sizes: list[int | None] = []
    first = get(url, progress=lambda *report: seen.append(report), starting=sizes.append)
    assert first.path.read_bytes() == data and first.path.name == "my-net.pkl" and not first.cached
    assert sizes == [len(data)] and seen[-1] == ("downloading", len(data), len(data))
    assert [done for _, done, _ in seen] == sorted({done for _, done, _ in seen})
    assert load_checkpoint(first.path).generator.img_resolution == 32
    second = get(url)
    assert second.cached and second.path == first.path and len(server.requests) == 1
    assert left_in(tmp_path) == {"my-net.pkl", "complete.json"}
    known = json.loads((first.path.parent / "complete.json").read_text())
    assert (known["url"], known["sha256"], known["size"], known["etag"]) == (url, digest(data), len(data), '"1"')
    assert Download.of(first.path) == second and Download.of(tmp_path / "other.pkl") is None


def test_files_of_one_name_do_not_meet(server: FileServer, get, data: bytes) -> None:
    one = get(server.serve("/a/network.pkl", data))
    two = get(server.serve("/b/network.pkl", data[:-1] + b"!"))
    three = get(server.url("/a/network.pkl?version=2"))
    assert len({one.path, two.path, three.path}) == 3 and two.sha256 != one.sha256


@pytest.mark.parametrize("how", [{}, {"etag": None, "modified": "Wed, 21 Oct 2015 07:28:00 GMT"}], ids=["etag", "date"])
def test_a_break_is_resumed_at_once(server: FileServer, get, data: bytes, how: dict) -> None:
    url = server.serve("/net.pkl", data, breaks=[100_000, 50_000], **how)
    assert get(url).path.read_bytes() == data
    assert [asked for _, asked in server.requests] == [None, "bytes=100000-", "bytes=150000-"]


def test_a_break_that_lasts_is_resumed_by_the_next_call(server: FileServer, get, data: bytes, tmp_path: Path) -> None:
    url = server.serve("/net.pkl", data, breaks=[100_000, 0])
    with pytest.raises(DownloadError, match=r"broke off after 100000 bytes \(the connection ended early\); run this again"):
        get(url)
    assert left_in(tmp_path) == {"partial", "partial.json"}
    assert get(url).path.read_bytes() == data
    assert [asked for _, asked in server.requests] == [None, "bytes=100000-", "bytes=100000-"]
    assert left_in(tmp_path) == {"net.pkl", "complete.json"}


def test_a_file_that_arrived_whole_before_the_break_is_not_asked_for_again(server: FileServer, get, data: bytes) -> None:
    url = server.serve("/net.pkl", data, breaks=[100_000, 0])
    with pytest.raises(DownloadError) as caught:
        get(url)
    assert str(len(data)) not in str(caught.value)
    (partial_file,) = Path(get.keywords["cache"]).rglob("partial")
    partial_file.write_bytes(data)
    assert get(url).sha256 == digest(data) and len(server.requests) == 2


@pytest.mark.parametrize(
    "how", [{"ranges": False}, {"etag": None}, {"etag": 'W/"1"'}], ids=["no ranges", "no version", "weak version only"]
)
def test_without_ranges_or_versions_it_starts_anew(server: FileServer, get, data: bytes, how: dict) -> None:
    url = server.serve("/net.pkl", data, breaks=[100_000], **how)
    assert get(url).path.read_bytes() == data


@pytest.mark.parametrize("ignores_if_range", [False, True], ids=["honest", "ignoring If-Range"])
def test_a_file_changed_between_starts_anew(server: FileServer, get, data: bytes, ignores_if_range: bool) -> None:
    url = server.serve("/net.pkl", b"\x80\x04" + bytes(len(data)), etag='"old"', breaks=[100_000, 0])
    with pytest.raises(DownloadError):
        get(url)
    server.serve("/net.pkl", data, etag='"new"', ignores_if_range=ignores_if_range)
    found = get(url)
    assert found.path.read_bytes() == data and found.etag == '"new"'


def test_a_shorter_file_than_what_had_arrived(server: FileServer, get, data: bytes) -> None:
    url = server.serve("/net.pkl", data + data, breaks=[len(data) + 10, 0])
    with pytest.raises(DownloadError):
        get(url)
    server.serve("/net.pkl", data, ignores_if_range=True)  # answers 416
    assert get(url).path.read_bytes() == data


def test_the_size_limit_is_kept_before_and_while_reading(server: FileServer, get, data: bytes, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=f"has {len(data)} bytes, more than the limit of 1000"):
        get(server.serve("/a.pkl", data), max_bytes=1000)
    with pytest.raises(DownloadError, match="is still coming, more than the limit of 100000"):
        get(server.serve("/b.pkl", data, chunked=True), max_bytes=100_000)
    assert left_in(tmp_path) == set()


def test_a_length_that_fits_no_disk_is_refused(server: FileServer, get, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10})())
    with pytest.raises(OutputFileError, match=f"needs {len(data)} bytes, 10 are free"):
        get(server.serve("/a.pkl", data))


def test_chunked_answers_are_read_and_their_breaks_noticed(server: FileServer, get, data: bytes) -> None:
    assert get(server.serve("/a.pkl", data, chunked=True)).path.read_bytes() == data
    assert get(server.serve("/b.pkl", data, chunked=True, breaks=[70_000])).path.read_bytes() == data
    assert server.requests[-1][1] == "bytes=70000-"


def test_an_answer_of_unknown_length_needs_its_hash(server: FileServer, get, data: bytes) -> None:
    url = server.serve("/a.pkl", data, length=False)
    with pytest.raises(DownloadError, match="add its --sha256"):
        get(url)
    assert get(url, sha256=digest(data).upper()).path.read_bytes() == data


def test_a_wrong_hash_removes_the_file_and_tells_both(server: FileServer, get, data: bytes, tmp_path: Path) -> None:
    url, wrong = server.serve("/a.pkl", data), "0" * 64
    with pytest.raises(UnsafeCheckpointError, match=f"{digest(data)}, not {wrong}"):
        get(url, sha256=wrong)
    assert left_in(tmp_path) == set()
    assert get(url, sha256=digest(data)).sha256 == digest(data)
    with pytest.raises(UnsafeCheckpointError, match="removed"):  # a cached file is checked as well
        get(url, sha256=wrong)
    assert left_in(tmp_path) == set()
    for bad in ("12", "g" * 64):
        with pytest.raises(OptionError, match="64 hexadecimal digits"):
            get(url, sha256=bad)


def test_a_file_changed_in_the_cache_does_not_pass_for_the_one_asked_for(server: FileServer, get, data: bytes) -> None:
    url = server.serve("/a.pkl", data)
    path = get(url).path
    path.write_bytes(data[:-1] + b"!")
    with pytest.raises(UnsafeCheckpointError):
        get(url, sha256=digest(data))
    assert get(url, sha256=digest(data)).path.read_bytes() == data
    path.write_bytes(data[:1000])  # cut short: fetched anew
    assert get(url).path.read_bytes() == data


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"<!DOCTYPE html><html>" + b" " * 4000, "is a web page"),
        (b"<html>", "is a web page"),
        (b"", "is empty"),
        (b'{"error": "not found"}', "is JSON text"),
        (b"version https://git-lfs.github.com/spec/v1\nsize 381600000\n", r"is a git-lfs pointer, download the real file \(382 MB\)"),
        (b"\x1f\x8b" + bytes(4000), "is gzip-compressed"),
    ],
    ids=["page", "short page", "empty", "json", "git-lfs", "gzip"],
)
def test_what_is_no_checkpoint_is_told_and_not_kept(server: FileServer, get, tmp_path: Path, body: bytes, what: str) -> None:
    with pytest.raises(NotACheckpointError, match=f"not a checkpoint: http://127.0.0.1:{server.port}/net.pkl {what}"):
        get(server.serve("/net.pkl", body))
    assert left_in(tmp_path) == set()


def test_hostile_files_meet_the_same_reader(server: FileServer, get, data: bytes) -> None:
    with pytest.raises(UnsafeCheckpointError, match=r"posix\.system"):
        load_checkpoint(get(server.serve("/evil.pkl", b"\x80\x04cposix\nsystem\n\x8c\x06touch x\x85R.")).path)
    with pytest.raises(DamagedCheckpointError):
        load_checkpoint(get(server.serve("/short.pkl", data[:200_000])).path)


def test_redirects_are_followed_a_few_times(server: FileServer, get, data: bytes) -> None:
    server.serve("/net.pkl", data)
    server.serve("/1", status=302, location="/2")
    server.serve("/2", status=307, location=server.url("/net.pkl?key=1"))
    found = get(server.url("/1"))
    assert found.path.read_bytes() == data and found.path.name == "1"
    server.serve("/round", status=301, location="/round")
    with pytest.raises(DownloadError, match="redirects more than 5 times"):
        get(server.url("/round"))
    assert len([path for path, _ in server.requests if path == "/round"]) == 6


@pytest.mark.parametrize(
    "location",
    ["file:///etc/passwd", "ftp://127.0.0.1/x.pkl", "http://example.invalid/x.pkl", "data:application/x,abc", "", "http://[broken/x"],
)
def test_redirects_to_elsewhere_are_not_followed(server: FileServer, get, location: str) -> None:
    with pytest.raises(DownloadError, match="redirects"):
        get(server.serve("/net.pkl", status=302, location=location))


def test_a_redirect_from_https_to_this_machine_is_not_followed() -> None:
    from orojar_cli.fetch.transfer import Client

    client = Client("https://example.invalid/x.pkl", {}, "agent", 1.0)
    with pytest.raises(DownloadError, match=r"redirects to http://127\.0\.0\.1:80/x\.pkl, which is not https"):
        client._redirected("https://example.invalid/x.pkl", "http://127.0.0.1:80/x.pkl")
    assert client._redirected("https://example.invalid/a/x.pkl", "../y.pkl") == "https://example.invalid/y.pkl"


@pytest.mark.parametrize("status", [404, 403, 500, 204, 418, 799])
def test_refusals_are_named(server: FileServer, get, status: int) -> None:
    with pytest.raises(DownloadError, match=f"answers {status}") as caught:
        get(server.serve("/net.pkl", status=status))
    assert ("needs a login" in str(caught.value)) == (status == 403)


def test_nothing_listening_is_one_sentence(get) -> None:
    with file_server() as gone:
        url = gone.url("/x.pkl")
    with pytest.raises(DownloadError, match=r"cannot fetch .*refused"):
        get(url)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://example.org/x.pkl", "only https"),
        ("file:///etc/passwd", "only https"),
        ("ftp://example.org/x.pkl", "only https"),
        ("https:///x.pkl", "no host"),
        ("https://example.org/a b.pkl", "blanks"),
        ("https://example.org/a\r\nHost: x", "blanks"),
        ("https://example.org:port/x.pkl", "not an address"),
        ("https://[::1/x.pkl", "not an address"),
        ("http://127.0.0.1.example.org/x.pkl", "only https"),
        ("http://localhost@example.org/x.pkl", "only https"),
        ("https://me:secret@example.org/x.pkl", "user name"),
    ],
)
def test_other_addresses_are_refused_before_anything_is_asked(get, url: str, why: str) -> None:
    with pytest.raises(OptionError, match=why) as caught:
        get(url)
    assert "secret" not in str(caught.value) and "\n" not in str(caught.value)


def test_addresses_are_shown_without_their_secrets() -> None:
    assert shown_url("https://me:pw@host.org/a/b.pkl?token=abc#part") == "https://host.org/a/b.pkl?..."
    assert shown_url("https://host.org/\x1b[31m") == "https://host.org/\\x1b[31m"
    assert checked_url("https://host.org/schön%20er.pkl?x=ä#y") == "https://host.org/sch%C3%B6n%20er.pkl?x=%C3%A4"


def test_a_query_is_sent_but_not_written_down(server: FileServer, get, data: bytes, tmp_path: Path) -> None:
    server.serve("/net.pkl", data)
    found = get(server.url("/net.pkl?token=secret"))
    assert server.requests == [("/net.pkl?token=secret", None)]
    assert found.url.endswith("/net.pkl?...")
    assert all(b"secret" not in path.read_bytes() for path in (tmp_path / "cache").rglob("*.json"))


@pytest.mark.parametrize("name", ["..", "%2e%2e%2fx", "run.json", "lock", "partial", "complete.json", "", "a%00b", "con/../é.pkl"])
def test_names_from_the_net_stay_in_their_folder(server: FileServer, get, data: bytes, name: str) -> None:
    found = get(server.serve(f"/{name}".replace("é", "%C3%A9"), data))
    folder = Path(get.keywords["cache"])
    assert found.path.parent.parent == folder and found.path.name not in ("lock", "partial") and not found.path.name.endswith(".json")
    assert get(server.url(f"/{name}".replace("é", "%C3%A9"))).cached


def test_processes_and_threads_wait_for_each_other(server: FileServer, get, data: bytes) -> None:
    url = server.serve("/net.pkl", data)
    results: list[Path] = []
    threads = [threading.Thread(target=lambda: results.append(get(url).path)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4 and len(server.requests) == 1


def test_other_processes_wait_too(server: FileServer, data: bytes, tmp_path: Path) -> None:
    url = server.serve("/net.pkl", data)
    program = f"from orojar_cli.fetch.download import fetch\nprint(fetch({url!r}, {str(tmp_path)!r}).sha256)"
    both = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate(timeout=60)[0].strip() for process in both] == [digest(data)] * 2
    assert len(server.requests) == 1


def test_a_cache_that_cannot_be_made_is_named(server: FileServer, data: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputFileError, match="cannot keep downloads"):
        fetch(server.serve("/net.pkl", data), tmp_path / "file")


def test_this_machine_is_never_asked_through_a_proxy(server: FileServer, get, data: bytes) -> None:
    dead = {"http": "http://127.0.0.1:9", "https": "http://127.0.0.1:9"}
    assert get(server.serve("/net.pkl", data), proxies=dead).size == len(data)
    with pytest.raises(DownloadError, match=r"cannot fetch https://example\.invalid/x\.pkl: Connection refused"):
        get("https://example.invalid/x.pkl", proxies=dead)


def test_local_files_are_verified_and_kept(references: Path, data: bytes) -> None:
    verify_file(references / "sg2_skip_32.pkl", digest(data))
    with pytest.raises(UnsafeCheckpointError, match=digest(data)):
        verify_file(references / "sg2_skip_32.pkl", "1" * 64)
    assert (references / "sg2_skip_32.pkl").exists()
    with pytest.raises(InputFileError):
        verify_file(references / "missing.pkl", "1" * 64)


def test_only_the_room_that_fetches_knows_the_net() -> None:
    network = {"http", "urllib", "socket", "ssl", "requests"}
    package = Path(orojar_cli.__file__).parent
    # The explorer is itself a server, on this machine only; the command line hands over the environment's proxies.
    others = {"explore", "cli"}
    for path in package.rglob("*.py"):
        room = path.relative_to(package).parts[0]
        names = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module or "")
        asks = {name for name in names if name.partition(".")[0] in network}
        assert not asks or room == "fetch" or room in others, path
