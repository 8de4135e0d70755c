"""Where pictures go that are written one by one: a folder, or names with a number in them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from orojar_cli.errors import OptionError, OutputFileError
from orojar_cli.files import written_file

_PLACE = re.compile(r"%(0\d{1,2})?d")


@dataclass(frozen=True)
class Numbered:
    """Names of numbered pictures: `folder`/`stem`NNNN`suffix`, NNNN of at least `width` digits (0: as few as there are)."""

    folder: Path
    stem: str
    width: int = 4
    suffix: str = ".png"

    def __call__(self, number: int) -> Path:
        return self.folder / f"{self.stem}{number:0{self.width}d}{self.suffix}"

    def make_folder(self) -> None:
        """Make the folder where it is missing.  Raises OutputFileError where nothing could be written into it."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputFileError(f"cannot make the folder {self.folder}: {error.strerror or error}") from error
        written_file(self(0))


def numbered(out: str | os.PathLike[str], stem: str) -> Numbered | None:
    """The numbered names that `out` asks for: a folder/ (ending in a slash, or there already) gets `stem`0000.png and so on, f_%04d.png
    is a name with a place for the number; None where `out` is one file.

    Raises OptionError for a name with % that is no place for one number.
    """
    text, path = os.fspath(out), Path(out)
    if text.endswith(("/", os.sep)) or path.is_dir():
        return Numbered(path, stem)
    if "%" not in path.name:
        return None
    places = list(_PLACE.finditer(path.name))
    if len(places) != 1 or path.name.count("%") != 1 or places[0].end() > len(path.name) - len(path.suffix):
        raise OptionError(f"cannot write {path.name}: a name with % has one place for a number, such as frame_%04d.png")
    before, after = path.name[: places[0].start()], path.name[places[0].end() :]
    if after != path.suffix:
        raise OptionError(f"cannot write {path.name}: the number stands at the end of the name, as in frame_%04d.png")
    return Numbered(path.parent, before, int(places[0][1] or 0), path.suffix)
