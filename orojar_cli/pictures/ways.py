"""Where a scene's pictures are: the displacements of its points, straight or, with dimensions kept, each point on a way of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from orojar_cli.directions.kept import NODE, KeptPath, kept_path
from orojar_cli.latents.projected import Points
from orojar_cli.pictures.scene import Scene, Still, Subject
from orojar_cli.pictures.walk import along
from orojar_cli.progress import Progress


class Ways:
    """The displacements of `at`, a scene's points: [S, D], the same for all, or [S, N, D].

    With dimensions kept the way is followed place by place; `progress` counts them over all that the scene asks for.
    """

    def __init__(self, subject: Subject, scene: Scene, at: Points, progress: Progress | None = None) -> None:
        self.subject, self.scene, self.at, self.progress = subject, scene, at, progress
        self.moving, self.done = subject.moving(scene), 0

    def edited(self, parts: Sequence[float]) -> Tensor:
        """Parts of the way from the images to what the edits make of them: at 0 and at 1 these themselves."""
        if not self.scene.bends:
            whole = along(self.moving, None, [0.0], self.scene.edits)
            return along(self.moving, None, [0.0] * len(parts)) + whole * whole.new_tensor(parts).unsqueeze(1)
        path, length = self._edit_path()
        own = path(0.0)  # what kept dimensions are themselves moved by
        return torch.stack([part * own + (path(part * length) - own) for part in parts]).cpu()

    def walked(self, index: int, values: Sequence[float]) -> Tensor:
        """Along a dimension at these strengths, on top of the edits."""
        offset = self.subject.offset(self.scene, self.at, index)
        if not self.scene.bends:
            steps = along(self.moving, index, values, self.scene.edits)
            return steps if offset is None else steps.unsqueeze(1) + offset.cpu()
        return self._along(index, values, self._start(offset))

    def plane(self, index: int, by: int, values: Sequence[float]) -> Tensor:
        """[S * S, ...] along `index` to the right and along `by` upwards, line by line from the top, on top of the edits."""
        offset = self.subject.offset(self.scene, self.at, index, by)
        if not self.scene.bends:
            lines = [along(self.moving, index, values, (*self.scene.edits, (by, value))) for value in reversed(values)]
            steps = torch.cat(lines)
            return steps if offset is None else steps.unsqueeze(1) + offset.cpu()
        upwards = self._along(by, values[::-1], self._start(offset))
        return torch.cat([self._along(index, values, start) for start in upwards])

    def _along(self, index: int, values: Sequence[float], start: Tensor) -> Tensor:
        path, _ = self._path([(index, 1.0)], [kept for kept in self.scene.keep if kept != index], start)
        return torch.stack([path(self._sigmas(index, value)) for value in values]).cpu()

    def _start(self, offset: Tensor | None) -> Tensor:
        """[N, D] where walks begin: after the edits."""
        if offset is None:
            return self._edits
        path, length = self._edit_path(offset)
        return path(length)

    @cached_property
    def _edits(self) -> Tensor:
        path, length = self._edit_path()
        return path(length)

    def _path(self, strengths: Sequence[tuple[int, float]], keep: Sequence[int], start: Tensor | None) -> tuple[KeptPath, float]:
        generator, found, region = self.subject.generator, self.subject.directions, self.subject.region(self.scene)
        further: dict[str, Any] = {"layers": self.scene.layers, "start": start, "region": region, "advanced": self._advanced}
        return kept_path(generator, self.at, found, strengths, keep, **further)

    def _edit_path(self, start: Tensor | None = None) -> tuple[KeptPath, float]:
        measured = [(index, self._sigmas(index, strength)) for index, strength in self.scene.edits]
        return self._path(measured, self.scene.keep, start)

    def _advanced(self, points: int) -> None:
        self.done += points
        if self.progress is not None:
            self.progress("keeping", min(self.done, self.total), self.total)

    @cached_property
    def total(self) -> int:
        """How many times a point goes the next `NODE` sigmas in all that the scene asks for."""
        scene, by = self.scene, getattr(self.scene, "by", None)
        edited = [self._sigmas(index, strength) for index, strength in scene.edits if index not in scene.keep]
        sides = {index: 2 * _nodes(self._sigmas(index, scene.extent)) for index in (*scene.dimensions, *([] if by is None else [by]))}
        walks = sum(sides[index] for index in scene.dimensions)
        if by is not None and isinstance(scene, Still):
            walks = sides[by] + scene.steps * walks
        again = len(scene.dimensions) if scene.center and by is None else 1
        return len(self.at) * (max(1, again) * _nodes(math.hypot(*edited)) + walks)

    def _sigmas(self, index: int, strength: float) -> float:
        """A strength in the scene's unit, in sigmas."""
        return strength if self.scene.unit == "sigma" else strength / float(self.subject.directions.sigma[index])


def _nodes(sigmas: float) -> int:
    return math.ceil(abs(sigmas) / NODE - 1e-6)
