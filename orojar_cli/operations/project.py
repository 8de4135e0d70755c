"""The w of a picture of one's own."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from orojar_cli.detectors import load_detector
from orojar_cli.errors import OptionError
from orojar_cli.latents.projected import load_projected, save_projected
from orojar_cli.media import FrameComposer, display_size, labelled_grid, picture_html, resize, save_animation, save_image, to_uint8
from orojar_cli.operations.network import Network, network_of, quiet, say_white
from orojar_cli.pictures.walk import Renderer
from orojar_cli.progress import Notice, Progress, unseen
from orojar_cli.projection import PictureDistance, Projection, ProjectionSettings, as_target, decibels, read_photograph
from orojar_cli.projection import project as searched
from orojar_cli.runs.clock import timed
from orojar_cli.runs.run import METRICS, Run, RunWriter, written_at

W, W_PLUS, FILM = "projected_w.npz", "projected_w_plus.npz", "progress.gif"
_TARGET, _PROJECTED, _COMPARISON = "target.png", "projected.png", "comparison.png"
_FRAMES_PER_SECOND = 20


@dataclass(frozen=True)
class Projected:
    """A picture and what a network makes of it: `w` [1, num_ws, w_dim] one w for all layers, `w_plus` one per layer, or None.

    `images` [H, W, C] uint8 are the network's, from far to near, `psnr` their likeness to the `target` in dB; `run` is where it was
    written, if anywhere.
    """

    checkpoint: Network
    name: str
    target: np.ndarray = field(repr=False)
    found: Projection = field(repr=False)
    images: dict[str, np.ndarray] = field(repr=False)
    psnr: dict[str, float]
    run: Run | None = None

    def __repr__(self) -> str:
        reached = ", ".join(f"{name} {value:.1f} dB" for name, value in self.psnr.items())
        return f"<Projected, {self.name} by {self.checkpoint.name}: {reached}{written_at(self.run)}>"

    @property
    def w(self) -> Tensor:
        """One w for all layers."""
        return self.found.w

    @property
    def w_plus(self) -> Tensor | None:
        """A w per layer, nearest to the picture."""
        return self.found.w_plus

    def show(self) -> Image.Image:
        """The picture and what the network makes of it, from far to near, over the differences."""
        pictures = np.stack([self.target, *self.images.values()])
        differences = np.abs(pictures.astype(np.int16) - self.target).astype(np.uint8)
        side = min(256, display_size(max(self.target.shape[:2]), 160))
        columns = ["picture", *(f"{name}, {self.psnr[name]:.1f} dB" for name in self.images)]
        title = f"{self.name} by {Path(self.checkpoint.run_name).name}"
        cells = np.stack([resize(row, side) for row in (pictures, differences)])
        return labelled_grid(cells, row_labels=["image", "difference"], column_labels=columns, title=title)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the nearest w as .npz, which `traverse(projected=…)` shows; the way there as .gif; or the picture of `show`."""
        suffix = Path(path).suffix.lower()
        if suffix == ".npz":
            save_projected(path, self.found.best)
        elif suffix == ".gif":
            save_animation(self._frames(), path, fps=_FRAMES_PER_SECOND)
        else:
            save_image(self.show(), path)

    def _repr_html_(self) -> str:
        return picture_html(self.show(), "a picture and what the network makes of it")

    def _frames(self) -> list[np.ndarray]:
        """The way there beside the picture; at its end it stays for a second."""
        best = self.found.best
        ws = torch.cat([*(point.ws.expand_as(best) for point in self.found.track), best.expand(_FRAMES_PER_SECOND, -1, -1)])
        side = min(display_size(max(self.target.shape[:2]), 128), 512)
        pairs = [resize(np.stack([self.target, image]), side) for image in Renderer(self.checkpoint.generator).images(ws)]
        composer = FrameComposer(2, pairs[0].shape[1:3], marker=False)
        return [composer.compose(pair) for pair in pairs]

    def to_dict(self) -> dict[str, Any]:
        """How near it came, JSON-serialisable; with a run also where its files are."""
        files = {} if self.run is None else {name: str(self.run.path / file) for name, file in self.run.manifest["artefacts"].items()}
        return ({} if self.run is None else {"run": str(self.run.path)}) | files | {"psnr": self.psnr}


