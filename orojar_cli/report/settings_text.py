"""Settings in words, for the pages' footers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def settings_text(settings: Mapping[str, Any]) -> str:
    """Names and values in one line, without those that are not set."""
    return ", ".join(f"{name.replace('_', ' ')} {_plain(value)}" for name, value in settings.items() if value not in (None, (), [], {}, ""))


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"({settings_text(value)})"
    if isinstance(value, list | tuple):
        return "/".join(map(_plain, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
