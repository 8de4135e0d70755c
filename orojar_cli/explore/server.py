"""The explorer's server: a port of this machine alone, a token, and an end as soon as somebody asks for it."""

from __future__ import annotations

import asyncio
import secrets
import socket
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from orojar_cli.errors import OptionError
from orojar_cli.explore.app import Explorer, create_app

ADDRESS = "127.0.0.1"
_MOST_CONNECTIONS = 64
_MOST_UNASKED = 32
# A request of this machine's own browser is there at once.
_REQUEST_SECONDS = 5.0
_GRACE = 0.3


class ExplorerServer:
    """Listens from its construction on: `url` can be shown, and what a browser asks before `run` waits."""

    def __init__(self, explorer: Explorer, port: int = 0) -> None:
        """`port` 0 takes a free one.  Raises OptionError for a port that is taken or not allowed."""
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self.socket.bind((ADDRESS, port))
            self.socket.listen()
        except OSError as error:
            self.socket.close()
            raise OptionError(
                f"cannot listen on port {port}: {error.strerror or error}; choose another --port, or 0 for a free one"
            ) from error
        self.port: int = self.socket.getsockname()[1]
        self.token = secrets.token_urlsafe(32)
        config = uvicorn.Config(
            create_app(explorer, port=self.port, token=self.token),
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_MOST_CONNECTIONS,
        )
        self._server = _Server(config, explorer)

    @property
    def url(self) -> str:
        """The page's address.  The token stands behind the #, which no browser sends anywhere."""
        return f"http://{ADDRESS}:{self.port}/#token={self.token}"

    def run(self) -> None:
        """Serve until the program is interrupted or `stop` is called; then every open request is answered at once."""
        self._server.run([self.socket])

    def stop(self) -> None:
        """End `run`, from any thread."""
        self._server.should_exit = True


class _Protocol(H11Protocol):
    """HTTP whose requests must be whole a few seconds after they began: half-open connections keep nobody out.

    Of connections that have asked nothing yet the oldest makes room for a new one.
    """

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        unasked = [other for other in self.connections if isinstance(other, _Protocol) and other._late is not None]
        super().connection_made(transport)
        if len(unasked) >= _MOST_UNASKED:
            min(unasked, key=lambda other: other._deadline()).give_up()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def give_up(self) -> None:
        """Close a connection whose request has not come."""
        self._unwatch()
        self.connections.discard(self)
        self.transport.abort()

    def _deadline(self) -> float:
        return 0.0 if self._late is None else self._late.when()

    def _watch(self) -> None:
        """Go on waiting for the rest of a request; after an answer an idle connection has its own, shorter time."""
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            self._unwatch()
        elif self._late is None:
            self._late = self.loop.call_later(_REQUEST_SECONDS, self.give_up)

    def _unwatch(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, explorer: Explorer) -> None:
        super().__init__(config)
        self.explorer = explorer

    async def shutdown(self, sockets: Any = None) -> None:
        # First, because open requests wait for the worker.
        self.explorer.close()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=_GRACE)
        # Browsers keep idle connections open, and a request that never ends would be waited for.
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        self.force_exit = True
        await super().shutdown(sockets)
