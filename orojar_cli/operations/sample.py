"""The images of numbered seeds."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from orojar_cli.errors import OutputFileError
from orojar_cli.latents.points import seed_latents
from orojar_cli.media import picture_html, resize, save_image, tile
from orojar_cli.operations.network import check_noise, network_of, quiet
from orojar_cli.pictures.walk import Renderer
from orojar_cli.progress import Notice


@dataclass(frozen=True)
class Samples:
    """Images [N, H, W, 3] uint8 of numbered seeds."""

    images: np.ndarray = field(repr=False)
    seeds: tuple[int, ...]

    def __repr__(self) -> str:
        return f"<Samples, {len(self.images)} images of {self.images.shape[2]}x{self.images.shape[1]} pixels>"

    def show(self, columns: int | None = None, size: int | None = None) -> Image.Image:
        """All images on one sheet, `columns` side by side (by default about as many as rows), each `size` pixels."""
        shown = resize(self.images, size) if size else self.images
        return Image.fromarray(tile(shown, columns or max(1, round(len(shown) ** 0.5))))

    def save(self, path: str | os.PathLike[str], columns: int | None = None, size: int | None = None) -> list[Path]:
        """Write the sheet, or where `path` has no suffix a folder with seed0000.png and so on; returns what was written."""
        path = Path(path)
        if path.suffix:
            save_image(self.show(columns, size), path)
            return [path]
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputFileError(f"cannot make the folder {path}: {error.strerror or error}") from error
        written = []
        for seed, image in zip(self.seeds, resize(self.images, size) if size else self.images, strict=True):
            written.append(path / f"seed{seed:04d}.png")
            save_image(Image.fromarray(image), written[-1])
        return written

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

    `network` is a loaded checkpoint, the name of one, or an object of your own.  Raises OptionError for seeds and classes there are not.
    """
    loaded = network_of(network, device, notice)
    check_noise(loaded, noise_mode, notice)
    generator, chosen = loaded.generator, tuple(seeds)
    at = seed_latents(generator, chosen, class_index, psi, cutoff)
    return Samples(Renderer(generator, noise_mode).images(generator.mapping(at.z, at.label, psi, cutoff), seeds=chosen), chosen)
