"""The explorer's web application: one page, and the calls that it makes."""

from __future__ import annotations

import asyncio
import dataclasses
import io
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from orojar_cli.devices import is_out_of_memory
from orojar_cli.errors import InputFileError, OptionError, OrojarError
from orojar_cli.explore.choices import LISTS, Choices
from orojar_cli.explore.command import traverse_line
from orojar_cli.explore.guard import Guard, bounded_body
from orojar_cli.explore.reel import film_bytes
from orojar_cli.explore.settings import FORMAT, KEY, Saved, checked_state, saved_of, state_for
from orojar_cli.explore.studio import FILMS, MOST_FRAMES, OWN, STILLS, TYPES, Studio, Take
from orojar_cli.explore.view import LARGEST_STRENGTH, View, number_of, parse, text_of, ticket_of, view_of, whole_of, word_of
from orojar_cli.explore.worker import ClosedError, Steps, SupersededError, Worker, at_once
from orojar_cli.pictures.recipe import Recipe, direction_identity
from orojar_cli.pictures.scene import Still, Walk

_PAGE = Path(__file__).parent / "page"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
# What is more urgent than what: the picture under the pointer before its thumbnails, a film last.
_PICTURE, _THUMBNAILS, _DIRECTIONS, _TILES, _STILL, _FILM = range(6)
_MOST_TILES, _LARGEST_TILE, _LARGEST_SIZE = 24, 256, 4096
_MOST_ROOMS = 3
_LONGEST_NAME = 1000
_PATIENCE = 0.25


@dataclass(frozen=True)
class Names:
    """How commands and saved pictures call things: the arguments of `orojar traverse` for each method, and the two files' names."""

    arguments: Mapping[str, Sequence[str]]
    checkpoint: str
    directions: str | None = None


@dataclass(frozen=True)
class Room:
    """What is shown: a network with its directions, how commands call them, and what people like of its images."""

    studio: Studio
    names: Names
    choices: Choices


class Library(Protocol):
    """What else can be opened from the page, all of it on this machine."""

    def offered(self) -> list[dict[str, str]]:
        """Sources by `name`, each with a `title`."""

    def opened(self, name: str) -> Room:
        """A source, loaded; raises OrojarError for what is none."""

    def belonging(self, sha256: str, identity: str) -> str | None:
        """The name of an offered source with this network and these directions."""


