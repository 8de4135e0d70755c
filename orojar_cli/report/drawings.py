"""The page's pictures as data URIs: strips of steps, and films of dimensions with their stills."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.generators.stopped import whole_of
from orojar_cli.latents.points import seed_latents
from orojar_cli.latents.spaces import Latents
from orojar_cli.media import data_uri, file_uri, resize, save_animation, tile
from orojar_cli.numbers import Classes
from orojar_cli.pictures.walk import Renderer, strengths, there_and_back, walk
from orojar_cli.progress import Progress
from orojar_cli.report.calibration import Calibration
from orojar_cli.report.contender import Contender

EXTENT = 2.0
STEPS = 5
_FPS, _FRAMES = 10.0, 16
_STRIP_SEEDS = 2
# Small pictures stay as they are, and the page enlarges them; the others are shrunk, lest the page grow to tens of megabytes.
_STRIP_SIDE, _FILM_SIDE = 96, 64
_GROUND = (128, 128, 128)


@dataclass(frozen=True)
class Picture:
    """A data URI with its size in pixels."""

    uri: str
    width: int
    height: int


@dataclass(frozen=True)
class WalkDrawing:
    """Pictures of one dimension: `strips`, one per seed; `film`, the data URI of all seeds moving, and its first frame `still`."""

    strips: tuple[Picture, ...]
    still: Picture
    film: str


@dataclass(frozen=True)
class ImageChoice:
    """Which images the page shows: seeds, and the usual options of a sample."""

    seeds: tuple[int, ...]
    class_index: Classes | None = None
    psi: float = 1.0
    cutoff: int | None = None
    noise_mode: str = "const"


@dataclass(frozen=True)
class Drawings:
    """What was drawn: the `walks` of every subject's dimensions, in order; how; the longer side of the networks' largest images."""

    walks: list[list[WalkDrawing]]
    look: ImageChoice
    resolution: int


def drawn(
    subjects: Sequence[Contender],
    calibrations: Sequence[Calibration],
    look: ImageChoice,
    progress: Progress | None = None,
    quick: bool = False,
) -> Drawings:
    """Strips and films of all dimensions of all subjects at calibrated steps, all on the same seeds.

    Where the networks are stopped before their last layers, films are of what they have by then, strips of the whole images of one seed;
    not if it is to be `quick`.
    """
    total = sum(len(subject.directions) for subject in subjects)
    walks: list[list[WalkDrawing]] = []
    done = 0
    for subject, calibration in zip(subjects, calibrations, strict=True):
        generator = subject.checkpoint.generator
        renderer = Renderer(generator, look.noise_mode)
        whole = renderer if quick or whole_of(generator) is generator else Renderer(whole_of(generator), look.noise_mode)
        seeds = _STRIP_SEEDS if whole is renderer else 1
        at = seed_latents(generator, look.seeds, look.class_index, look.psi, look.cutoff)
        directions = calibration.applied(subject.directions)
        walks.append([])
        for index in range(len(directions)):
            walks[-1].append(walk_pictures(renderer, at, directions, index, seeds, whole))
            done += 1
            if progress is not None:
                progress("pictures and films", done, total)
    return Drawings(walks, look, max(max(whole_of(subject.checkpoint.generator).image_shape[1:]) for subject in subjects))


def walk_pictures(
    renderer: Renderer, at: Latents, directions: DirectionSet, index: int, strip_seeds: int, whole: Renderer | None = None
) -> WalkDrawing:
    """Strips at `STEPS` strengths from -EXTENT to EXTENT for the first `strip_seeds` points, drawn by `whole`, and the film of all points.

    Strengths are in units of the set's sigma: give it the calibrated step as sigma.
    """
    stills = np.stack(list(walk(whole or renderer, at[:strip_seeds], directions, index, strengths(EXTENT, STEPS))))
    stopped = whole_of(renderer.generator) is not renderer.generator
    values = there_and_back(EXTENT, _FRAMES)
    # The film starts where the still is, at the far end, which tells the dimensions apart also on paper.
    values = values[_FRAMES // 4 :] + values[: _FRAMES // 4]
    columns = max(1, round(len(at) ** 0.5))
    frames = [tile(_fitted(images, _FILM_SIDE, stopped), columns, 1, _GROUND) for images in walk(renderer, at, directions, index, values)]
    strips = tuple(picture(tile(_fitted(stills[:, seed], _STRIP_SIDE, stopped), STEPS, 1, _GROUND)) for seed in range(stills.shape[1]))
    return WalkDrawing(strips, picture(frames[0]), film_uri(frames))


def picture(pixels: np.ndarray) -> Picture:
    """Pixels [H, W, 3] as a picture of the page."""
    return Picture(data_uri(pixels), pixels.shape[1], pixels.shape[0])


def film_uri(frames: Sequence[np.ndarray]) -> str:
    """A GIF inside the page."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.gif"
        save_animation(frames, path, fps=_FPS)
        return file_uri(path)


def _fitted(images: np.ndarray, side: int, stopped: bool) -> np.ndarray:
    """Large pictures at this size; of a network that was stopped early also small ones, which the page would take for whole."""
    return resize(images, side) if stopped or max(images.shape[1:3]) > side else images
