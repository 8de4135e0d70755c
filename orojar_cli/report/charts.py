"""Charts as inline SVG, in the page's own colours and font: bars, dots with whiskers, heat maps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from markupsafe import Markup

from orojar_cli.report.numbers import interval, number

Bounds = tuple[float, float] | None
_WIDTH = 340
_CHARACTER = 7.0
_LONGEST_LABEL = 24


def whiskers(title: str, names: Sequence[str], values: Sequence[float], intervals: Sequence[Bounds], best: str | None = None) -> Markup:
    """A dot for every value with its interval as a line, one row per name, on a common axis; `best` is drawn full."""
    left = _label_width(names)
    row, top = 24, 6
    finite = [x for value, bounds in zip(values, intervals, strict=True) for x in (value, *(bounds or ())) if math.isfinite(x)]
    marks = ticks(min(finite, default=0.0), max(finite, default=1.0))
    low, high = marks[0], marks[-1]
    bottom = top + row * len(names)

    def x(value: float) -> float:
        return left + (_WIDTH - 16 - left) * (min(max(value, low), high) - low) / (high - low)

    parts = [_axis(marks, x, top, bottom)]
    for index, (name, value, bounds) in enumerate(zip(names, values, intervals, strict=True)):
        y = top + row * (index + 0.5)
        parts.append(_label(name, left - 8, y + 4))
        if not math.isfinite(value):
            parts.append(Markup('<text class="faint" x="{:.1f}" y="{:.1f}">{}</text>').format(left, y + 4, number(value)))
            continue
        if bounds is not None and all(map(math.isfinite, bounds)):
            first, last = x(bounds[0]), x(bounds[1])
            parts.append(Markup('<path class="whisker" d="M{:.1f} {:.1f}H{:.1f}"/>').format(first, y, max(last, first + 1)))
        told = f"{name}: {number(value)} {interval(bounds)}".rstrip()
        kind = "dot best" if name == best else "dot"
        parts.append(
            Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="4.5"><title>{}</title></circle>').format(kind, x(value), y, told)
        )
    return _svg(title, _WIDTH, bottom + 22, parts)


def bars(title: str, labels: Sequence[str], values: Sequence[float], intervals: Sequence[Bounds], top_value: float | None = None) -> Markup:
    """Upright bars with their intervals, labels below; `top_value` is the end of the axis, so that several charts can share one."""
    height, base, left = 120, 132, 44
    finite = [x for value, bounds in zip(values, intervals, strict=True) for x in (value, *(bounds or ())) if math.isfinite(x)]
    marks = ticks(0.0, max([top_value or 0.0, *finite, 1e-12]), 4)
    width = (_WIDTH - left - 4) / max(1, len(values))

    def y(value: float) -> float:
        return base - height * min(max(value, 0.0), marks[-1]) / marks[-1]

    parts = [Markup('<path class="grid" d="M{} {:.1f}H{}"/>').format(left, y(mark), _WIDTH - 4) for mark in marks]
    parts += [
        Markup('<text class="faint end" x="{}" y="{:.1f}">{}</text>').format(left - 6, y(mark) + 4, tick_text(mark)) for mark in marks
    ]
    # Labels that would touch are written for every second, third, … bar only.
    every = max(1, math.ceil(max(map(len, labels), default=1) * _CHARACTER / width))
    for index, (label, value, bounds) in enumerate(zip(labels, values, intervals, strict=True)):
        start, middle = left + width * index, left + width * (index + 0.5)
        told = f"{label}: {number(value)} {interval(bounds)}".rstrip()
        thick = max(1.0, min(width * 0.72, 26))
        parts.append(
            Markup('<rect class="bar" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"><title>{}</title></rect>').format(
                start + (width - thick) / 2, y(value), thick, base - y(value), told
            )
        )
        if bounds is not None:
            parts.append(Markup('<path class="error" d="M{:.1f} {:.1f}V{:.1f}"/>').format(middle, y(bounds[0]), y(bounds[1])))
        if index % every == 0:
            parts.append(Markup('<text class="faint middle" x="{:.1f}" y="{}">{}</text>').format(middle, base + 15, label))
    return _svg(title, _WIDTH, base + 22, parts)


def line(title: str, xs: Sequence[float], ys: Sequence[float]) -> Markup:
    """One curve; the axis below goes unnamed, the one at the left encloses the values."""
    height, base, left, right = 110.0, 120.0, 64, _WIDTH - 6
    marks = ticks(min(ys), max(ys), 4)
    reach, span = (xs[-1] - xs[0]) or 1.0, marks[-1] - marks[0]

    def y(value: float) -> float:
        return base - height * (value - marks[0]) / span

    parts = [Markup('<path class="grid" d="M{} {:.1f}H{}"/>').format(left, y(mark), right) for mark in marks]
    parts += [
        Markup('<text class="faint end" x="{}" y="{:.1f}">{}</text>').format(left - 6, y(mark) + 4, tick_text(mark)) for mark in marks
    ]
    points = "L".join(f"{left + (right - left) * (x - xs[0]) / reach:.1f} {y(value):.1f}" for x, value in zip(xs, ys, strict=True))
    parts.append(Markup('<path class="curve" d="M{}"><title>from {} to {}</title></path>').format(points, number(ys[0]), number(ys[-1])))
    return _svg(title, _WIDTH, base + 8, parts)


def heat_map(
    title: str, rows: Sequence[str], columns: Sequence[str], cells: Sequence[Sequence[float]], *, full: float, written: bool = False
) -> Markup:
    """Cells [rows][columns], darker towards `full`; `written` puts the numbers into them.  Every cell tells its number when pointed at."""
    left, top = _label_width(rows), 22
    # Square where many, wide enough to be read where the numbers are written.
    width = min(64.0 if written else 26.0, (_WIDTH - left - 4) / max(1, len(columns)))
    height = 24.0 if written else width
    every = max(1, math.ceil(max(map(len, columns), default=1) * _CHARACTER / width)) if not written else 1
    every_row = max(1, math.ceil(12 / height))
    parts = [
        Markup('<text class="faint middle" x="{:.1f}" y="{}">{}</text>').format(left + width * (index + 0.5), top - 8, column)
        for index, column in enumerate(columns)
        if index % every == 0
    ]
    for index, (name, values) in enumerate(zip(rows, cells, strict=True)):
        y = top + height * index
        if index % every_row == 0:
            parts.append(_label(name, left - 8, y + height / 2 + 4))
        for column, value in enumerate(values):
            share = min(1.0, abs(value) / full) if full > 0 and math.isfinite(value) else 0.0
            x = left + width * column
            if math.isnan(value):
                continue
            told = f"{name}, {columns[column]}: {number(value)}"
            parts.append(
                Markup(
                    '<rect class="cell" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill-opacity="{:.2f}"><title>{}</title></rect>'
                ).format(x + 0.5, y + 0.5, max(0.5, width - 1), max(0.5, height - 1), share, told)
            )
            if written:
                # Three tones, because the same cell is darker than its text in one colour scheme and lighter in the other: at these
                # limits every text keeps a contrast of 4.5 in both.
                kind = "low" if share < 0.58 else "mid" if share < 0.81 else "high"
                parts.append(
                    Markup('<text class="middle cell-text {}" x="{:.1f}" y="{:.1f}">{}</text>').format(
                        kind, x + width / 2, y + height / 2 + 4, f"{value:.2f}"
                    )
                )
    return _svg(title, math.ceil(left + width * len(columns) + 4), math.ceil(top + height * len(rows) + 4), parts)


def ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round numbers at even distances of 1, 2 or 5 times a power of ten that enclose low to high."""
    if not high - low > 1e-12 * max(abs(low), abs(high), 1e-300):
        # A single value still needs an axis around it.
        reach = abs(high) * 0.1 or 1.0
        low, high = low - reach, high + reach
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [index * step for index in range(first, last + 1)]


