"""Training pictures from a folder or a zip file, as a network's critic sees them."""

from __future__ import annotations

import hashlib
import io
import os
import warnings
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from orojar_cli.errors import InputFileError, OptionError
from orojar_cli.media import centred, from_uint8

FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
_MOST_FILES = 2_000_000
# Of one file, packed or unpacked, and of one picture.
_MOST_BYTES, _MOST_PIXELS = 64 << 20, 50_000_000


class TrainingPictures:
    """Pictures by number; each is read when it is asked for, centre-cropped to the image's proportions and resized."""

    def __init__(self, path: str | os.PathLike[str], shape: tuple[int, int, int]) -> None:
        """All pictures below a folder, or in a zip file (nothing is unpacked to disk), in the order of their names, as images of `shape`.

        Raises InputFileError where there is no such folder or zip file, or no picture in it, OptionError for a network whose images
        are neither grey nor RGB.
        """
        self.path, (self.channels, self.height, self.width) = Path(path), shape
        if self.channels not in (1, 3):
            raise OptionError(f"--data: this network's images have {self.channels} channels; grey and RGB are supported")
        self._archive: zipfile.ZipFile | None = None
        try:
            sizes = self._folder() if self.path.is_dir() else self._zip()
        except (OSError, zipfile.BadZipFile) as error:
            raise InputFileError(f"{self.path} is neither a folder nor a readable zip file of pictures ({error})") from error
        if not sizes:
            raise InputFileError(f"{self.path} has no pictures ({', '.join(suffix[1:] for suffix in _SUFFIXES)})")
        self.names = sorted(sizes)
        # Says whether a resumed run still sees the same pictures, without reading them.
        self.digest = hashlib.sha256("\n".join(f"{name} {sizes[name]}" for name in self.names).encode("utf-8", "replace")).hexdigest()

    def __len__(self) -> int:
        return len(self.names)

    def _folder(self) -> dict[str, int]:
        sizes: dict[str, int] = {}
        for folder, _, files in os.walk(self.path):
            for file in files:
                if file.lower().endswith(_SUFFIXES):
                    sizes[os.path.relpath(os.path.join(folder, file), self.path)] = os.stat(os.path.join(folder, file)).st_size
            if len(sizes) > _MOST_FILES:
                raise InputFileError(f"{self.path} has more than {_MOST_FILES} pictures; choose a smaller folder")
        return sizes

    def _zip(self) -> dict[str, int]:
        self._archive = zipfile.ZipFile(self.path)
        entries = self._archive.infolist()
        if len(entries) > _MOST_FILES:
            raise InputFileError(f"{self.path} has more than {_MOST_FILES} entries; choose a smaller file")
        return {entry.filename: entry.file_size for entry in entries if entry.filename.lower().endswith(_SUFFIXES)}

    def batch(self, indices: Tensor) -> Tensor:
        """Pictures [N, C, H, W] in [-1, 1] by their numbers [N].  Raises InputFileError for one that cannot be used."""
        return from_uint8(np.stack([self._picture(self.names[index]) for index in indices.tolist()]))

    def _picture(self, name: str) -> np.ndarray:
        """One picture [H, W, C] uint8."""
        where = f"{self.path}: {ascii(name)[1:-1]}"
        try:
            data = self._bytes(name)
        except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, zipfile.zlib.error) as error:  # type: ignore[attr-defined]
            raise InputFileError(f"{where} cannot be read ({error}); remove it") from error
        if len(data) > _MOST_BYTES:
            raise InputFileError(f"{where} has more than {_MOST_BYTES >> 20} MiB; remove it")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
                    if picture.width * picture.height > _MOST_PIXELS:
                        raise InputFileError(f"{where} has {picture.width} x {picture.height} pixels; remove it or make it smaller")
                    return self._fitted(picture)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise InputFileError(f"{where} is not a whole picture ({error}); remove it") from error

    def _bytes(self, name: str) -> bytes:
        """The file's bytes, at most one more than allowed whatever its headers say."""
        if self._archive is not None:
            with self._archive.open(name) as entry:
                return entry.read(_MOST_BYTES + 1)
        with open(self.path / name, "rb") as file:
            return file.read(_MOST_BYTES + 1)

    def _fitted(self, picture: Image.Image) -> np.ndarray:
        converted = picture.convert("L" if self.channels == 1 else "RGB")
        box = centred(converted.size, self.width / self.height)
        if box != (0, 0, *converted.size):
            converted = converted.crop(box)
        if converted.size != (self.width, self.height):
            converted = converted.resize((self.width, self.height), Image.Resampling.LANCZOS)
        return np.asarray(converted, np.uint8).reshape(self.height, self.width, self.channels)
