"""Tables of the page: as text, as CSV, as LaTeX."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from orojar_cli.report import numbers

_LATEX = {character: f"\\{character}" for character in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "−": "$-$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "Σ": r"$\Sigma$",
    "σ": r"$\sigma$",
    "½": r"$\frac{1}{2}$",
    "‖": r"$\|$",
    "²": "$^2$",
    "ᵢ": "$_i$",
    "ⱼ": "$_j$",
    "…": r"\dots{}",
}
# What a table calculator would take for a formula.
_FORMULA = re.compile(r"[=+\-@\t\r]")


@dataclass(frozen=True)
class Number:
    """A cell that is a number, with its interval where it has one; `best` and `own` as the summary marks them."""

    value: float | None
    interval: tuple[float, float] | None = None
    best: bool = False
    own: bool = False

    def __str__(self) -> str:
        return f"{numbers.number(self.value)} {numbers.interval(self.interval)}".rstrip()


Cell = str | Number


@dataclass(frozen=True)
class Table:
    """A table under the name of its file: the heading, and rows of as many cells."""

    name: str
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]] = field(default_factory=list)

    def csv(self) -> str:
        """All digits; an interval in two columns of its own, where its column has any."""
        wide = [any(isinstance(cell, Number) and cell.interval for cell in column) for column in zip(*self.rows, strict=True)]
        wide = wide or [False] * len(self.header)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        headings = [[name, f"{name}, low", f"{name}, high"] if many else [name] for name, many in zip(self.header, wide, strict=True)]
        writer.writerow([_harmless(name) for names in headings for name in names])
        for row in self.rows:
            cells = [_csv_cells(cell, many) for cell, many in zip(row, wide, strict=True)]
            writer.writerow([cell for found in cells for cell in found])
        return text.getvalue()

    def latex(self) -> str:
        """A tabular of three digits, value ± half of the interval; the best in bold, a dagger on what a method minimises itself."""
        numeric = [any(isinstance(cell, Number) for cell in column) for column in zip(*self.rows, strict=True)]
        columns = "l" + "".join("r" if found else "l" for found in (numeric or [False] * len(self.header))[1:])
        lines = [f"% {_one_line(self.title)}", rf"\begin{{tabular}}{{{columns}}}", r"\hline"]
        lines.append(" & ".join(map(escaped, self.header)) + r" \\")
        lines.append(r"\hline")
        lines += [" & ".join(_latex_cell(cell) for cell in row) + r" \\" for row in self.rows]
        return "\n".join([*lines, r"\hline", r"\end{tabular}", ""])


def escaped(text: str) -> str:
    """A text that LaTeX writes as it is."""
    return "".join(_LATEX.get(character, character) for character in _one_line(text))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _harmless(text: str) -> str:
    return f"'{text}" if _FORMULA.match(text) else text


def _csv_cells(cell: Cell, wide: bool) -> list[str]:
    if isinstance(cell, str):
        return [_harmless(cell), "", ""] if wide else [_harmless(cell)]
    bounds = list(map(repr, map(float, cell.interval))) if cell.interval else ["", ""]
    return ["" if cell.value is None else repr(float(cell.value)), *(bounds if wide else [])]


def _latex_cell(cell: Cell) -> str:
    if isinstance(cell, str):
        return escaped(cell)
    if cell.value is None or not math.isfinite(cell.value):
        return "--"
    half = (cell.interval[1] - cell.interval[0]) / 2 if cell.interval else 0.0
    text = _latex_number(cell.value, half)
    text = rf"\mathbf{{{text}}}" if cell.best else text
    dagger = r"^{\dagger}" if cell.own else ""
    return f"${text}{dagger}$"


def _latex_number(value: float, half: float) -> str:
    """ "0.108 \\pm 0.012", "(1.42 \\pm 0.27) \\times 10^{4}": both with one power of ten, the value with three digits."""
    exponent = math.floor(math.log10(abs(value))) if value else 0
    shared = exponent if not -3 <= exponent < 4 else 0
    value, half = value / 10.0**shared, half / 10.0**shared
    digits = max(0, 2 - (exponent - shared))
    text = f"{value:.{digits}f}" + (rf" \pm {half:.{digits}f}" if half > 0 and math.isfinite(half) else "")
    return text if not shared else rf"{f'({text})' if half > 0 else text} \times 10^{{{shared}}}"
