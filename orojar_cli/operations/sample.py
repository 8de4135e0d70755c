"""The images of numbered seeds."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from orojar_cli.errors import OptionError
from orojar_cli.files import written_file
from orojar_cli.generators.protocol import Generator
from orojar_cli.latents.points import seed_latents
from orojar_cli.media import PICTURES, WITH_ALPHA, Numbered, captioned, numbered, picture_html, resize, save_image, tile
from orojar_cli.numbers import check_seeds
from orojar_cli.operations.network import Network, check_noise, network_of, quiet, say_white
from orojar_cli.pictures.walk import Renderer
from orojar_cli.progress import Notice, Progress

_LARGEST_SHEET = 1 << 27  # pixels
_MOST_BYTES = 1 << 32
_AT_ONCE = 64


@dataclass(frozen=True)
class Samples:
    """Images [N, H, W, 3] uint8 of numbered seeds; [N, H, W, 4] of a network that draws with an alpha channel."""

    images: np.ndarray = field(repr=False)
    seeds: tuple[int, ...]

    def __repr__(self) -> str:
        return f"<Samples, {len(self.images)} images of {self.images.shape[2]}x{self.images.shape[1]} pixels>"

    def show(self, columns: int | None = None, size: int | None = None, caption: bool = True) -> Image.Image:
        """All images on one sheet, `columns` side by side (by default about as many as rows), each `size` pixels, with its seed under it
        unless it is the only one.

        Raises OptionError for a sheet of more than 134 million pixels.
        """
        _check_sheet(len(self.images), size or max(self.images.shape[1:3]))
        shown = resize(self.images, size) if size else self.images
        # One image alone is that image, for other tools too.
        if caption and len(self.seeds) > 1:
            shown = captioned(shown, [str(seed) for seed in self.seeds])
        return Image.fromarray(tile(shown, columns or max(1, round(len(shown) ** 0.5))))

    def save(self, path: str | os.PathLike[str], columns: int | None = None, size: int | None = None, caption: bool = True) -> list[Path]:
        """Write the sheet; or each image for itself, where `path` is a folder (with a slash at its end, without a suffix, or there
        already), as seed0000.png and so on, or a name with a place for the seed, such as face_%04d.webp.  Returns what was written.

        PNG and WebP keep an alpha channel, in a JPEG it is laid on white.
        """
        names = _each(path)
        if names is None:
            save_image(self.show(columns, size, caption), path)
            return [Path(path)]
        names.make_folder()
        return [_written(names, seed, image, size) for seed, image in zip(self.seeds, self.images, strict=True)]

    def to_dict(self) -> dict[str, Any]:
        """What was drawn, JSON-serialisable."""
        return {"seeds": list(self.seeds)}

    def _repr_html_(self) -> str:
        return picture_html(self.show(), f"the images of {len(self.seeds)} seeds")


def sample(
    network: Any,
    seeds: Iterable[int] = range(16),
    *,
    class_index: Any = None,
    psi: float = 1.0,
    cutoff: int | None = None,
    noise_mode: str = "const",
    device: str = "auto",
    notice: Notice = quiet,
) -> Samples:
    """The images of numbered seeds, z of seed s being numpy.random.RandomState(s).randn(1, z_dim) as the StyleGAN tools draw it.

    `network` is a loaded checkpoint, the name of one, or an object of your own; `class_index` a class, or a mixture {1: 0.5, 2: 0.5}.
    Raises OptionError for seeds and classes there are not, and for images of more than 4 GiB: `save_samples` writes any number.
    """
    loaded, chosen = _opened(network, seeds, noise_mode, device, notice)
    each = 4 * math.prod(loaded.generator.image_shape[1:])
    if len(chosen) * each > _MOST_BYTES:
        raise OptionError(f"{len(chosen)} images of {loaded.generator.img_resolution} pixels are too many to hold; write them to a folder/")
    parts = [images for _, images in _drawn(loaded.generator, chosen, class_index, psi, cutoff, noise_mode)]
    return Samples(np.concatenate(parts), chosen)


def save_samples(
    network: Any,
    seeds: Iterable[int],
    out: str | os.PathLike[str],
    *,
    columns: int | None = None,
    size: int | None = None,
    caption: bool = True,
    class_index: Any = None,
    psi: float = 1.0,
    cutoff: int | None = None,
    noise_mode: str = "const",
    device: str = "auto",
    progress: Progress | None = None,
    notice: Notice = quiet,
) -> list[Path]:
    """Draw the images of seeds and write them as `Samples.save` does; returns what was written.

    What cannot be written, and a sheet that would be too large, is refused before anything is drawn.  Images of their own are written as
    they are drawn, so that memory does not grow with their number.
    """
    names = _each(out)
    suffix = Path(out).suffix.lower() if names is None else names.suffix
    if suffix not in PICTURES:
        raise OptionError(f"cannot write {out}: a picture's name ends in {', '.join(PICTURES)}, a folder's in a slash")
    if names is not None:
        names.make_folder()
    else:
        written_file(out)
    loaded, chosen = _opened(network, seeds, noise_mode, device, notice)
    generator = loaded.generator
    if names is None:
        _check_sheet(len(chosen), size or max(generator.image_shape[1:]))
    if suffix not in WITH_ALPHA:
        say_white(generator, notice, f"{suffix} has", f"{', '.join(WITH_ALPHA)} keep it")
    parts, written = [], []
    for part, images in _drawn(generator, chosen, class_index, psi, cutoff, noise_mode):
        if names is None:
            parts.append(images)
        else:
            written += [_written(names, seed, image, size) for seed, image in zip(part, images, strict=True)]
        if progress is not None:
            progress("drawing", len(written) + sum(map(len, parts)), len(chosen))
    return Samples(np.concatenate(parts), chosen).save(out, columns, size, caption) if names is None else written


def _each(out: str | os.PathLike[str]) -> Numbered | None:
    """The names of images that are written one by one."""
    return numbered(out, "seed") or (None if Path(out).suffix else Numbered(Path(out), "seed"))


def _opened(network: Any, seeds: Iterable[int], noise_mode: str, device: str, notice: Notice) -> tuple[Network, tuple[int, ...]]:
    loaded, chosen = network_of(network, device, notice), tuple(seeds)
    check_noise(loaded, noise_mode, notice)
    check_seeds(chosen)
    return loaded, chosen


def _drawn(
    generator: Generator, seeds: tuple[int, ...], class_index: Any, psi: float, cutoff: int | None, noise_mode: str
) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
    """Some seeds after others with their images."""
    renderer = Renderer(generator, noise_mode)
    at_once = min(_AT_ONCE, renderer.batch)
    for start in range(0, max(1, len(seeds)), at_once):
        part = seeds[start : start + at_once]
        at = seed_latents(generator, part, class_index, psi, cutoff)
        yield part, renderer.images(generator.mapping(at.z, at.label, psi, cutoff), seeds=part, alpha=True)


def _written(names: Numbered, seed: int, image: np.ndarray, size: int | None) -> Path:
    save_image(resize(image[None], size)[0] if size else image, names(seed))
    return names(seed)


def _check_sheet(count: int, side: int) -> None:
    if count * side**2 > _LARGEST_SHEET:
        raise OptionError(
            f"{count} pictures of {side} pixels are too many for one sheet; use fewer --seeds, a smaller --size, or a folder/ for one each"
        )
