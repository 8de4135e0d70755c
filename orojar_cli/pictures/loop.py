"""Films between points: a closed path through the images of seeds, classes or photographs, and truncation that is swept."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from orojar_cli.directions.applied import displaced
from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.errors import OptionError
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.closed_paths import on_spheres, stop_weights, there_and_back_between, timetable
from orojar_cli.latents.points import Latents, label_of, seed_latents
from orojar_cli.latents.projected import Points, ProjectedLatents
from orojar_cli.latents.spaces import style_offsets
from orojar_cli.media import FrameComposer, labelled_grid, resize, tile
from orojar_cli.numbers import Classes, classes_text
from orojar_cli.pictures.film import picture_size
from orojar_cli.pictures.scene import Scene, strength_text
from orojar_cli.pictures.still import PADDING, cell_size
from orojar_cli.pictures.walk import Renderer, along, drawn_once
from orojar_cli.progress import Progress

_LARGEST_FRAME = 1 << 26
_LARGEST_SHEET = 1 << 27
_MOST_FRAMES = 20_000
# Images drawn together, at most: after each batch it is known how long the rest takes.
AT_ONCE = 32


@dataclass(frozen=True)
class Travel(Scene):
    """A closed way through the images, in `leg` seconds from each to the next, staying `hold` seconds at each.

    `pace` "ease" slows down to rest at every image, "flow" passes them along one smooth curve, "even" goes straight on at constant speed.
    `space` is where lies what is between: "w" (of truncated latents), or "z", on great circles.
    """

    leg: float = 2.0
    hold: float = 0.0
    pace: str = "ease"
    fps: float = 24.0
    space: str = "w"
    caption: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.bends:
            raise OptionError("--keep is of walks and edits, not of films between images or tables of mixtures")

    def timetable(self, stops: int) -> list[float]:
        """`latents.closed_paths.timetable` in frames.  Raises OptionError for a film of more than 20,000 frames."""
        leg, hold = max(1, round(self.leg * self.fps)), round(self.hold * self.fps)
        if stops * (leg + hold) > _MOST_FRAMES:
            raise OptionError(f"a film of {stops * (leg + hold)} frames is too long (at most {_MOST_FRAMES}); lower --seconds or --fps")
        return timetable(stops, leg, hold, self.pace)


@dataclass(frozen=True)
class Loop(Travel):
    """`loops` closed ways side by side, among which the images are divided in their order, `columns` to a row.

    `classes` gives every image a class of its own; one seed with several classes goes through these.  Truncation goes from `psi` to
    `psi_to` and back, once in a loop.  As a still, a row for each loop shows `steps` pictures a leg.
    """

    loops: int = 1
    psi_to: float | None = None
    classes: tuple[Classes, ...] | None = None
    steps: int = 4


@dataclass(frozen=True)
class Material:
    """What travels: a network; `directions` whose edits are applied throughout; `projected` ws [N, num_ws, w_dim] in the seeds' place;
    `name` is how captions call it."""

    generator: Generator
    directions: DirectionSet | None = None
    name: str = ""
    projected: Tensor | None = None

    def stops(self, scene: Travel) -> Points:
        """The points that are passed, in their order.  Raises OptionError for seeds and classes that there cannot be."""
        if self.projected is not None:
            return ProjectedLatents(self.projected, tuple(range(len(self.projected))))
        chosen = getattr(scene, "classes", None)
        if chosen is None:
            return seed_latents(self.generator, scene.seeds, scene.class_index, scene.psi, scene.cutoff)
        seeds = scene.seeds * len(chosen) if len(scene.seeds) == 1 else scene.seeds
        if len(chosen) != len(seeds):
            raise OptionError(f"{len(chosen)} classes for {len(seeds)} seeds: give one --class, or one for each seed")
        at = seed_latents(self.generator, seeds, chosen[0], scene.psi, scene.cutoff)
        labels = torch.stack([label_of(self.generator.c_dim, choice) for choice in chosen]).to(self.generator.device)
        return Latents(at.z, labels, at.psi, at.cutoff, at.seeds)

    def names(self, scene: Travel) -> list[str]:
        """How the images are called."""
        if self.projected is not None:
            return [f"picture {number}" for number in range(1, len(self.projected) + 1)]
        classes: Sequence[Classes] = getattr(scene, "classes", None) or ()
        if not classes:
            return [f"seed {seed}" for seed in scene.seeds]
        told = [f"class {classes_text(choice)}" for choice in classes]
        return told if len(scene.seeds) == 1 else [f"seed {seed}, {name}" for seed, name in zip(scene.seeds, told, strict=True)]

    def step(self, scene: Scene) -> Tensor | None:
        """The displacement [D] of the scene's edits."""
        if not scene.edits or self.directions is None:
            return None
        if scene.unit == "sigma":
            return along(self.directions, None, [0.0], scene.edits)[0].to(self.generator.device)
        rows = self.directions.directions
        return torch.stack([strength * rows[index] for index, strength in scene.edits]).sum(0).to(self.generator.device)

    @torch.no_grad()
    def ws(self, at: Points, scene: Scene) -> Tensor:
        """ws [N, num_ws, w_dim] of points, with the edits."""
        step = self.step(scene)
        if step is not None:
            assert self.directions is not None
            return displaced(self.generator, at, self.directions, step.expand(len(at), -1), scene.layers)
        if isinstance(at, ProjectedLatents):
            return at.ws
        found: Tensor = self.generator.mapping(at.z, at.label, at.psi, at.cutoff)
        return found

    def styles(self, scene: Scene, count: int) -> dict[str, Tensor] | None:
        """What the edits add to the styles of `count` images, where the directions are in s."""
        step = self.step(scene)
        if step is None or self.directions is None:
            return None
        return style_offsets(self.generator, step.expand(count, -1), self.directions.space, self.directions.layers)

    def edit_text(self, scene: Scene) -> str:
        """The edits in words."""
        found = self.directions
        assert found is not None or not scene.edits
        return ", ".join(f"{found.shown(index) or f'dim {index}'} {strength_text(value)}" for index, value in scene.edits)  # type: ignore[union-attr]


