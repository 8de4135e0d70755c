"""What can be taken out of the page: tables as CSV and LaTeX, charts as SVG and PNG, each in the page and as a file beside it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orojar_cli.files import write_bytes
from orojar_cli.media.data_uri import as_uri
from orojar_cli.report.chart_files import png, standalone
from orojar_cli.report.grid_files import GridFile
from orojar_cli.report.tables import Table

# Bytes of a file that the page holds.
_LARGEST_INSIDE = 300_000
_KINDS = {
    ".csv": "text/csv;charset=utf-8",
    ".tex": "text/plain;charset=utf-8",
    ".txt": "text/plain;charset=utf-8",
    ".bib": "text/plain;charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}


@dataclass
class Exports:
    """The files of one page by name, which lie in `folder` beside it; what adds one returns the links to it: label, name and address.

    The address is the file itself as a data URI, of a large one its place in the folder.
    """

    folder: str
    files: dict[str, bytes] = field(default_factory=dict)

    def table(self, table: Table) -> list[dict[str, str]]:
        """CSV and LaTeX."""
        name = self._free(table.name)
        return [
            self.file("CSV", f"{name}.csv", table.csv().encode("utf-8-sig", "replace")),
            self.file("LaTeX", f"{name}.tex", table.latex().encode(errors="replace")),
        ]

    def chart(self, name: str, svg: str) -> list[dict[str, str]]:
        """SVG and PNG."""
        name = self._free(name)
        return [self.file("SVG", f"{name}.svg", standalone(svg).encode()), self.file("PNG", f"{name}.png", png(svg))]

    def grid(self, name: str, grid: GridFile) -> list[dict[str, str]]:
        """SVG with the pictures in it, and PNG."""
        name = self._free(name)
        return [self.file("SVG", f"{name}.svg", grid.svg().encode()), self.file("PNG", f"{name}.png", grid.png())]

    def file(self, label: str, name: str, data: bytes) -> dict[str, str]:
        """Any other file."""
        self.files[name] = data
        inside = len(data) <= _LARGEST_INSIDE
        return {
            "label": label,
            "file": name,
            "uri": as_uri(_KINDS[Path(name).suffix], data) if inside else f"{relative(self.folder)}/{relative(name)}",
        }

    def write(self, folder: Path) -> None:
        """All of them into a folder, each whole or not at all."""
        folder.mkdir(exist_ok=True)
        for name, data in self.files.items():
            write_bytes(folder / name, data)

    def _free(self, name: str) -> str:
        """A name of a file that no other has, of letters, digits and hyphens."""
        plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60] or "figure"
        taken = {Path(other).stem for other in self.files}
        return next(found for number in range(1, 10_000) if (found := plain if number == 1 else f"{plain}-{number}") not in taken)


def relative(name: str) -> str:
    """The name of a file beside the page as an address: what is no letter, digit, dot or hyphen by its bytes."""
    plain = (
        chr(byte) if (chr(byte).isalnum() and byte < 128) or byte in b"-_." else f"%{byte:02X}" for byte in name.encode(errors="replace")
    )
    return "".join(plain)


def folder_of(page: Path) -> Path:
    """Where the files beside a page are."""
    return page.with_name(f"{page.stem}-files")


def shared(panels: list[dict[str, Any]], exports: Exports, figure: str) -> list[dict[str, Any]]:
    """Panels with the links to their charts."""
    return [panel | {"links": exports.chart(f"{figure}-{panel['title']}", str(panel["svg"]))} for panel in panels]
