"""Who may ask: requests of this program's own page, on this machine, with the token of this session."""

from __future__ import annotations

import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orojar_cli.errors import OptionError
from orojar_cli.explore.worker import ClosedError

TOKEN_HEADER = "X-Orojar-Token"
API = "/api/"
LARGEST_BODY = 1 << 16

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """Refuses, before anything is computed, every request that is not the page's own.

    The Host must be this machine's, so that a name made to point here (DNS rebinding) reaches nothing; Origin and Sec-Fetch-Site, where
    a browser sends them, must say that no other page asks; calls of the interface carry the token in a header of its own, which a page
    elsewhere can neither know nor send.
    """

    def __init__(self, app: ASGIApp, port: int, token: str) -> None:
        self.app = app
        self.token = token.encode()
        self.hosts = {f"127.0.0.1:{port}", f"localhost:{port}"} | ({"127.0.0.1", "localhost"} if port == 80 else set())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self.app)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers = Headers(scope=scope)
        if scope["method"] not in ("GET", "POST"):
            return PlainTextResponse("only GET and POST are answered", 405)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self.hosts:
            return PlainTextResponse("this address is not the explorer's: open the one that the terminal shows", 421)
        if any(origin.lower() != f"http://{hosts[0].lower()}" for origin in headers.getlist("origin")):
            return PlainTextResponse("pages elsewhere may not use the explorer", 403)
        if any(site not in ("same-origin", "none") for site in headers.getlist("sec-fetch-site")):
            return PlainTextResponse("pages elsewhere may not open the explorer: type or paste its address", 403)
        if not scope["path"].startswith(API):
            return None
        tokens = headers.getlist(TOKEN_HEADER)
        if len(tokens) != 1 or not secrets.compare_digest(tokens[0].encode(), self.token):
            return PlainTextResponse("the token of this session is missing or wrong: open the address that the terminal shows", 401)
        if scope["method"] == "POST" and headers.get("content-type", "").split(";")[0].strip() != "application/json":
            return PlainTextResponse("requests are application/json", 415)
        return None


async def bounded_body(request: Request) -> bytes:
    """The body of a request; raises OptionError when it is longer than any the page sends, ClosedError where it breaks off."""
    body = b""
    try:
        async for part in request.stream():
            body += part
            if len(body) > LARGEST_BODY:
                raise OptionError(f"a request is at most {LARGEST_BODY >> 10} KiB")
    except ClientDisconnect as error:
        raise ClosedError from error
    return body
