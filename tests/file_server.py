"""A small HTTP server on this machine that keeps files, or breaks the rules in the ways a test asks for."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Served:
    """One file and how it is served; `breaks` are bytes after which the next answers end, one each."""

    data: bytes = b""
    etag: str | None = '"1"'
    modified: str | None = None
    ranges: bool = True
    length: bool = True
    chunked: bool = False
    status: int = 200
    location: str | None = None
    breaks: list[int] = field(default_factory=list)
    ignores_if_range: bool = False


class FileServer:
    """`files` by path, and the `requests` that came: (path, Range header)."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.files: dict[str, Served] = {}
        self.requests: list[tuple[str, str | None]] = []

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def serve(self, path: str, data: bytes = b"", **how) -> str:
        self.files[path] = Served(data, **how)
        return self.url(path)


@contextmanager
def file_server() -> Iterator[FileServer]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            server.requests.append((self.path, self.headers["Range"]))
            served = server.files.get(self.path.partition("?")[0], Served(status=404))
            data, status = served.data, served.status
            extra = {"Location": served.location} if served.location is not None else {}
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
            same = served.ignores_if_range or self.headers["If-Range"] in (served.etag or served.modified, None)
            if asked and served.ranges and same and status == 200:
                start = int(asked[1])
                if start >= len(data):
                    status, data = 416, b""
                else:
                    extra["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
                    status, data = 206, data[start:]
            self.send_response(status)
            for name, value in {"ETag": served.etag, "Last-Modified": served.modified, **extra}.items():
                if value is not None:
                    self.send_header(name, value)
            if served.chunked:
                self.send_header("Transfer-Encoding", "chunked")
            elif served.length:
                self.send_header("Content-Length", str(len(data)))
            self.send_header("Connection", "close")
            self.end_headers()
            sent = data[: served.breaks.pop(0)] if served.breaks else data
            if served.chunked:
                for start in range(0, len(sent), 5000):
                    piece = sent[start : start + 5000]
                    self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                if len(sent) == len(data):
                    self.wfile.write(b"0\r\n\r\n")
            else:
                self.wfile.write(sent)
            self.close_connection = True

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    server = FileServer(listening.server_address[1])
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()
