"""One HTTP request: which addresses may be asked, the redirects followed, and how an answer goes on from a byte."""

from __future__ import annotations

import http
import http.client
import re
import string
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

from orojar_cli.containers.file import printable
from orojar_cli.errors import DownloadError, OptionError

_LOCAL = ("127.0.0.1", "localhost", "::1")
_REDIRECTS = 5
_REDIRECTING = (301, 302, 303, 307, 308)
_CONTENT_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})")


def checked_url(url: str) -> str:
    """`url` without its fragment, in ASCII; raises OptionError unless it is https, or http to this machine, without a password."""
    try:
        parts = urllib.parse.urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise OptionError(f"{printable(url)} is not an address: {printable(error)}") from error
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOCAL):
        raise OptionError(f"cannot fetch {shown_url(url)}: only https:// addresses are fetched (http:// from this machine alone)")
    if not host or re.search(r"[\s\x00-\x1f\x7f]", url.strip()):
        raise OptionError(f"{shown_url(url)} is not an address: it names no host, or has blanks in it")
    if "@" in parts.netloc:
        raise OptionError(f"cannot fetch {shown_url(url)}: leave the user name out of the address, or download the file yourself")
    # Already quoted text stays as it is; letters beyond ASCII, which HTTP does not know, are quoted.
    path, query = (urllib.parse.quote(part, safe=string.punctuation) for part in (parts.path, parts.query))
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc, path, query, ""))


def shown_url(url: str) -> str:
    """The address as messages and run.json show it: without user, password and query, which may hold secrets."""
    scheme, mark, rest = url.strip().partition("://")
    rest, _, query = rest.partition("#")[0].partition("?")
    host, slash, path = rest.partition("/")
    return printable(f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}{'?...' if query else ''}", 300)


class _AsAnswered(urllib.request.HTTPErrorProcessor):
    """Hands over every answer: redirects and refusals are judged here, not by the library."""

    def http_response(self, request: Any, response: Any) -> Any:
        return response

    https_response = http_response


class Client:
    """Sends requests for one address; nothing but http and https can be opened."""

    def __init__(self, url: str, proxies: Mapping[str, str], agent: str, timeout: float) -> None:
        """`proxies` are used for https alone: {"https": "http://proxy:3128"}, or {} for none."""
        self.url, self.agent, self.timeout = url, agent, timeout
        self._opener = urllib.request.OpenerDirector()
        chosen = {scheme: proxy for scheme, proxy in proxies.items() if scheme == "https"}
        for handler in (urllib.request.HTTPHandler(), urllib.request.HTTPSHandler(), urllib.request.ProxyHandler(chosen), _AsAnswered()):
            self._opener.add_handler(handler)

    def open(self, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        """The answer behind at most five redirects, with status 200, 206 or 416.

        Raises DownloadError for another one, for a redirect that is not followed, and where nothing answers.
        """
        url = self.url
        sent = {"User-Agent": self.agent, "Accept-Encoding": "identity", **headers}
        for _ in range(_REDIRECTS + 1):
            try:
                response = self._opener.open(urllib.request.Request(url, headers=sent), timeout=self.timeout)
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise DownloadError(f"cannot fetch {shown_url(url)}: {reason(error)}; check the address and the connection") from error
            if response.status in (200, 206, 416):
                return response
            response.close()
            if response.status not in _REDIRECTING:
                raise DownloadError(_refusal(url, response.status))
            url = self._redirected(url, response.headers.get("Location", ""))
        raise DownloadError(f"cannot fetch {shown_url(self.url)}: it redirects more than {_REDIRECTS} times")

    def _redirected(self, url: str, location: str) -> str:
        """Where a redirect leads: to https, or within this machine; a server elsewhere must not have this machine's services asked."""
        try:
            target = checked_url(urllib.parse.urljoin(url, location))
            followed = target.startswith("https:") or url.startswith("http:")
        except (OptionError, ValueError):
            followed = False
        if not followed:
            raise DownloadError(f"cannot fetch {shown_url(url)}: it redirects to {shown_url(location)}, which is not https") from None
        return target


def reason(error: BaseException) -> str:
    """What went wrong on the way, in a few words."""
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, BaseException):
        error = error.reason
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, http.client.IncompleteRead):
        return "the connection ended early"
    return printable(getattr(error, "strerror", None) or error or type(error).__name__, 120)


def _refusal(url: str, status: int) -> str:
    try:
        phrase = f"{status} ({http.HTTPStatus(status).phrase})"
    except ValueError:
        phrase = str(status)
    advice = "it needs a login: download the file yourself and pass it" if status in (401, 403) else "check the address"
    return f"cannot fetch {shown_url(url)}: the server answers {phrase}; {advice}"


def content_range(response: http.client.HTTPResponse) -> tuple[int, int] | None:
    """(first byte, size of the whole file) of an answer with a part of it, or None where it does not say."""
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    return (int(match[1]), int(match[3])) if match else None