class Journey:
    """Where `loops` closed ways side by side are, frame by frame: shares `weights` [F, stops of a loop] of the stops, truncations [F].

    `keys` are equal where the pictures are.
    """

    def __init__(self, material: Material, scene: Travel, places: Sequence[float], loops: int = 1, psis: Sequence[float] = ()) -> None:
        self.material, self.scene, self.loops = material, scene, loops
        self.at = material.stops(scene)
        self.stops = len(self.at) // loops
        if scene.space == "z" and isinstance(self.at, ProjectedLatents) and is_mapped(material.generator):
            raise OptionError("a projected w has no z to go through: leave out --space z")
        self.smooth = scene.pace == "flow"
        self.weights = stop_weights(places, self.stops, self.smooth)
        self.psis = list(psis) or [scene.psi] * len(self.weights)
        self._stops_ws = lru_cache(maxsize=1)(self._stop_ws)

    @cached_property
    def keys(self) -> list[Hashable]:
        return [(row.numpy().tobytes(), psi) for row, psi in zip(self.weights, self.psis, strict=True)]

    @property
    def seeds(self) -> list[int]:
        """What random noise is drawn by: the first stop's seed of each loop, throughout."""
        assert self.at.seeds is not None
        return list(self.at.seeds[:: self.stops])

    @torch.no_grad()
    def ws(self, frames: Sequence[int]) -> Tensor:
        """ws [S, loops, num_ws, w_dim] of some frames."""
        parts = []
        for psi, group in itertools.groupby(frames, key=self.psis.__getitem__):
            shares = self.weights[list(group)]
            parts.append(self._through_z(shares, psi) if self.scene.space == "z" else self._through_w(shares, psi))
        return torch.cat(parts)

    def _stop_ws(self, psi: float) -> Tensor:
        """ws [loops, stops, num_ws, w_dim] of the stops, truncated and edited."""
        at = self.at if isinstance(self.at, ProjectedLatents) else Latents(self.at.z, self.at.label, psi, self.at.cutoff, self.at.seeds)
        return self.material.ws(at, self.scene).unflatten(0, (self.loops, self.stops))

    def _through_w(self, shares: Tensor, psi: float) -> Tensor:
        stops = self._stops_ws(psi)
        return torch.einsum("fk,lknd->flnd", shares.to(stops), stops)

    def _through_z(self, shares: Tensor, psi: float) -> Tensor:
        """The way in z is one; where stops have classes of their own, what lies between is shared between the ws of each class."""
        at = self.at
        if isinstance(at, ProjectedLatents):
            return self._through_z_of_ws(shares, psi)
        z = at.z.cpu().unflatten(0, (self.loops, self.stops))
        path = torch.stack([on_spheres(points, shares, self.smooth) for points in z], 1).flatten(0, 1).to(at.z)
        if at.label is None:
            found = self.material.ws(Latents(path, None, psi, at.cutoff), self.scene)
            return found.unflatten(0, (len(shares), self.loops))
        kinds, which = torch.unique(at.label, dim=0, return_inverse=True)
        which = which.cpu().unflatten(0, (self.loops, self.stops))
        total: Tensor | None = None
        for kind, label in enumerate(kinds):
            share = torch.einsum("fk,lk->fl", shares, (which == kind).to(shares))
            ws = self.material.ws(Latents(path, label.expand(len(path), -1), psi, at.cutoff), self.scene)
            part = ws.unflatten(0, (len(shares), self.loops)) * share[:, :, None, None].to(ws)
            total = part if total is None else total + part
        assert total is not None
        return total

    def _through_z_of_ws(self, shares: Tensor, psi: float) -> Tensor:
        """Of a network without mapping, whose ws are z, with the class behind it: each entry on great circles, the class straight."""
        stops, size = self._stops_ws(psi), self.material.generator.z_dim
        entries = stops[..., :size].cpu().transpose(1, 2).flatten(0, 1)  # [loops * num_ws, stops, z_dim]
        path = torch.stack([on_spheres(points, shares, self.smooth) for points in entries], 1).unflatten(1, (self.loops, -1)).to(stops)
        return torch.cat([path, torch.einsum("fk,lknd->flnd", shares.to(stops), stops[..., size:])], -1)


