"""Numbers as the page writes them: three significant digits, a true minus, powers of ten where they help."""

from __future__ import annotations

import math

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float | None, digits: int = 3) -> str:
    """0.0123, 12.3, 1.23 × 10⁶; "–" for none, "∞" for infinity."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    exponent = _exponent(value, digits)
    return _decimal(value, digits) if _is_plain(exponent) else f"{_decimal(value / 10**exponent, digits)} × {_power(exponent)}"


def interval(bounds: tuple[float, float] | list[float] | None) -> str:
    """ "[0.12, 0.15]", "[1.2, 34] × 10⁶", or "" without one."""
    if bounds is None:
        return ""
    if not all(map(math.isfinite, bounds)):
        return f"[{number(bounds[0])}, {number(bounds[1])}]"
    exponents = [_exponent(bound) for bound in bounds]
    if all(_is_plain(exponent) or bound == 0 for exponent, bound in zip(exponents, bounds, strict=True)):
        return f"[{_decimal(bounds[0])}, {_decimal(bounds[1])}]"
    # One power of ten for both, that of the lower, keeps the larger readable and the column narrow.
    given = [exponent for exponent, bound in zip(exponents, bounds, strict=True) if bound != 0]
    shared = min(given)
    if max(given) - shared > 3:
        return f"[{number(bounds[0])}, {number(bounds[1])}]"
    low, high = (_decimal(bound / 10**shared) for bound in bounds)
    return f"[{low}, {high}] × {_power(shared)}"


def _exponent(value: float, digits: int = 3) -> int:
    return 0 if value == 0 else math.floor(math.log10(abs(float(f"{value:.{digits - 1}e}"))))


def _is_plain(exponent: int) -> bool:
    return -3 <= exponent < 5


def _decimal(value: float, digits: int = 3) -> str:
    if value == 0:
        return "0"
    return f"{value:.{max(0, digits - 1 - _exponent(value, digits))}f}".replace("-", "−")


def _power(exponent: int) -> str:
    return f"10{str(exponent).translate(_SUPERSCRIPTS)}"


def with_error(value: float, bounds: tuple[float, float] | None) -> str:
    """ "0.1077 ± 0.012", for tables of text: the value, with half of its interval where it has one."""
    half = 0.0 if bounds is None else (bounds[1] - bounds[0]) / 2
    return f"{value:.4g}" + (f" ± {half:.2g}" if half > 0 and math.isfinite(half) else "")


def probability(p: float) -> str:
    """ "p = 0.013", "p < 0.001"."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.0995 else f"p = {p:.2f}"


def duration(seconds: float) -> str:
    """ "48 s", "3 min 05 s"."""
    whole = round(seconds)
    return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s" if whole < 120 else f"{whole // 60} min {whole % 60:02d} s"
