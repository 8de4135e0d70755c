"""A download under way: what has arrived, of which version of the file, and how it goes on."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orojar_cli.containers.file import HEAD_BYTES, container_of_head
from orojar_cli.errors import DownloadError, OrojarError, OutputFileError
from orojar_cli.fetch.transfer import Client, content_range, reason, shown_url
from orojar_cli.files import write_text
from orojar_cli.progress import Progress

PARTIAL, STATE = "partial", "partial.json"
_ATTEMPTS = 20
_CHUNK = 1 << 16


class _BrokenOff(Exception):
    """The connection ended before the file did."""


@dataclass
class PartialDownload:
    """A download under way in `folder`: `partial` holds what has arrived, `partial.json` which version of the file that is."""

    client: Client
    folder: Path
    max_bytes: int
    verified_later: bool
    progress: Progress | None
    starting: Callable[[int | None], None] | None

    @property
    def partial(self) -> Path:
        return self.folder / PARTIAL

    @property
    def shown(self) -> str:
        return shown_url(self.client.url)

    def run(self, pause: float) -> str | None:
        """Request until `partial` is whole; the server's name of the version."""
        trouble: str | None = None
        for attempt in range(_ATTEMPTS):
            before = self._arrived()
            if before and before == self._state().get("size"):
                break
            if attempt:
                time.sleep(pause)
            trouble = self._attempt()
            if trouble is None or self._arrived() <= before:
                break
        if trouble is not None:
            raise DownloadError(
                f"the download of {self.shown} broke off after {self._arrived()} bytes ({trouble}); run this again to go on"
            )
        return self._state().get("etag")

    def _arrived(self) -> int:
        return self.partial.stat().st_size if self.partial.exists() else 0

    def _state(self) -> dict[str, Any]:
        try:
            state = json.loads((self.folder / STATE).read_text())
            return state if isinstance(state, dict) else {}
        except (OSError, ValueError):
            return {}

    def _attempt(self) -> str | None:
        """One request, appended to what is there; None when the file is whole, else what broke it off."""
        response, start = self._ask()
        with response:
            etag, modified = response.headers.get("ETag"), response.headers.get("Last-Modified")
            total = self._total(response, start)
            if start == 0:
                state = {"etag": etag, "modified": modified, "size": total}
                write_text(self.folder / STATE, json.dumps(state) + "\n")
            if self.starting is not None:
                self.starting(total)
                self.starting = None
            return self._receive(response, start, total)

    def _ask(self) -> tuple[http.client.HTTPResponse, int]:
        """(the answer, the byte it starts at): from where `partial` ends if the server still has that version, else from 0."""
        start, state = self._arrived(), self._state()
        # If-Range takes no weak tags; without a name for the version there is no telling whether it is the same.
        validator = state.get("modified") if str(state.get("etag") or "W/").startswith("W/") else state.get("etag")
        if start and isinstance(validator, str):
            response = self.client.open({"Range": f"bytes={start}-", "If-Range": validator})
            part = content_range(response)
            same_file = state.get("etag") == response.headers.get("ETag") and part == (start, state.get("size") or (part or (0, 0))[1])
            if response.status == 206 and same_file:
                return response, start
            if response.status == 200:
                return response, 0
            response.close()
        response = self.client.open({})
        if response.status != 200:
            response.close()
            raise DownloadError(f"cannot fetch {self.shown}: the server answers with a part that was not asked for")
        return response, 0

    def _total(self, response: http.client.HTTPResponse, start: int) -> int | None:
        """Size of the whole file, None where the server sends it in chunks of unknown number; checked before anything is read."""
        if response.length is None:
            if not response.chunked and not self.verified_later:
                raise DownloadError(f"cannot fetch {self.shown}: the server does not say how large it is; add its --sha256")
            return None
        total = start + response.length
        if total > self.max_bytes:
            raise DownloadError(self._too_large(f"has {total} bytes"))
        free = shutil.disk_usage(self.folder).free
        if response.length > free:
            raise OutputFileError(f"cannot keep {self.shown} in {self.folder}: it needs {response.length} bytes, {free} are free")
        return total

    def _too_large(self, what: str) -> str:
        return f"not downloaded: {self.shown} {what}, more than the limit of {self.max_bytes}"

    def _receive(self, response: http.client.HTTPResponse, start: int, total: int | None) -> str | None:
        """Append to `partial`, or write it anew; what is refused on the way is not kept."""
        done, trouble = start, None
        try:
            with open(self.partial, "ab" if start else "wb") as file:
                try:
                    for piece in self._pieces(response, start, total):
                        done += len(piece)
                        if done > self.max_bytes:
                            raise DownloadError(self._too_large("is still coming"))
                        file.write(piece)
                        if self.progress is not None:
                            self.progress("downloading", done, max(done, total or 0))
                except _BrokenOff as error:
                    trouble = str(error)
                file.flush()
                os.fsync(file.fileno())
        except OrojarError:
            for name in (PARTIAL, STATE):
                (self.folder / name).unlink(missing_ok=True)
            raise
        return "the connection ended early" if trouble is None and total is not None and done < total else trouble

    def _pieces(self, response: http.client.HTTPResponse, start: int, total: int | None) -> Iterator[bytes]:
        """The answer's bytes as they come, none of a file that does not start like a checkpoint."""
        head: bytes | None = None if start else b""
        while True:
            try:
                piece = response.read1(_CHUNK)
            except (OSError, http.client.HTTPException) as error:
                raise _BrokenOff(reason(error)) from error
            if head is not None:
                head += piece
                if piece and len(head) < HEAD_BYTES:
                    continue
                if piece or total is None or len(head) == total:  # else it broke off before anything could be told
                    container_of_head(head, self.max_bytes if total is None else total, self.shown)
                    yield head
                head = None
            elif piece:
                yield piece
            if not piece:
                return
