"""What the commands say: talk and progress on stderr, results on stdout, with --json exactly one document there."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from orojar_cli.cli.process import check_asked
from orojar_cli.progress import Progress, unseen


def say(message: str) -> None:
    """A line of talk."""
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

    console, started, stages = Console(stderr=True), time.monotonic(), dict[str, Any]()

    def told(stage: str, done: int, total: int) -> None:
        check_asked()
        if stage not in stages:
            say(f"{stage} ({total}), {time.monotonic() - started:.0f} s")
            stages[stage] = None

    if not console.is_terminal:
        yield told
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description:<22}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Bars(*columns, console=console) as bars:

        def drawn(stage: str, done: int, total: int) -> None:
            check_asked()
            if stage not in stages:
                stages[stage] = bars.add_task(stage, total=total)
            bars.update(stages[stage], completed=done)

        yield drawn


def table(header: list[str], rows: list[list[str]]) -> list[str]:
    """Lines of a plain aligned table: first column left, numbers right."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]

    def line(row: list[str]) -> str:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        return "  ".join(cells).rstrip()

    return [line(header), *map(line, rows)]
