"""How long work reports where it is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called as progress(stage, done, total)."""

Notice = Callable[[str], None]
"""Called with a line of talk, such as how interrupted work is continued."""


def unseen(stage: str, done: int, total: int) -> None:
    """Progress that nobody watches."""
