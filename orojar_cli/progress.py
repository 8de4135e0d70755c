"""How long work reports where it is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called as progress(stage, done, total)."""

Notice = Callable[[str], None]
"""Called with a line of talk, such as how interrupted work is continued."""


def unseen(stage: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def once(notice: Notice) -> Notice:
    """`notice` for lines it has not been given before."""
    told: set[str] = set()

    def tell(line: str) -> None:
        if line not in told:
            told.add(line)
            notice(line)

    return tell


def lasting(seconds: float) -> str:
    """About how long, in words: "about 20 s", "about 4 min", "about 2.5 h"."""
    if seconds < 90:
        return f"about {max(1, round(seconds / 5) * 5 if seconds > 10 else round(seconds))} s"
    if seconds < 5400:
        return f"about {round(seconds / 60)} min"
    return f"about {seconds / 3600:.1f} h"
