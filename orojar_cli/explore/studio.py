"""What the page shows: one network, its sets of directions with their labels, and the pictures of a view."""

from __future__ import annotations

import dataclasses
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from orojar_cli.directions import DirectionSet, load_directions
from orojar_cli.directions.labels import checked_label, write_label
from orojar_cli.directions.sefa import sefa_at_once
from orojar_cli.errors import DirectionSetError, OptionError
from orojar_cli.explore.view import View
from orojar_cli.explore.worker import Steps
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.spaces import LAYERED
from orojar_cli.media import save_animation
from orojar_cli.pictures.film import film_frames
from orojar_cli.pictures.scene import Scene, Still, Subject, Walk
from orojar_cli.pictures.still import save_stills
from orojar_cli.pictures.walk import Renderer, along, pictures_at, walk

OWN, SEFA = "own", "sefa"
THUMBNAILS = (-2.0, -1.0, 0.0, 1.0, 2.0)
MOST_FRAMES = 240
_MOST_FILM_BYTES = 1 << 29
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
        self.renderer = Renderer(generator, noise_mode)
        self.shelves = {OWN: Shelf(directions, path)}
        if directions.method != "sefa" and generator.config.layers():
            self.shelves[SEFA] = Shelf(None)
        self._writing = threading.Lock()

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
        return {"network": network, "methods": [self.describe_method(name) for name in self.shelves], "thumbnails": THUMBNAILS}

    def describe_method(self, name: str) -> dict[str, Any]:
        """One method's directions, their labels as they are on disk now."""
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
            {"label": label, "score": float(score[index]), "sigma": float(found.sigma[index])} for index, label in enumerate(found.labels)
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
        directions, scene = self.directions(view.method), self._scene(Scene, view)
        points = Subject(self.generator, directions).points(scene)
        steps = along(directions, None, [0.0], scene.edits)
        return next(pictures_at(self.renderer, points, directions, steps, scene.layers))

    def thumbnails(self, view: View, index: int) -> Steps:
        """[5, H, W, 3] uint8: the first seed with dimension `index` at each of THUMBNAILS, its other edits kept."""
        directions = self.directions(view.method)
        edits = tuple(edit for edit in view.edits if edit[0] != index)
        scene = self._scene(Scene, dataclasses.replace(view, seeds=view.seeds[:1], edits=edits), dimensions=(index,))
        points = Subject(self.generator, directions).points(scene)
        drawn = []
        for pictures in walk(self.renderer, points, directions, index, THUMBNAILS, scene.layers, edits):
            drawn.append(pictures[0])
            yield
        return np.stack(drawn)

    def still(self, view: View, metadata: dict[str, Any] | None = None) -> bytes:
        """The picture of a view as a .png file: the seeds at the network's own size, no captions."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "picture.png"
            save_stills(self._subject(view), self.still_scene(view), path, metadata=None if metadata is None else lambda _: metadata)
            return path.read_bytes()

    def still_scene(self, view: View) -> Still:
        """A grid of one column, no step along its dimension, the seeds side by side."""
        return self._scene(
            Still,
            view,
            dimensions=(0,),
            steps=1,
            size=max(self.generator.image_shape[1:]),
            columns=columns_for(len(view.seeds)) if len(view.seeds) > 1 else None,
            caption=False,
        )

    def film(self, view: View, index: int, extent: float, frames: int) -> Steps:
        """The frames of a walk along dimension `index`, there and back, on top of the other edits."""
        walked, shown, size = self.film_scene(view, index, extent, frames), [], 0
        for frame in film_frames(self._subject(view), walked):
            shown.append(frame)
            size += frame.nbytes
            if size > _MOST_FILM_BYTES:
                raise OptionError("this film is too large for the page; use the command with fewer --frames or a smaller --size")
            yield
        return shown

    def film_scene(self, view: View, index: int, extent: float, frames: int) -> Walk:
        """The walk of a film, as `orojar traverse` draws it."""
        edits = tuple(edit for edit in view.edits if edit[0] != index)
        return self._scene(Walk, dataclasses.replace(view, edits=edits), dimensions=(index,), extent=extent, frames=frames)

    def _scene(self, kind: type[Any], view: View, **more: Any) -> Any:
        return kind(
            edits=view.edits,
            layers=view.layers,
            seeds=view.seeds,
            class_index=view.class_index,
            psi=view.psi,
            noise_mode=self.noise_mode,
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


def film_bytes(frames: Sequence[np.ndarray], fps: float, metadata: dict[str, Any] | None = None) -> bytes:
    """The film as a .gif file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.gif"
        save_animation(frames, path, fps=fps, metadata=metadata)
        return path.read_bytes()


def columns_for(count: int) -> int:
    """How many of `count` pictures stand side by side: the page and the saved picture agree."""
    return next(columns for columns in range(1, count + 1) if columns * columns >= count)


def _equal(now: DirectionSet, before: DirectionSet) -> bool:
    tensors = (now.directions, before.directions), (now.sigma, before.sigma)
    return now.layers == before.layers and all(one.shape == other.shape and bool((one == other).all()) for one, other in tensors)
