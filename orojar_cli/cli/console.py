"""What the commands say: talk and progress on stderr, results on stdout, with --json exactly one document there."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from orojar_cli.cli.process import check_asked
from orojar_cli.progress import Progress, lasting, unseen

if TYPE_CHECKING:
    from rich.console import Console

# Seconds of a stage that a line without a terminal names.
_WORTH_SAYING = 10.0


# Where bars are drawn at the moment: what is said then has to go above them, or they are written again below it.
_drawing: list[Console] = []


def say(message: str) -> None:
    """A line of talk."""
    if _drawing:
        _drawing[-1].print(message, markup=False, highlight=False, emoji=False, soft_wrap=True)
    else:
        click.echo(message, err=True)


def result(as_json: bool, document: dict[str, Any], lines: list[str]) -> None:
    """The command's result: `document` as JSON, or `lines` for people."""
    if as_json:
        click.echo(json.dumps(document, indent=2))
    else:
        for line in lines:
            click.echo(line)


@contextmanager
def progress_bar(shown: bool = True) -> Iterator[Progress]:
    """A callback progress(stage, done, total) that draws a bar with the time left on a terminal, one line per stage elsewhere.

    Not `shown`, it does nothing: of several processes only one talks.
    """
    if not shown:
        yield unseen
        return
    from rich.console import Console

    console, started, clocks = Console(stderr=True), time.monotonic(), dict[str, _Clock]()
    last = started

    def clock(stage: str, done: int, total: int) -> _Clock:
        nonlocal last
        check_asked()
        # A stage is heard of when its first unit is done: it began when the one before was last heard of.
        found = clocks.setdefault(stage, _Clock(last))
        last = found.now(done, total)
        return found

    def told(stage: str, done: int, total: int) -> None:
        new = stage not in clocks
        left = clock(stage, done, total).left()
        if new:
            lasts = f", {lasting(left)} to go" if left is not None and left > _WORTH_SAYING else ""
            say(f"{stage} ({total}), {time.monotonic() - started:.0f} s{lasts}")

    if not console.is_terminal:
        yield told
        return
    from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars
    from rich.text import Text

    class TimeLeft(ProgressColumn):
        """From the first unit on, however long that took: rich's own estimate forgets what is older than half a minute."""

        def render(self, task: Task) -> Text:
            left = clocks[task.description].left()
            return Text("" if left is None or task.finished else str(timedelta(seconds=round(left))), style="progress.remaining")

    columns = (TextColumn("{task.description:<22}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeLeft())
    with Bars(*columns, console=console) as bars:
        tasks: dict[str, Any] = {}
        left: set[str] = set()

        def leave() -> None:
            """Write what is finished above the bars for good: more bars than the terminal has lines would be written again at the end."""
            for task in [task for task in bars.tasks if task.finished]:
                line = bars.make_tasks_table([task])
                bars.remove_task(task.id)
                bars.console.print(line)
                left.add(task.description)
                del tasks[task.description]

        def drawn(stage: str, done: int, total: int) -> None:
            clock(stage, done, total)
            if stage in left and done >= total:
                return
            if stage not in tasks:
                leave()
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done)

        _drawing.append(bars.console)
        try:
            yield drawn
        finally:
            _drawing.pop()


class _Clock:
    """When a stage began and how far it is."""

    def __init__(self, began: float) -> None:
        self._began = self._heard = began
        self._done, self._total = 0, 0

    def now(self, done: int, total: int) -> float:
        """It is this far; the time."""
        self._heard, self._done, self._total = time.monotonic(), done, total
        return self._heard

    def left(self) -> float | None:
        """Seconds to go at the pace so far; None before the first unit."""
        if not self._done:
            return None
        end = self._began + (self._heard - self._began) * self._total / self._done
        return max(0.0, end - time.monotonic())


def table(header: list[str], rows: list[list[str]]) -> list[str]:
    """Lines of a plain aligned table: first column left, numbers right."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]

    def line(row: list[str]) -> str:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        return "  ".join(cells).rstrip()

    return [line(header), *map(line, rows)]