def tick_text(value: float) -> str:
    """A tick without the digits that rounding adds: 0.3, not 0.300."""
    if value == 0:
        return "0"
    if not 1e-4 <= abs(value) < 1e5:
        return number(value, 1)
    return f"{value:.6g}".replace("-", "−")


def _axis(marks: Sequence[float], x: Callable[[float], float], top: float, bottom: float) -> Markup:
    parts = []
    for index, mark in enumerate(marks):
        parts.append(Markup('<path class="grid" d="M{:.1f} {:.1f}V{:.1f}"/>').format(x(mark), top, bottom))
        # With many marks, or long ones, every second is named.
        if len(marks) <= 6 or index % 2 == 0:
            parts.append(Markup('<text class="faint middle" x="{:.1f}" y="{:.1f}">{}</text>').format(x(mark), bottom + 15, tick_text(mark)))
    return Markup("").join(parts)


def _label_width(names: Sequence[str]) -> int:
    return round(max((min(len(name), _LONGEST_LABEL) for name in names), default=0) * _CHARACTER) + 12


def _label(name: str, x: float, y: float) -> Markup:
    shown = name if len(name) <= _LONGEST_LABEL else name[: _LONGEST_LABEL - 1] + "…"
    return Markup('<text class="end" x="{:.1f}" y="{:.1f}">{}</text>').format(x, y, shown)


def _svg(title: str, width: float, height: float, parts: Sequence[Markup]) -> Markup:
    return Markup('<svg viewBox="0 0 {0} {1}" style="max-width:{0}px" role="img" aria-label="{2}"><title>{2}</title>{3}</svg>').format(
        width, height, title, Markup("").join(parts)
    )
