"""The explorer's web application: one page, and the calls that it makes."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from orojar_cli.errors import OptionError, OrojarError
from orojar_cli.explore.command import traverse_line
from orojar_cli.explore.guard import Guard, bounded_body
from orojar_cli.explore.studio import MOST_FRAMES, OWN, Studio, film_bytes
from orojar_cli.explore.view import LARGEST_STRENGTH, View, number_of, parse, text_of, ticket_of, view_of, whole_of
from orojar_cli.explore.worker import ClosedError, Steps, SupersededError, Worker, at_once
from orojar_cli.pictures.recipe import Recipe, direction_identity
from orojar_cli.pictures.scene import Still, Walk

_PAGE = Path(__file__).parent / "page"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
# What is more urgent than what: the picture under the pointer before its thumbnails, a film last.
_PICTURE, _THUMBNAILS, _DIRECTIONS, _STILL, _FILM = range(5)
_PATIENCE = 0.25


@dataclass(frozen=True)
class Names:
    """How commands and saved pictures call things: the arguments of `orojar traverse` for each method, and the two files' names."""

    arguments: Mapping[str, Sequence[str]]
    checkpoint: str
    directions: str | None = None


class Explorer:
    """The calls of the page.  Every request carries the whole state of its picture: the server keeps none of any tab."""

    def __init__(self, studio: Studio, names: Names) -> None:
        self.studio, self.names = studio, names
        self.worker, self.encoder = Worker(), Worker()

    def close(self, timeout: float = 0) -> bool:
        """Answer everything that waits with "stopping"; whether the threads have ended within `timeout` seconds each."""
        return all([self.worker.close(timeout), self.encoder.close(timeout)])

    async def session(self, request: Request) -> Response:
        return JSONResponse(self.studio.describe())

    async def directions(self, request: Request) -> Response:
        document = parse(await bounded_body(request))
        name = text_of(document, "method", 32)
        return JSONResponse(await self._drawn(request, document, _DIRECTIONS, at_once(lambda: self.studio.make_ready(name))))

    async def label(self, request: Request) -> Response:
        document = parse(await bounded_body(request))
        name, index = text_of(document, "method", 32), whole_of(document, "dimension", 1 << 16)
        return JSONResponse(self.studio.label(name, index, text_of(document, "label", 1 << 10)))

    async def picture(self, request: Request) -> Response:
        document = parse(await bounded_body(request))
        view = view_of(document)
        return _png(await self._drawn(request, document, _PICTURE, at_once(lambda: self.studio.pictures(view))))

    async def thumbnails(self, request: Request) -> Response:
        document = parse(await bounded_body(request))
        view, index = view_of(document), whole_of(document, "dimension", 1 << 16)
        return _png(await self._drawn(request, document, _THUMBNAILS, lambda: self.studio.thumbnails(view, index)))

    async def still(self, request: Request) -> Response:
        document = parse(await bounded_body(request))
        view = view_of(document)
        work = at_once(lambda: self.studio.still(view, self._recipe(view, self.studio.still_scene(view))))
        return Response(await self._drawn(request, document, _STILL, work), media_type="image/png")

    async def film(self, request: Request) -> Response:
        document = parse(await bounded_body(request))
        view, walked = view_of(document), _walk_of(document)
        scene = self.studio.film_scene(view, *walked)
        frames = await self._drawn(request, document, _FILM, lambda: self.studio.film(view, *walked))
        work = at_once(lambda: film_bytes(frames, scene.fps, self._recipe(view, scene)))
        return Response(await self._drawn(request, document, _FILM, work, self.encoder), media_type="image/gif")

    async def command(self, request: Request) -> Response:
        document = parse(await bounded_body(request))
        view, walked = view_of(document), _walk_of(document)
        self.studio.directions(view.method)
        source = self.names.arguments.get(view.method, ())
        still, walk = self.studio.still_scene(view), self.studio.film_scene(view, *walked)
        return JSONResponse({"picture": traverse_line(source, still, "picture.png"), "film": traverse_line(source, walk, "walk.gif")})

    def _recipe(self, view: View, scene: Still | Walk) -> dict[str, Any]:
        directions = self.studio.directions(view.method)
        recipe = Recipe(
            scene=scene,
            checkpoint=self.names.checkpoint,
            sha256=directions.checkpoint,
            directions=self.names.directions if view.method == OWN else None,
            identity=direction_identity(directions),
        )
        return recipe.to_dict()

    async def _drawn(
        self, request: Request, document: dict[str, Any], urgency: int, work: Callable[[], Steps], worker: Worker | None = None
    ) -> Any:
        """The result of work that is done in the worker's thread; it is dropped when the page no longer waits for it."""
        worker = worker or self.worker
        submitted = worker.submit(ticket_of(document, urgency), work)
        waiting = asyncio.wrap_future(submitted)
        while not (await asyncio.wait({waiting}, timeout=_PATIENCE))[0]:
            if await request.is_disconnected():
                worker.forget(submitted)
        return await waiting


def create_app(explorer: Explorer, *, port: int, token: str) -> Guard:
    """The ASGI application for an address on 127.0.0.1, whose calls need `token`."""
    routes = [Route(f"/{'' if file.name == 'index.html' else file.name}", _static(file), methods=["GET"]) for file in _PAGE.iterdir()]
    routes.append(Route("/api/session", explorer.session, methods=["GET"]))
    calls = ("directions", "label", "picture", "thumbnails", "still", "film", "command")
    routes += [Route(f"/api/{name}", getattr(explorer, name), methods=["POST"]) for name in calls]
    handlers: Any = {
        OrojarError: _refused,
        # No failure: the page asked for something newer.
        SupersededError: lambda request, error: Response(status_code=204),
        ClosedError: lambda request, error: PlainTextResponse("the explorer is stopping", 503),
        HTTPException: lambda request, error: PlainTextResponse(error.detail.lower(), error.status_code),
        Exception: _failed,
    }
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False
    return Guard(app, port, token)


def _static(file: Path) -> Callable[[Request], Any]:
    """A part of the page, read once: no request opens a file."""
    content, kind = file.read_bytes(), _TYPES[file.suffix]

    async def answer(request: Request) -> Response:
        return Response(content, media_type=kind)

    return answer


def _walk_of(document: dict[str, Any]) -> tuple[int, float, int]:
    """(dimension, how far, frames) of a film."""
    dimension, frames = whole_of(document, "dimension", 1 << 16), whole_of(document, "frames", MOST_FRAMES, 2)
    return dimension, number_of(document, "extent", LARGEST_STRENGTH), frames


def _png(pictures: np.ndarray) -> Response:
    """Pictures [N, H, W, 3] uint8 one below another."""
    encoded = io.BytesIO()
    Image.fromarray(pictures.reshape(-1, *pictures.shape[2:])).save(encoded, "PNG", compress_level=1)
    return Response(encoded.getvalue(), media_type="image/png")


async def _refused(request: Request, error: Exception) -> Response:
    return PlainTextResponse(str(error), 400 if isinstance(error, OptionError) else 500)


async def _failed(request: Request, error: Exception) -> Response:
    if isinstance(error, MemoryError) or "memory" in str(error):
        return PlainTextResponse("this does not fit in memory; look at fewer seeds", 500)
    return PlainTextResponse("the explorer failed; its terminal says how", 500)