class Explorer:
    """The calls of the page.  Every request carries the whole state of its picture: the server keeps none of any tab.

    `start` is the state of the page to begin with; `look` says how it shows strengths and films: `unit` and `center`.
    """

    def __init__(
        self,
        studio: Studio,
        names: Names,
        choices: Choices | None = None,
        library: Library | None = None,
        *,
        start: dict[str, Any] | None = None,
        look: Mapping[str, Any] | None = None,
    ) -> None:
        first = Room(studio, names, choices or Choices(studio.directions(OWN).checkpoint))
        self.rooms, self.library = OrderedDict({"": first}), library
        self.start, self.look = start, {"unit": "sigma", "center": False} | dict(look or {})
        self.worker, self.encoder = Worker(), Worker()

    def close(self, timeout: float = 0) -> bool:
        """Answer everything that waits with "stopping"; whether the threads have ended within `timeout` seconds each."""
        return all([self.worker.close(timeout), self.encoder.close(timeout)])

    async def session(self, request: Request) -> Response:
        return JSONResponse(self._described(""))

    async def sources(self, request: Request) -> Response:
        return JSONResponse([] if self.library is None else await asyncio.to_thread(self.library.offered))

    async def open(self, request: Request) -> Response:
        document = parse(await bounded_body(request))
        name = text_of(document, "name", _LONGEST_NAME)
        await self._drawn(request, document, _DIRECTIONS, at_once(lambda: self._open(name)))
        return JSONResponse(self._described(name))

    def _open(self, name: str) -> None:
        if name in self.rooms:
            self.rooms.move_to_end(name)
            return
        if self.library is None:
            raise OptionError("this explorer shows one network alone")
        room = self.library.opened(name)
        # The one that the program was started with stays.
        for oldest in [other for other in self.rooms if other][: max(0, len(self.rooms) + 1 - _MOST_ROOMS)]:
            del self.rooms[oldest]
        self.rooms[name] = room

    def _described(self, name: str) -> dict[str, Any]:
        room = self._room({"source": name})
        try:
            choices = room.choices.listed()
        except OrojarError as error:
            choices = {"error": str(error)}
        more = {"source": name, "identity": _identity(room), "choices": choices, "open": self.library is not None, "look": self.look}
        return room.studio.describe() | more | {"start": self.start if not name else None}

    def _room(self, document: dict[str, Any]) -> Room:
        name = "" if document.get("source") is None else text_of(document, "source", _LONGEST_NAME)
        if name not in self.rooms:
            raise OptionError("that network is no longer open; open it again")
        return self.rooms[name]

    async def directions(self, request: Request) -> Response:
        document = parse(await bounded_body(request))
        name, studio = text_of(document, "method", 32), self._room(document).studio
        return JSONResponse(await self._drawn(request, document, _DIRECTIONS, at_once(lambda: studio.make_ready(name))))

    async def label(self, request: Request) -> Response:
        document = parse(await bounded_body(request))
        name, index = text_of(document, "method", 32), whole_of(document, "dimension", 1 << 16)
        return JSONResponse(self._room(document).studio.label(name, index, text_of(document, "label", 1 << 10)))

    async def picture(self, request: Request) -> Response:
        document = parse(await bounded_body(request))
        view, studio = view_of(document), self._room(document).studio
        return _png(await self._drawn(request, document, _PICTURE, at_once(lambda: studio.pictures(view))))

    async def between(self, request: Request) -> Response:
        document = parse(await bounded_body(request))
        view, to, studio = view_of(document), view_of(_object_of(document, "to")), self._room(document).studio
        share = min(1.0, max(0.0, number_of(document, "share", 1.0)))
        return _png(await self._drawn(request, document, _PICTURE, at_once(lambda: studio.between(view, to, share))))

    async def thumbnails(self, request: Request) -> Response:
        document = parse(await bounded_body(request))
        view, index, studio = view_of(document), whole_of(document, "dimension", 1 << 16), self._room(document).studio
        return _png(await self._drawn(request, document, _THUMBNAILS, lambda: studio.thumbnails(view, index)))

    async def tiles(self, request: Request) -> Response:
        document = parse(await bounded_body(request))
        views, studio = document.get("views"), self._room(document).studio
        if not isinstance(views, list) or not 1 <= len(views) <= _MOST_TILES or not all(isinstance(view, dict) for view in views):
            raise OptionError(f"tiles are 1 to {_MOST_TILES} views")
        seen, side = [view_of(view) for view in views], whole_of(document, "side", _LARGEST_TILE, 16)
        return _png(await self._drawn(request, document, _TILES, lambda: studio.tiles(seen, side)))

    async def still(self, request: Request) -> Response:
        document = parse(await bounded_body(request))
        view, room = view_of(document), self._room(document)
        kind, size, state = word_of(document, "kind", STILLS, "png"), _size_of(document), _state_of(document)

        def work() -> bytes:
            return room.studio.still(view, _metadata(room, view, room.studio.still_scene(view, size), state), kind=kind, size=size)

        return Response(await self._drawn(request, document, _STILL, at_once(work)), media_type=TYPES[kind])

    async def film(self, request: Request) -> Response:
        document = parse(await bounded_body(request))
        view, take, room = view_of(document), _take_of(document), self._room(document)
        kind, state = word_of(document, "kind", FILMS, "gif"), _state_of(document)
        metadata = _metadata(room, view, None if take.to else room.studio.film_scene(view, take), state)
        frames = await self._drawn(request, document, _FILM, lambda: room.studio.film(view, take))
        work = at_once(lambda: film_bytes(frames, take.fps, metadata, kind))
        return Response(await self._drawn(request, document, _FILM, work, self.encoder), media_type=TYPES[kind])

    async def command(self, request: Request) -> Response:
        document = parse(await bounded_body(request))
        view, take, room = view_of(document), _take_of(document), self._room(document)
        room.studio.directions(view.method)
        if not room.studio.is_scene(view):
            told = "orojar traverse draws no mixed styles; orojar explore --from picture.png shows a saved picture again"
            return JSONResponse({"told": told})
        source = room.names.arguments.get(view.method, ())
        still, walk = room.studio.still_scene(view, _size_of(document, "still")), room.studio.film_scene(view, take)
        return JSONResponse({"picture": traverse_line(source, still, "picture.png"), "film": traverse_line(source, walk, "walk.gif")})

    async def recall(self, request: Request) -> Response:
        document = parse(await bounded_body(request))
        room = self._room(document)
        try:
            saved = saved_of(_object_of(document, "settings"), "what was dropped")
        except InputFileError as error:
            raise OptionError(str(error)) from error
        return JSONResponse(await self._drawn(request, document, _DIRECTIONS, at_once(lambda: self._recalled(room, saved))))

    def _recalled(self, room: Room, saved: Saved) -> dict[str, Any]:
        """The state of the page; or, of what belongs to another source that is offered, that source's name: a file opens nothing itself."""
        try:
            state, told = state_for(saved, room.studio.sets())
        except InputFileError as error:
            elsewhere = None if self.library is None else self.library.belonging(saved.recipe.sha256, saved.recipe.identity)
            if elsewhere is None:
                raise OptionError(str(error)) from error
            return {"open": elsewhere}
        return {"state": state, "told": told}

    async def choose(self, request: Request) -> Response:
        document = parse(await bounded_body(request))
        view, room = view_of(document), self._room(document)
        name = None if document.get("list") is None else word_of(document, "list", LISTS, "")

        def work() -> dict[str, Any]:
            for seed in view.seeds:
                one = dataclasses.replace(view, seeds=(seed,))
                room.choices.put(one, name, {} if name is None else room.studio.latents(one))
            return room.choices.listed()

        return JSONResponse(await self._drawn(request, document, _STILL, at_once(work)))

    async def chosen(self, request: Request) -> Response:
        document = parse(await bounded_body(request))
        return JSONResponse(self._room(document).choices.document())

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
    routes.append(Route("/api/sources", explorer.sources, methods=["GET"]))
    calls = ["open", "directions", "label", "picture", "between", "thumbnails", "tiles", "still", "film", "command", "recall"]
    calls += ["choose", "chosen"]
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


