"""What the page shows: one network, its sets of directions with their labels, and the pictures of a view."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from orojar_cli.directions import DirectionSet, load_directions
from orojar_cli.directions.labels import checked_label, write_label
from orojar_cli.directions.sefa import sefa_at_once
from orojar_cli.errors import DirectionSetError, OptionError
from orojar_cli.explore.places import Place, Places
from orojar_cli.explore.reel import Reel
from orojar_cli.explore.view import View
from orojar_cli.explore.worker import Steps
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.spaces import LAYERED, NAMED_LAYERS, named_layers
from orojar_cli.media import FrameComposer, resize, save_image
from orojar_cli.media.grid import tile
from orojar_cli.media.mp4 import writes_mp4
from orojar_cli.media.pixels import PIXEL_ART
from orojar_cli.pictures.film import film_frames, picture_size
from orojar_cli.pictures.recipe import direction_identity
from orojar_cli.pictures.scene import Still, Subject, Walk, strength_text
from orojar_cli.pictures.still import PADDING, save_stills
from orojar_cli.pictures.walk import Renderer, there_and_back

OWN, SEFA = "own", "sefa"
THUMBNAILS = (-2.0, -1.0, 0.0, 1.0, 2.0)
MOST_FRAMES = 1440
STILLS, FILMS = ("png", "jpg", "webp"), ("gif", "webp", "apng", "mp4")
TYPES = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp", "gif": "image/gif", "apng": "image/apng", "mp4": "video/mp4"}
_MOST_FILM_BYTES = 1 << 32
_LARGEST_PICTURE = 1 << 26
_TITLES = {
    "orojar": "OroJaR",
    "orojar-sgd": "OroJaR (SGD)",
    "orojar-rotation": "OroJaR axes",
    "orojar-mapping": "OroJaR axes",
    "hessian": "Hessian penalty",
    "sefa": "SeFa",
    "ganspace": "GANSpace",
    "jacobian-pca": "Jacobian PCA",
    "random": "Random",
}


@dataclass(frozen=True)
class Take:
    """A film: there and back along `dimension` as far as `extent` sigmas, or from one view `to` another and back; `size` None is the
    film's own choice, `center` starts all images at the same place of the dimension."""

    dimension: int
    extent: float
    frames: int
    fps: float = 24.0
    size: int | None = None
    center: bool = False
    to: View | None = None


@dataclass
class Shelf:
    """A set of directions (None: not computed yet) and the file that keeps its labels (None: this program's memory)."""

    directions: DirectionSet | None
    path: Path | None = None


