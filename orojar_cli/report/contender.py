"""What is compared: the directions of one network, under a name, with where they came from."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from orojar_cli.checkpoint.checkpoint import Checkpoint
from orojar_cli.directions import METHODS, DirectionSet, Settings
from orojar_cli.directions.frame import activeness_images
from orojar_cli.directions.method import with_defaults
from orojar_cli.errors import OptionError
from orojar_cli.generators.own.network import OwnNetwork
from orojar_cli.progress import Progress
from orojar_cli.tuning.rotation import axis_activeness, z_directions

Z_AXES = "z-axes"
# What the axes of tuned networks are called.
TUNED = ("orojar-rotation", "orojar-mapping")


@dataclass(frozen=True)
class Contender:
    """One contender.

    `origin` is the file its directions were read from, or None for those made for this comparison, which took `seconds`, `steps` of an
    optimisation and, as budgets reckon, about so many `images` (a gradient counts as three); `rows` are the numbers that the directions
    have there, where only some are compared.
    """

    name: str
    checkpoint: Checkpoint | OwnNetwork
    directions: DirectionSet
    origin: str | None = None
    seconds: float | None = None
    steps: int | None = None
    images: int | None = None
    rows: tuple[int, ...] = ()

    def top(self, count: int) -> Contender:
        """With `count` of its directions: the first, in the order their method gave them; of all axes of z the most active."""
        found = self.directions
        order = list(range(min(count, len(found))))
        if found.space == "z" and torch.equal(found.directions, torch.eye(len(found), device="cpu")):
            order = found.activeness.argsort(descending=True, stable=True)[:count].tolist()
        return dataclasses.replace(self, directions=found.select(order), rows=tuple(order))

    def number(self, index: int) -> int:
        """The number that a direction has in its file, by which orojar traverse --dim knows it."""
        return self.rows[index] if self.rows else index

    def dimension(self, index: int) -> str:
        """ "dim 3", with its label, or the name that was measured, where it has one."""
        label = self.directions.shown(index)
        return f"dim {self.number(index)}" + (f" · {label}" if label else "")

    @property
    def minimises(self) -> tuple[str, ...]:
        """The metrics that the method of its directions itself minimises; tuning has OroJaR's aim."""
        found = self.directions
        name, given = "orojar" if found.method in TUNED else found.method, found.options.get("options")
        return METHODS[name].minimises(given if isinstance(given, dict) else {}) if name in METHODS else ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-serialisable form, without the directions themselves."""
        found = self.directions
        return {
            "name": self.name,
            "method": found.method,
            "space": found.space,
            "layers": list(found.layers),
            "checkpoint": {"path": self.checkpoint.path, "sha256": self.checkpoint.sha256},
            "directions": self.origin,
            "seconds": self.seconds,
            "steps": self.steps,
            "images": self.images,
            "options": found.options,
            "labels": list(found.labels),
            "proposals": [None if proposal is None else proposal.to_dict() for proposal in found.proposals],
            "dimensions": [self.number(index) for index in range(len(found))],
        }


def found_by(method: str, checkpoint: Checkpoint | OwnNetwork, settings: Settings, progress: Progress | None = None) -> Contender:
    """The directions a method finds now; of `settings` those that are the method's: SeFa, say, knows no data and never whitens."""
    started = time.perf_counter()
    chosen = METHODS[method]
    options = {option: value for option, value in settings.options.items() if option in chosen.options}
    settings = dataclasses.replace(settings, whiten=settings.whiten and chosen.whiten, options=options)
    found = chosen(checkpoint.generator, settings, progress)
    seconds = round(time.perf_counter() - started, 3)
    steps = with_defaults(chosen.options, options).get("steps")
    images = chosen.images(checkpoint.generator, settings) + activeness_images(checkpoint.generator, settings)
    return Contender(method, checkpoint, found, seconds=seconds, steps=steps, images=round(images))


def z_axes(checkpoint: Checkpoint | OwnNetwork, settings: Settings, progress: Progress | None = None) -> Contender:
    """The axes of z as they are, most active first."""
    generator = checkpoint.generator
    started = time.perf_counter()
    axes = torch.eye(generator.z_dim, device="cpu")
    active = axis_activeness(generator, settings, axes, progress, "activeness of z")
    order = active.argsort(descending=True, stable=True)
    found = z_directions(axes[order], active[order], Z_AXES, checkpoint.sha256, generator.num_ws, {"axes": order.tolist()})
    found = dataclasses.replace(found, labels=tuple(f"z axis {axis}" for axis in order.tolist()))
    return Contender(Z_AXES, checkpoint, found, seconds=round(time.perf_counter() - started, 3))


def distinct(subjects: Sequence[Contender]) -> list[Contender]:
    """The same subjects with names that differ: where two are alike, the folder of the file is added, then a number.

    Raises OptionError for fewer than two.
    """
    if len(subjects) < 2:
        raise OptionError("a comparison needs two direction sets: name another run, or methods with --methods sefa,random")
    names = [subject.name for subject in subjects]
    for index, subject in enumerate(subjects):
        if names.count(subject.name) > 1 or [other.name for other in subjects].count(subject.name) > 1:
            path = subject.origin or subject.checkpoint.path
            names[index] = f"{subject.name}, {_short(path)}"
    for index, name in enumerate(names):
        if name in names[:index]:
            names[index] = f"{name} ({index + 1})"
    return [dataclasses.replace(subject, name=name) for subject, name in zip(subjects, names, strict=True)]


def _short(path: str) -> str:
    *_, folder, name = ["", *path.replace("\\", "/").split("/")]
    return folder if folder and name == "directions.safetensors" else name