def is_mapped(generator: Generator) -> bool:
    """Whether a mapping makes w of z; without one w is z."""
    return bool(generator.config.mapping.num_layers)


def journey_of(material: Material, loop: Loop) -> Journey:
    """The frames of a film.  Raises OptionError for a loop that cannot be, and for one in which nothing would change."""
    stops = _stops_each(material, loop)
    places, psis = loop.timetable(stops), list[float]()
    if loop.psi_to is not None:
        _check_sweep(material, loop, loop.psi_to)
        psis = there_and_back_between(loop.psi, loop.psi_to, len(places), loop.pace == "even")
    elif stops == 1:
        raise OptionError("one image goes nowhere: give two --seeds or more for each loop, or sweep truncation with --trunc 0:1")
    return Journey(material, loop, [0.0] * len(places) if stops == 1 else places, loop.loops, psis)


def _stops_each(material: Material, loop: Loop) -> int:
    images = len(material.stops(loop))
    if images % loop.loops:
        raise OptionError(f"{images} images cannot be divided among {loop.loops} loops; give as many for each")
    return images // loop.loops


def _check_sweep(material: Material, loop: Loop, psi_to: float) -> None:
    generator = material.generator
    if material.projected is not None:
        raise OptionError("a projected w is truncated as it is: leave out --trunc")
    if hasattr(generator, "z_limit") and generator.z_limit(loop.psi) != generator.z_limit(psi_to):
        raise OptionError("truncation chooses which z this network is given, so nothing lies between two: give one --trunc")


def image_count(journey: Journey) -> int:
    """How many images a film draws."""
    return len(set(journey.keys)) * journey.loops


