"""orojar explore itself: what it prints, what it refuses, how it ends."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from explorer_client import ExplorerClient, explorer_in
from interrupts import hear_interrupts

from orojar_cli.cli import main
from orojar_cli.errors import OptionError
from orojar_cli.explore import server
from orojar_cli.explore.app import Explorer
from orojar_cli.explore.command import list_text, number_text
from orojar_cli.explore.server import ExplorerServer
from orojar_cli.explore.view import view_of


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["explore", *arguments])
    return int(caught.value.code or 0)


@pytest.mark.parametrize("module", ["uvicorn", "starlette"])
def test_a_missing_extra_is_named(module: str, monkeypatch, capsys) -> None:
    for name in list(sys.modules):
        if name.startswith("orojar_cli.explore."):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    if module == "starlette":
        for name in [name for name in sys.modules if name.startswith("starlette.")]:
            monkeypatch.setitem(sys.modules, name, None)
    assert run() == 1
    assert "pip install 'orojar[explore]'" in capsys.readouterr().err


def test_a_port_that_is_taken_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OptionError, match=f"cannot listen on port {port}: .*--port"):
            ExplorerServer(None, port)


@pytest.mark.slow
def test_ctrl_c_stops_it_at_once_also_while_it_draws(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "orojar_cli", "explore", "--json"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    program = subprocess.Popen(command, cwd=tmp_path, text=True, env=environment, preexec_fn=hear_interrupts, **pipes)
    try:
        assert program.stdout is not None
        told = json.loads("".join(iter(program.stdout.readline, "}\n")) + "}")
        address, token = told["url"].split("/#token=")
        assert address == f"http://127.0.0.1:{told['port']}" and len(token) >= 40
        client = ExplorerClient(told["port"], token)
        assert client.get("/api/session").json()["methods"][0]["kept"] == "memory", "the demonstration's own file is left alone"

        def ask() -> None:
            # Whether "stopping" still arrives is a matter of luck.
            with contextlib.suppress(OSError, http.client.HTTPException):
                client.post("film", dimension=0, extent=3.0, frames=240, seeds=list(range(9)))

        asking = threading.Thread(target=ask)
        asking.start()
        unfinished = socket.create_connection(("127.0.0.1", told["port"]))
        head = f"POST /api/picture HTTP/1.1\r\nHost: 127.0.0.1:{told['port']}\r\nX-Orojar-Token: {token}\r\n"
        unfinished.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 99\r\n\r\n{{".encode())
        time.sleep(0.5)
        before = time.monotonic()
        program.send_signal(signal.SIGINT)
        _, talk = program.communicate(timeout=20)
        took = time.monotonic() - before
        assert program.returncode == 130 and "Traceback" not in talk and "interrupted" in talk, talk
        # The film would take longer by far.
        assert took < 5, took
        unfinished.close()
    finally:
        program.kill()
    asking.join(10)


def test_numbers_in_commands_read_back_exactly() -> None:
    assert [number_text(value, sign=True) for value in (2.0, -1.0, 0.1, -0.7)] == ["+2", "-1", "+0.1", "-0.7"]
    assert float(number_text(1 / 3)) == 1 / 3 and number_text(0.65) == "0.65"
    assert list_text([0, 1, 2, 6, 9, 10]) == "0-2,6,9-10" and list_text([5, 4]) == "5,4"


def test_explore_from_a_saved_picture_finds_what_it_was_made_with(tmp_path: Path, shapes_path: Path, serve, monkeypatch, capsys) -> None:
    state = {"view": "own", "seeds": [5], "class": None, "psi": 0.5, "layers": None, "noise": None, "mix": {"seed": 2, "layers": [0]}}
    state |= {"unit": "latent", "edits": {"own": [[1, 2.0]]}, "keep": {"own": [0]}, "walked": {"own": 1}}
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with serve(explorer_in(tmp_path, shapes_path)) as page:
        view = {"seeds": [5], "psi": 0.5, "mix": state["mix"], "keep": [0], "edits": [[1, 2.0]]}
        Path("saved.png").write_bytes(page.post("still", view, state=state).content)
        shown = page.pixels(**view)
    begun: list[Explorer] = []

    class Server:
        url, port = "http://127.0.0.1:1/#token=x", 1

        def __init__(self, explorer: Explorer, port: int) -> None:
            begun.append(explorer)

        def run(self) -> None:
            pass

    monkeypatch.setattr(server, "ExplorerServer", Server)
    assert run("--from", "saved.png", "--network", str(shapes_path), "--directions", "directions.safetensors", "--center") == 0
    (explorer,) = begun
    assert explorer.start == state and explorer.look == {"unit": "sigma", "center": True}
    assert (explorer.rooms[""].studio.pictures(view_of({"method": "own", "class": None, **view})) == shown).all()
    assert run("--from", "saved.png") == 0, "network and directions are found by their names, here or bundled"
    assert run("--from", "saved.png", "demo", "--directions", "sefa") == 1
    assert "other directions" in capsys.readouterr().err
    monkeypatch.chdir("elsewhere")
    Path("kept.json").write_text("{}")
    assert run("--from", "kept.json") == 1 and "kept.json does not say" in capsys.readouterr().err
    assert run("--from", "nothing.png") == 1
