"""How the program ends: interrupted early or late, asked to end, with nowhere to write; nothing half-written is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from interrupts import hear_interrupts
from program import document

from orojar_cli.files import atomic_path

FULL = Path("/dev/full")


def program(*words: object, start: tuple[str, ...] = ("-m", "orojar_cli"), **pipes: object) -> subprocess.Popen[str]:
    command = [sys.executable, *start, *map(str, words)]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE} | pipes
    return subprocess.Popen(command, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, preexec_fn=hear_interrupts, **pipes)


def test_an_interruption_while_modules_are_imported_is_one_line(monkeypatch, capsys) -> None:
    from orojar_cli import __main__ as start

    class Interrupted:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "orojar_cli.cli":
                raise KeyboardInterrupt

    for name in [name for name in sys.modules if name == "orojar_cli.cli"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Interrupted(), *sys.meta_path])
    with pytest.raises(SystemExit) as caught:
        start.main()
    assert caught.value.code == 130 and capsys.readouterr().err == "interrupted\n"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM")
@pytest.mark.parametrize(("asked", "status", "word"), [("SIGINT", 130, "interrupted"), ("SIGTERM", 143, "asked to end")])
def test_while_torch_is_imported_a_signal_raises_nothing(asked: str, status: int, word: str, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text(
        f"import os, signal\ntry:\n    os.kill(os.getpid(), signal.{asked})\nexcept BaseException:\n    os.abort()  # as C++ would\n"
    )
    code = "from orojar_cli.cli.process import hear_signals; hear_signals(); import torch; print(torch)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, preexec_fn=hear_interrupts)
    assert (done.returncode, done.stdout, done.stderr) == (status, "", f"{word}\n")


@pytest.mark.slow
@pytest.mark.parametrize("after", [0, 0.06, 0.1, 0.15, 0.25, 0.5, 0.8])
def test_an_early_interruption_shows_no_traceback(after: float, shapes_path: Path, tmp_path: Path) -> None:
    # The time counts from the program's first line: how long Python itself takes to start is not ours, and long under load.
    started = "import os; from orojar_cli.__main__ import main; os.write(1, b'.'); main()"
    words = ("sample", shapes_path, "--seeds", "0-5000", "--out", tmp_path / "a.png")
    with program(*words, start=("-c", started), stdout=subprocess.PIPE) as process:
        assert os.read(process.stdout.fileno(), 1) == b"."
        time.sleep(after)
        process.send_signal(signal.SIGINT)
        told = process.stderr.read()
    assert process.returncode in (130, -signal.SIGINT) and told.strip() == "interrupted"


@pytest.mark.skipif(not FULL.exists(), reason="this system has no full device")
@pytest.mark.parametrize("words", [("inspect", "CKPT"), ("inspect", "CKPT", "--json"), ("--help",)])
def test_a_full_disk_below_the_output_is_one_line(words: tuple[str, ...], shapes_path: Path) -> None:
    with FULL.open("w") as full, program(*[shapes_path if word == "CKPT" else word for word in words], stdout=full) as process:
        told = process.stderr.read()
    assert process.returncode == 1 and told == "error: No space left on device: the output\n"


def wait_for(found: object, process: subprocess.Popen[str], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not found() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    assert found(), process.stderr.read()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM")
def test_a_film_that_is_killed_leaves_nothing(shapes_path: Path, tmp_path: Path) -> None:
    (tmp_path / "walk.gif").write_bytes(b"older")
    with program("traverse", shapes_path, "--dim", 0, "--frames", 2000, "--out", tmp_path / "walk.gif") as process:
        wait_for(lambda: len(os.listdir(tmp_path)) > 1, process)
        process.terminate()
        told = process.stderr.read()
    assert process.returncode == 143 and "asked to end" in told and "Traceback" not in told
    assert os.listdir(tmp_path) == ["walk.gif"] and (tmp_path / "walk.gif").read_bytes() == b"older"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM")
def test_a_run_that_is_killed_leaves_no_empty_folder(shapes_path: Path, tmp_path: Path) -> None:
    words = ("--method", "orojar-sgd", "--set", "steps=100000", "--seeds", 0, "--device", "cpu", "--outdir", tmp_path)
    with program("discover", shapes_path, *words) as process:
        wait_for(lambda: os.listdir(tmp_path), process)
        process.terminate()
        told = process.stderr.read()
    assert process.returncode == 143 and "Traceback" not in told and os.listdir(tmp_path) == []


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    old, young, other = (tmp_path / name for name in (".walk.0123abcd.gif", ".walk.89abcdef.gif", ".walk.notes.gif"))
    for path in (old, young, other):
        path.write_bytes(b"half")
    long_ago = time.time() - 2 * 24 * 3600
    os.utime(old, (long_ago, long_ago))
    os.utime(other, (long_ago, long_ago))
    with atomic_path(tmp_path / "walk.gif") as temporary:
        temporary.write_bytes(b"whole")
    assert not old.exists() and young.exists() and other.exists()


def test_a_damaged_newest_run_does_not_stop_a_command(orojar, shapes_path: Path) -> None:
    older, newer = (Path(document(orojar("sefa", shapes_path, "--num", 2, "--seeds", 0, "--json"))["run"]) for _ in range(2))
    manifest = json.loads((newer / "run.json").read_text())
    (newer / "run.json").write_text(json.dumps(manifest | {"artefacts": []}))
    code, _, err = orojar("traverse", "--dim", 0, "--seeds", 0, "--out", "a.png", "--steps", 3)
    assert code == 0 and f"passed over: {newer / 'run.json'}" in err and f"using the newest run, {older}" in err
    code, _, err = orojar("traverse", newer, "--dim", 0, "--out", "a.png")
    assert code == 1 and err.startswith("error: ") and "is not the manifest of a run" in err