def between(renderer: Renderer, journey: Journey, side: int) -> Iterator[np.ndarray]:
    """Frame by frame the pictures [loops, h, w, 3] uint8, `side` pixels long."""
    material, scene, count = journey.material, journey.scene, journey.loops

    def draw(frames: list[int]) -> Iterator[np.ndarray]:
        at_once = max(1, min(renderer.batch, AT_ONCE) // count)
        for start in range(0, len(frames), at_once):
            ws = journey.ws(frames[start : start + at_once])
            images = renderer.images(ws.flatten(0, 1), material.styles(scene, len(ws) * count), journey.seeds * len(ws))
            for number in range(len(ws)):
                yield resize(images[number * count : (number + 1) * count], side)

    return drawn_once(journey.keys, draw, 3 * count * side**2)


def loop_frames(material: Material, loop: Loop, *, full_size: bool = False, progress: Progress | None = None) -> Iterator[np.ndarray]:
    """The frames [H, W, 3] uint8 of a film one after another, all of one size; `progress` counts them.

    After the last frame comes the first.  Without a caption there is nothing but the pictures, 2 pixels apart where there are several;
    `full_size` shows large pictures as large as the network draws them.
    Raises OptionError for a loop that cannot be, and for frames of more than 67 million pixels.
    """
    journey = journey_of(material, loop)
    columns = FrameComposer.columns_for(loop.loops, loop.columns)
    resolution = max(material.generator.image_shape[1:])
    side = picture_size(resolution, columns, loop.size or (max(resolution, picture_size(resolution, columns)) if full_size else None))
    if loop.loops * side**2 > _LARGEST_FRAME:
        raise OptionError(f"{loop.loops} pictures of {side} pixels are too many for a frame; use fewer --loops or a smaller --size")
    composer, swept = None, loop.psi_to is not None
    for number, pictures in enumerate(between(Renderer(material.generator, loop.noise_mode), journey, side)):
        if not loop.caption:
            yield tile(pictures, columns, PADDING)
        else:
            if composer is None:
                ends = (f"{loop.psi:g}", f"{loop.psi_to:g}") if swept else ()
                shape, text = pictures.shape[1:3], caption(material, loop)
                composer = FrameComposer(loop.loops, shape, columns=columns, caption=text, marker=swept, ends=ends)
            yield composer.compose(pictures, _dot(loop, journey.psis[number]))
        if progress is not None:
            progress("rendering", number + 1, len(journey.keys))


def _dot(loop: Loop, psi: float) -> float:
    if loop.psi_to is None or loop.psi_to == loop.psi:
        return 0.0
    return 2 * (psi - loop.psi) / (loop.psi_to - loop.psi) - 1


def caption(material: Material, loop: Loop) -> str:
    """What goes where, in a line."""
    names = material.names(loop)
    kinds = {name.rpartition(" ")[0] for name in names}
    if len(kinds) == 1 < len(names):
        names = [f"{kinds.pop()}s {names[0].rpartition(' ')[2]}", *(name.rpartition(" ")[2] for name in names[1:])]
    text = ", ".join(names) if len(names) <= 12 else f"{names[0]} to {names[-1]}"
    text += f", truncation {loop.psi:g} to {loop.psi_to:g}" if loop.psi_to is not None else ""
    return text + (f", with {material.edit_text(loop)}" if loop.edits else "")


def draw_strip(material: Material, loop: Loop, progress: Progress | None = None) -> Image.Image:
    """A still of the way: a row for each loop, with `steps` pictures a leg, or as many truncations of images that stay where they are.

    Raises OptionError for a loop that cannot be, and for a picture of more than 134 million pixels.
    """
    journey_of(material, loop)
    stops = _stops_each(material, loop)
    if stops == 1:
        assert loop.psi_to is not None
        parts = [number / max(1, loop.steps - 1) for number in range(loop.steps)]
        psis = [round(loop.psi + part * (loop.psi_to - loop.psi), 12) for part in parts]
        journey, texts = Journey(material, loop, [0.0] * len(psis), loop.loops, psis), [f"{psi:.3g}" for psi in psis]
    else:
        places = [number / loop.steps for number in range(stops * loop.steps)]
        psis = [] if loop.psi_to is None else there_and_back_between(loop.psi, loop.psi_to, len(places), loop.pace == "even")
        journey, texts = Journey(material, loop, places, loop.loops, psis), [""] * len(places)
    names = material.names(loop)
    side = cell_size(max(material.generator.image_shape[1:]), loop.size, 96)
    if len(journey.keys) * loop.loops * side**2 > _LARGEST_SHEET:
        raise OptionError(f"a picture of {len(journey.keys) * loop.loops} images of {side} pixels is too large; lower --steps or --size")
    rows = []
    for number, pictures in enumerate(between(Renderer(material.generator, loop.noise_mode), journey, side)):
        rows.append(pictures)
        if progress is not None:
            progress("rendering", number + 1, len(journey.keys))
    cells = np.stack(rows, 1)
    if loop.loops == 1 and stops > 1:
        texts = [names[number // loop.steps] if number % loop.steps == 0 else "" for number in range(len(texts))]
    labels = None if loop.loops == 1 and stops > 1 else [_span(names[row * stops : (row + 1) * stops]) for row in range(loop.loops)]
    title = caption(material, loop)
    return labelled_grid(cells, row_labels=labels, column_labels=texts, title=title, footer=material.name or None, padding=PADDING)


def _span(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1].rpartition(' ')[2]}"
