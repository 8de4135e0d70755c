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


def lasting(seconds: float, budget: float | None = None) -> str:
    """About how long, in words: "about 20 s", "about 4 min", "about 2.5 h"; and where that is more than the `budget` in seconds that
    somebody gave, that less cannot be done."""
    if seconds < 90:
        about = f"about {max(1, round(seconds / 5) * 5 if seconds > 10 else round(seconds))} s"
    elif seconds < 5400:
        about = f"about {round(seconds / 60)} min"
    else:
        about = f"about {seconds / 3600:.1f} h"
    return about + (", which is the least there is" if budget is not None and seconds > 1.2 * budget else "")