def _take_of(document: dict[str, Any]) -> Take:
    fps = 24.0 if document.get("fps") is None else number_of(document, "fps", 50.0)
    if fps < 1:
        raise OptionError("a film has 1 to 50 frames per second")
    return Take(
        dimension=whole_of(document, "dimension", 1 << 16),
        extent=number_of(document, "extent", LARGEST_STRENGTH),
        frames=whole_of(document, "frames", MOST_FRAMES, 2),
        fps=fps,
        size=_size_of(document),
        center=document.get("center") is True,
        to=None if document.get("to") is None else view_of(_object_of(document, "to")),
    )


def _size_of(document: dict[str, Any], name: str = "size") -> int | None:
    return None if document.get(name) is None else whole_of(document, name, _LARGEST_SIZE, 16)


def _object_of(document: dict[str, Any], name: str) -> dict[str, Any]:
    found = document.get(name)
    if not isinstance(found, dict):
        raise OptionError(f"{name} is a JSON object")
    return found


def _state_of(document: dict[str, Any]) -> dict[str, Any] | None:
    return None if document.get("state") is None else checked_state(document["state"])


def _identity(room: Room) -> dict[str, Any]:
    """The names and hashes of a network and its own directions, as saved settings hold them."""
    own = room.studio.directions(OWN)
    return {
        "checkpoint": {"name": room.names.checkpoint, "sha256": own.checkpoint},
        "directions": {"name": room.names.directions, "sha256": direction_identity(own)},
    }


def _metadata(room: Room, view: View, scene: Still | Walk | None, state: dict[str, Any] | None) -> dict[str, Any] | None:
    """What a picture keeps: of a `scene` of `orojar traverse` that it can be made again, and the state of the page."""
    settings = None if state is None else {"format": FORMAT, **_identity(room), "state": state}
    if scene is None or not room.studio.is_scene(view):
        return settings
    directions = room.studio.directions(view.method)
    recipe = Recipe(
        scene=scene,
        checkpoint=room.names.checkpoint,
        sha256=directions.checkpoint,
        directions=room.names.directions if view.method == OWN else None,
        identity=direction_identity(directions),
    )
    return recipe.to_dict() | ({} if settings is None else {KEY: settings})


def _png(pictures: np.ndarray) -> Response:
    """Pictures [N, H, W, 3] uint8 one below another."""
    encoded = io.BytesIO()
    Image.fromarray(pictures.reshape(-1, *pictures.shape[2:])).save(encoded, "PNG", compress_level=1)
    return Response(encoded.getvalue(), media_type="image/png")


async def _refused(request: Request, error: Exception) -> Response:
    return PlainTextResponse(str(error), 400 if isinstance(error, OptionError) else 500)


async def _failed(request: Request, error: Exception) -> Response:
    if is_out_of_memory(error):
        return PlainTextResponse("this does not fit in memory; look at fewer seeds", 500)
    return PlainTextResponse("the explorer failed; its terminal says how", 500)