class Studio:
    """Draws views of one network.  Methods named `own` (the source's) and, where that is another, `sefa` (made from the weights)."""

    def __init__(
        self, generator: Generator, directions: DirectionSet, path: Path | None = None, *, name: str, noise_mode: str = "const"
    ) -> None:
        """`directions` of the network called `name`; `path` is their file, in which labels are written: without it they are kept in
        memory."""
        self.generator, self.name, self.noise_mode = generator, name, noise_mode
        self.shelves = {OWN: Shelf(directions, path)}
        if directions.method != "sefa" and generator.config.layers():
            self.shelves[SEFA] = Shelf(None)
        self._writing = threading.Lock()
        self._renderers: dict[str, Renderer] = {}
        self.places = Places(generator, self.directions)

    def describe(self) -> dict[str, Any]:
        """What the page needs to know when it opens, as JSON."""
        generator = self.generator
        network = {
            "name": self.name,
            "family": generator.config.family,
            "height": generator.image_shape[1],
            "width": generator.image_shape[2],
            "layers": generator.num_ws,
            "classes": generator.c_dim,
            "noise": self.noise_mode,
        }
        return {
            "network": network,
            "methods": [self.describe_method(name) for name in self.shelves],
            "thumbnails": THUMBNAILS,
            "can": self._abilities(),
        }

    def _abilities(self) -> dict[str, Any]:
        """What the page offers of this network: words for layers, formats, and whether there is noise to leave out and layers to mix."""
        generator, words = self.generator, {}
        for word in NAMED_LAYERS:
            with contextlib.suppress(OptionError):
                words[word] = list(named_layers(generator, word) or ())
        return {
            "words": words,
            "noise": bool(getattr(generator.synthesis, "takes_noise", False)),
            "mix": generator.num_ws > 1,
            "keep": True,
            "crisp": max(generator.image_shape[1:]) <= PIXEL_ART,
            "stills": STILLS,
            "films": [kind for kind in FILMS if kind != "mp4" or writes_mp4()],
        }

    def describe_method(self, name: str) -> dict[str, Any]:
        """One method's directions, their labels and measured names as they are on disk now."""
        shelf = self._shelf(name)
        if shelf.directions is None:
            return {"name": name, "title": _TITLES[SEFA], "ready": False, "directions": []}
        if shelf.path is not None:
            with self._writing:
                shelf.directions = self._read_again(shelf, shelf.path)
        found = shelf.directions
        measured = bool(found.activeness.any())
        score = found.activeness if measured else found.scores.get("singular_value", found.sigma)
        rows = [
            {
                "label": label,
                "proposed": None if proposal is None else {"text": proposal.text, "why": proposal.sentence},
                "score": float(score[index]),
                "sigma": float(found.sigma[index]),
            }
            for index, (label, proposal) in enumerate(zip(found.labels, found.proposals, strict=True))
        ]
        return {
            "name": name,
            "title": _TITLES.get(found.method, found.method),
            "ready": True,
            "space": found.space,
            "layers": list(found.layers),
            "layered": found.space in LAYERED,
            "score": "activeness" if measured else "singular value",
            "kept": "file" if shelf.path is not None else "memory",
            "file": shelf.path.name if shelf.path is not None else None,
            "directions": rows,
        }

    def make_ready(self, name: str) -> dict[str, Any]:
        """Compute a method's directions where they are not yet known, and describe them."""
        shelf = self._shelf(name)
        if shelf.directions is None:
            shelf.directions = sefa_at_once(self.generator)
        return self.describe_method(name)

    def label(self, name: str, index: int, text: str) -> dict[str, Any]:
        """Give a direction a name: in the set's file, or in memory.  Raises what `write_label` raises."""
        shelf = self._shelf(name)
        found = self.directions(name)
        found.index(index)
        with self._writing:
            if shelf.path is None:
                shelf.directions = found.labelled(index, checked_label(text))
            else:
                self._read_again(shelf, shelf.path)
                shelf.directions = write_label(shelf.path, index, text)
        return self.describe_method(name)

    def pictures(self, view: View) -> np.ndarray:
        """[N, H, W, 3] uint8, one picture a seed."""
        return self._drawn(view, self.places.of(view))

    def between(self, view: View, to: View, share: float) -> np.ndarray:
        """[N, H, W, 3] uint8: pictures on the straight way in w from one view's to the other's, of which the shorter one repeats."""
        return self._drawn(view, self.places.way(view, to)(share))

    def thumbnails(self, view: View, index: int) -> Steps:
        """[5, H, W, 3] uint8: the first seed with dimension `index` at each of THUMBNAILS, its other edits kept."""
        view = dataclasses.replace(view, seeds=view.seeds[:1])
        together = self._renderer(view).batch
        drawn, waiting = [], list[Place]()
        for place in self.places.walk(view, index, THUMBNAILS):
            waiting.append(place)
            if len(waiting) == together:
                drawn.append(self._drawn(view, Place.joined(waiting)))
                waiting = []
            # What takes long is what lies between: a picture, or the way to it past locked sliders.
            if view.keep or not waiting:
                yield
        if waiting:
            drawn.append(self._drawn(view, Place.joined(waiting)))
        return np.concatenate(drawn)

    def tiles(self, views: Sequence[View], side: int) -> Steps:
        """[N, h, w, 3] uint8: the first picture of every view, its longer side `side` pixels at most."""
        drawn = []
        for view in views:
            picture = self._drawn(view, self.places.of(dataclasses.replace(view, seeds=view.seeds[:1])))
            longest = max(picture.shape[1:3])
            drawn.append(resize(picture, side)[0] if longest > side else picture[0])
            yield
        return np.stack(drawn)

    def _drawn(self, view: View, place: Place) -> np.ndarray:
        return self._renderer(view).images(place.ws, place.styles, place.seeds)

    def _renderer(self, view: View) -> Renderer:
        mode = view.noise_mode or self.noise_mode
        if mode not in self._renderers:
            self._renderers[mode] = Renderer(self.generator, mode)
        return self._renderers[mode]

    def latents(self, view: View) -> dict[str, Any]:
        """What an image is to be found again by: its ws are `w[entries]`, and it was moved along `directions`, given by their identity.

        Of the rows of ws most are equal: each that there is stands in `w` once, and `entries` [num_ws] says which are where.
        """
        (ws,) = self.places.of(view).ws
        rows, entries = ws.cpu().unique(dim=0, return_inverse=True)
        numbers = [[float(f"{value:.6g}") for value in row] for row in rows.tolist()]
        identity = direction_identity(self.directions(view.method)) if view.edits else None
        return {"directions": identity, "w": numbers, "entries": entries.tolist()}

    def sets(self) -> Iterator[tuple[str, DirectionSet]]:
        """The methods with their directions; those from the weights are computed when it is their turn, where they are not yet known."""
        for name in self.shelves:
            self.make_ready(name)
            yield name, self.directions(name)

    @staticmethod
    def is_scene(view: View) -> bool:
        """Whether `orojar traverse` draws such a view, too."""
        return view.mix is None

    def still(self, view: View, metadata: dict[str, Any] | None = None, *, kind: str = "png", size: int | None = None) -> bytes:
        """The picture of a view as a file: the seeds side by side without captions, each `size` (the network's own) pixels long."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"picture.{kind}"
            if self.is_scene(view):
                save_stills(
                    self._subject(view), self.still_scene(view, size), path, metadata=None if metadata is None else lambda _: metadata
                )
            else:
                pictures = self._resized(self.pictures(view), size or max(self.generator.image_shape[1:]))
                save_image(tile(pictures, columns_for(len(pictures)), PADDING), path, metadata)
            return path.read_bytes()

    def still_scene(self, view: View, size: int | None = None) -> Still:
        """A grid of one column, no step along its dimension, the seeds side by side."""
        return self._scene(
            Still,
            view,
            dimensions=(0,),
            steps=1,
            size=size or max(self.generator.image_shape[1:]),
            columns=columns_for(len(view.seeds)) if len(view.seeds) > 1 else None,
            caption=False,
        )

    def film(self, view: View, take: Take) -> Steps:
        """The frames of a film, kept on disk."""
        ordinary = self.is_scene(view) and take.to is None
        frames = film_frames(self._subject(view), self.film_scene(view, take)) if ordinary else self._composed(view, take)
        reel = Reel()
        for frame in frames:
            if reel.add(frame) > _MOST_FILM_BYTES:
                raise OptionError("this film is too large for the page; choose a smaller size or a shorter one, or use the command")
            yield
        return reel

    def film_scene(self, view: View, take: Take) -> Walk:
        """The walk of a film, as `orojar traverse` draws it."""
        edits = tuple(edit for edit in view.edits if edit[0] != take.dimension)
        return self._scene(
            Walk,
            dataclasses.replace(view, edits=edits),
            dimensions=(take.dimension,),
            extent=take.extent,
            frames=take.frames,
            fps=take.fps,
            size=take.size,
            center=take.center,
        )

    def _composed(self, view: View, take: Take) -> Iterator[np.ndarray]:
        """The frames of a film that is none of `orojar traverse`'s: of a mixed view, or from one view to another."""
        if take.to is None:
            directions, values = self.directions(view.method), there_and_back(take.extent, take.frames)
            places: Iterable[Place] = self.places.walk(view, take.dimension, values, take.center)
            positions = [value / take.extent if take.extent else 0.0 for value in values]
            caption, ends = directions.name(take.dimension), (strength_text(-take.extent), strength_text(take.extent))
        else:
            shares = [(1 - math.cos(2 * math.pi * number / take.frames)) / 2 for number in range(take.frames)]
            places, positions = map(self.places.way(view, take.to), shares), [2 * share - 1 for share in shares]
            caption, ends = "", ("", "")
        composer = None
        for place, position in zip(places, positions, strict=True):
            columns = FrameComposer.columns_for(len(place.ws))
            pictures = self._resized(self._drawn(view, place), picture_size(max(self.generator.image_shape[1:]), columns, take.size))
            composer = composer or FrameComposer(len(pictures), pictures.shape[1:3], columns=columns, caption=caption, ends=ends)
            yield composer.compose(pictures, position)

    @staticmethod
    def _resized(pictures: np.ndarray, size: int) -> np.ndarray:
        if len(pictures) * size**2 > _LARGEST_PICTURE:
            raise OptionError(f"{len(pictures)} pictures of {size} pixels are too many together; choose a smaller size or fewer seeds")
        return resize(pictures, size)

    def _scene(self, kind: type[Any], view: View, **more: Any) -> Any:
        moved = {index for index, _ in view.edits} | ({*more["dimensions"]} if kind is Walk else set())
        return kind(
            edits=view.edits,
            layers=view.layers,
            seeds=view.seeds,
            class_index=view.class_index,
            psi=view.psi,
            noise_mode=view.noise_mode or self.noise_mode,
            # Where nothing but what is locked moves, nothing is kept from it.
            keep=view.keep if moved - set(view.keep) else (),
            **more,
        )

    def _subject(self, view: View) -> Subject:
        return Subject(self.generator, self.directions(view.method), self.name)

    def _shelf(self, name: str) -> Shelf:
        if name not in self.shelves:
            raise OptionError(f"no method of that name; there are {', '.join(self.shelves)}")
        return self.shelves[name]

    def directions(self, name: str) -> DirectionSet:
        """A method's directions; raises OptionError for an unknown one, or one not computed yet."""
        found = self._shelf(name).directions
        if found is None:
            raise OptionError(f"the directions of {name} are not computed yet")
        return found

    @staticmethod
    def _read_again(shelf: Shelf, path: Path) -> DirectionSet:
        """The set as its file is now; raises DirectionSetError where that has become another."""
        now, before = load_directions(path), shelf.directions
        assert before is not None, "a file is read before it is shown"
        if now.checkpoint != before.checkpoint or now.space != before.space or not _equal(now, before):
            raise DirectionSetError(f"{path.name} has been made anew meanwhile; stop the explorer and start it again")
        return now


def columns_for(count: int) -> int:
    """How many of `count` pictures stand side by side: the page and the saved picture agree."""
    return next(columns for columns in range(1, count + 1) if columns * columns >= count)


def _equal(now: DirectionSet, before: DirectionSet) -> bool:
    tensors = (now.directions, before.directions), (now.sigma, before.sigma)
    return now.layers == before.layers and all(one.shape == other.shape and bool((one == other).all()) for one, other in tensors)