@timed
def project(
    picture: str | os.PathLike[str] | Image.Image | np.ndarray,
    network: Any,
    *,
    space: str = "w+",
    steps: int = 400,
    candidates: int = 1000,
    starts: int = 8,
    detector: str = "pixels",
    seed: int = 0,
    class_index: Any = None,
    projected: str | os.PathLike[str] | None = None,
    video: bool = False,
    device: str = "auto",
    outdir: str | os.PathLike[str] | None = None,
    argv: Sequence[str] = (),
    progress: Progress | None = None,
    notice: Notice = quiet,
) -> Projected:
    """Find the w whose image by `network` is nearest to a picture (a file, a PIL image or uint8 pixels), of which the largest centred
    part of the image's proportions is taken.

    `space` "w" looks for one w for all layers, "w+" then also for one per layer, nearer to the picture; `steps` of each of the two;
    `candidates` images are drawn to look for a start, the nearest `starts` of them followed before one is chosen; `detector` is compared
    beside pixels ("critic", "features" or a file).  A network without mapping is projected into z.  `projected` is a file with the w of one
    picture, such as `traverse` and `project` write, to go on from instead of from candidates.
    With `outdir` a numbered run is written, with `video` also the way there.
    Raises InputFileError for a file that is no picture, OptionError for numbers that do not fit.
    """
    if starts > candidates:
        raise OptionError(f"--starts {starts} of --candidates {candidates}: more than there are")
    name, photograph = _opened(picture)
    loaded = network_of(network, device, notice)
    generator = loaded.generator
    say_white(generator, notice, "pictures of a projection have")
    target = as_target(photograph, generator.image_shape).to(loaded.device)
    eye = None if detector == "pixels" else load_detector(detector, loaded.critic if detector == "critic" else None, loaded.device)
    settings = ProjectionSettings(space=space, steps=steps, seed=seed, class_index=class_index, candidates=candidates, starts=starts)
    initial = None if projected is None else load_projected(projected, generator)
    if initial is not None and len(initial) != 1:
        raise OptionError(f"{projected} holds the w of {len(initial)} pictures; a search goes on from one")
    if generator.c_dim and class_index is None:
        notice("conditional network: searching all classes; choose one with --class")

    def found() -> Projected:
        reached = searched(generator, PictureDistance(target, eye), settings, progress or unseen, initial)
        images = {
            stage: generator.synthesis(ws, noise_mode="const").detach().float()
            for stage, ws in stages(reached, initial is not None).items()
        }
        quality = {stage: float(decibels(image, target)) for stage, image in images.items()}
        shown = {stage: to_uint8(image)[0] for stage, image in images.items()}
        return Projected(loaded, name, to_uint8(target)[0], reached, shown, quality)

    if outdir is None:
        return found()
    shown_picture = str(Path(picture).resolve()) if isinstance(picture, (str, os.PathLike)) else name
    began = None if projected is None else str(Path(projected).resolve())
    options = settings.to_dict() | {"picture": shown_picture, "detector": "pixels" if eye is None else eye.name, "projected": began}
    # Made first, so that a folder that cannot be written is noticed before the work.
    with RunWriter(outdir, "project", loaded.run_name, argv=argv) as run:
        result = found()
        return dataclasses.replace(result, run=_written(run, result, options, video))


def stages(found: Projection, given: bool = False) -> dict[str, Tensor]:
    """ws of what is worth comparing, from far to near; `given` says that the start was not looked for."""
    points = {"mean": found.mean, "start" if given else "nearest sample": found.start, "w": found.w}
    return points if found.w_plus is None else points | {"w+": found.w_plus}


def _opened(picture: str | os.PathLike[str] | Image.Image | np.ndarray) -> tuple[str, Image.Image]:
    """(what the picture is called, the picture as RGBA)."""
    if isinstance(picture, (str, os.PathLike)):
        return Path(picture).name, read_photograph(picture)
    if isinstance(picture, np.ndarray) and picture.dtype != np.uint8:
        raise OptionError(f"pixels are {picture.dtype}; pass uint8, from 0 to 255")
    return "picture", (Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture).convert("RGBA")


def _written(run: RunWriter, result: Projected, options: dict[str, Any], video: bool) -> Run:
    """The run of a projection: what was found first, then the pictures."""
    artefacts = {"w": W, "target": _TARGET, "projected": _PROJECTED, "comparison": _COMPARISON, "metrics": METRICS}
    save_projected(run.path / W, result.found.w)
    if result.found.w_plus is not None:
        save_projected(run.path / W_PLUS, result.found.w_plus)
        artefacts["w_plus"] = W_PLUS
    save_image(result.target, run.path / _TARGET)
    save_image(list(result.images.values())[-1], run.path / _PROJECTED)
    save_image(result.show(), run.path / _COMPARISON)
    if video:
        result.save(run.path / FILM)
        artefacts["video"] = FILM
    for point in result.found.track:
        run.metric(stage=point.stage, step=point.step, distance=point.distance)
    checkpoint = result.checkpoint
    return run.finish(options=options, checkpoint=checkpoint.record(), device=str(checkpoint.device), artefacts=artefacts)
