"""Draw how time and memory grow: the table and the plot of docs/performance.md, from what the benchmark measured.

orojar bench --growth --full --json > examples/benchmark/results/growth.json
python examples/benchmark/growth.py
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rendering import replaced

from orojar_cli.bench.growing import exponent
from orojar_cli.files import write_bytes

ROOT = Path(__file__).parent.parent.parent
RESULTS = Path(__file__).parent / "results" / "growth.json"
_PANEL, _PLOT, _COLUMNS = (320, 190), (64, 30, 236, 120), 3


@dataclass(frozen=True)
class Curve:
    """One quantity at several sizes."""

    name: str
    unit: str
    points: tuple[tuple[int, float], ...]

    @property
    def last_step(self) -> float:
        """The exponent between the two largest sizes."""
        return self._slope(self.points[-2:])

    @property
    def slope(self) -> float:
        """The exponent over all sizes."""
        return self._slope(self.points)

    def _slope(self, points: tuple[tuple[int, float], ...]) -> float:
        return exponent([size for size, _ in points], [figure for _, figure in points])


def curves(document: dict[str, Any]) -> list[Curve]:
    """The quantities of a document of `orojar bench --growth --json`, in its order."""
    found: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for row in document["rows"]:
        name, _, size = row["what"].rpartition(": ")
        if size.isdecimal():
            found.setdefault((name, row["unit"]), []).append((int(size), row["value"]))
    return [Curve(*key, tuple(points)) for key, points in found.items()]


def table(drawn: list[Curve]) -> str:
    """Markdown: a line for every curve."""
    lines = ["| | sizes | first | last | exponent | of the last step |", "|---|---|---|---|---|---|"]
    for curve in drawn:
        (first, low), (last, high) = curve.points[0], curve.points[-1]
        cells = [curve.name, f"{first} to {last}", _figure(low, curve.unit), _figure(high, curve.unit)]
        lines.append(f"| {' | '.join([*cells, f'{curve.slope:.2f}', f'{curve.last_step:.2f}'])} |")
    return "\n".join(lines)


def _figure(value: float, unit: str) -> str:
    """12 ms, 3.4 s, 120 MiB, 1.3 GiB."""
    if unit == "s" and value < 1:
        value, unit = 1000 * value, "ms"
    if unit == "MiB" and value >= 1024:
        value, unit = value / 1024, "GiB"
    return f"{value:.0f} {unit}" if value >= 100 else f"{value:.2g} {unit}"


def plot(drawn: list[Curve]) -> str:
    """An SVG of small logarithmic panels, each with its exponent."""
    width, height = _PANEL[0] * _COLUMNS, _PANEL[1] * math.ceil(len(drawn) / _COLUMNS)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for index, curve in enumerate(drawn):
        row, column = divmod(index, _COLUMNS)
        parts.append(f'<g transform="translate({column * _PANEL[0]} {row * _PANEL[1]})">{_panel(curve)}</g>')
    return "\n".join([*parts, "</svg>\n"])


def _panel(curve: Curve) -> str:
    left, top, across, down = _PLOT
    sizes, figures = [size for size, _ in curve.points], [figure for _, figure in curve.points]
    decades = range(math.floor(math.log10(min(figures))), math.ceil(math.log10(max(figures))) + 1)

    def x(size: float) -> float:
        return left + across * math.log(size / sizes[0]) / math.log(sizes[-1] / sizes[0])

    def y(figure: float) -> float:
        return top + down * (decades[-1] - math.log10(figure)) / (len(decades) - 1)

    parts = [f'<text x="{left}" y="16" fill="#222">{curve.name}</text>']
    for decade in decades:
        level = y(10.0**decade)
        parts.append(f'<path d="M{left} {level:.1f}H{left + across}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 5}" y="{level + 4:.1f}" text-anchor="end" fill="#777">{_figure(10.0**decade, curve.unit)}</text>')
    for size in sizes:
        parts.append(f'<text x="{x(size):.1f}" y="{top + down + 15}" text-anchor="middle" fill="#777">{size}</text>')
    line = "L".join(f"{x(size):.1f} {y(figure):.1f}" for size, figure in curve.points)
    parts.append(f'<path d="M{line}" fill="none" stroke="#2563a8" stroke-width="2"/>')
    parts += [f'<circle cx="{x(size):.1f}" cy="{y(figure):.1f}" r="3" fill="#2563a8"/>' for size, figure in curve.points]
    parts.append(f'<text x="{left + across}" y="{top + down - 8}" text-anchor="end" fill="#2563a8">exponent {curve.slope:.2f}</text>')
    return "".join(parts)


def written(page: str, drawn: list[Curve]) -> str:
    """The page with the table in its place."""
    return replaced(page, "growth", f"{table(drawn)}\n")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="?", default=RESULTS, help="what the benchmark wrote")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "performance.md")
    parser.add_argument("--plot", type=Path, default=ROOT / "docs" / "pictures" / "growth.svg")
    options = parser.parse_args(argv)
    drawn = curves(json.loads(options.results.read_text()))
    write_bytes(options.plot, plot(drawn).encode())
    write_bytes(options.page, written(options.page.read_text(), drawn).encode())


if __name__ == "__main__":
    main()
