"""Calls as the page makes them, and requests as anybody might."""

from __future__ import annotations

import contextlib
import http.client
import io
import itertools
import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from paths import ROOT
from PIL import Image

from orojar_cli.cli.sources import load_source
from orojar_cli.explore.app import Explorer
from orojar_cli.operations.explore import Library, explorer_of

VIEW = {"method": "own", "seeds": [0], "class": None, "psi": 1.0, "layers": None, "edits": []}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode()

    def json(self) -> Any:
        assert self.status == 200, self.text
        return json.loads(self.content)

    def refusal(self, status: int) -> str:
        """The text of a refusal with this status."""
        assert self.status == status and self.headers["content-type"].startswith("text/plain"), (self.status, self.text)
        return self.text


class ExplorerClient:
    """Requests carry what a browser would send; `headers` replaces (None: leaves out) some of it."""

    def __init__(self, port: int, token: str) -> None:
        self.port, self.token = port, token
        self.base = f"http://127.0.0.1:{port}"
        self.numbers = itertools.count(1)

    def request(self, method: str, path: str, body: bytes | Iterable[bytes] | None = None, **headers: str | None) -> Answer:
        sent = {"Host": f"127.0.0.1:{self.port}", "X-Orojar-Token": self.token}
        if body is not None:
            sent["Content-Type"] = "application/json"
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        chunked = body is not None and not isinstance(body, bytes)
        if chunked:
            connection.putheader("Transfer-Encoding", "chunked")
        elif body is not None:
            connection.putheader("Content-Length", str(len(body)))
        for name, value in sent.items():
            if value is not None:
                connection.putheader(name, value)
        # The server may refuse before it has read all.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.endheaders(body, encode_chunked=chunked)
        answer = connection.getresponse()
        found = Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        connection.close()
        return found

    def get(self, path: str, **headers: str | None) -> Answer:
        return self.request("GET", path, **headers)

    def post(self, name: str, document: dict[str, Any] | None = None, **changes: Any) -> Answer:
        body = {**VIEW, "client": "tab", "number": next(self.numbers), **(document or {}), **changes}
        return self.request("POST", f"/api/{name}", json.dumps(body).encode())

    def pixels(self, name: str = "picture", **changes: Any) -> np.ndarray:
        answer = self.post(name, **changes)
        assert answer.status == 200, answer.text
        return np.asarray(Image.open(io.BytesIO(answer.content)))


def explorer_in(folder: Path, shapes_path: Path, *, library: bool = False, **more: Any) -> Explorer:
    """An explorer of the demonstration network, with its directions in folder/directions.safetensors; with `library` others open."""
    directions = folder / "directions.safetensors"
    if not directions.exists():
        shutil.copy(ROOT / "checkpoints" / "shapes32-directions.safetensors", directions)
    found = load_source(str(directions), directions=None, network=str(shapes_path), device="cpu")
    shelf = Library("cpu", outdir=folder / "orojar-runs") if library else None
    return explorer_of(found, apart=True, library=shelf, **more)
