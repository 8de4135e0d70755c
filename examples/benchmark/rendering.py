"""Markdown tables of what was measured, put into a page between two comments."""

from __future__ import annotations

import re
import statistics
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from orojar_cli.errors import InputFileError


@dataclass(frozen=True)
class Column:
    """A column of a table: the mean of `key` over a row's runs, with its standard deviation unless `spread` is off or it is 0.

    `best` is max or min where one of the rows is best, which is then bold.
    """

    title: str
    key: str
    digits: int
    best: Callable[[Sequence[float]], float] | None = None
    spread: bool = True

    def cells(self, rows: Sequence[Sequence[dict[str, Any]]]) -> list[str]:
        """One cell for each row's runs; rows that print the same best mean are all bold."""
        columns = [[run[self.key] for run in runs] for runs in rows]
        means = [f"{statistics.mean(values):,.{self.digits}f}" for values in columns]
        best = None if self.best is None else f"{self.best([statistics.mean(values) for values in columns]):,.{self.digits}f}"
        cells = []
        for values, mean in zip(columns, means, strict=True):
            deviation = statistics.stdev(values) if self.spread and len(values) > 1 else 0
            text = f"{mean} ± {deviation:,.{self.digits}f}" if deviation else mean
            cells.append(f"**{text}**" if mean == best else text)
        return cells


def table(title: str, columns: Sequence[Column], rows: dict[str, Sequence[dict[str, Any]]]) -> str:
    """Markdown: a line for each name in `rows` with its runs, in that order."""
    head = [title, *(column.title for column in columns)]
    body = zip(rows, *(column.cells(list(rows.values())) for column in columns), strict=True)
    lines = [" | ".join(cells) for cells in (head, *body)]
    return "\n".join([f"| {lines[0]} |", "|---" * len(head) + "|", *(f"| {line} |" for line in lines[1:])])


def section(world: Any, record: dict[str, Any]) -> str:
    """A world's table and the sentence under it, from its record."""
    measured = {row.name: record["rows"][row.name]["runs"] for row in world.ROWS if row.name in record["rows"]}
    subject = record["subject"]
    seeds = sorted({run["seed"] for runs in measured.values() for run in runs})
    threads = f"{subject['threads']} thread{'s' * (subject['threads'] > 1)}"
    sentence = (
        f"*Mean ± standard deviation over the seeds {', '.join(map(str, seeds))}. {world.caption(subject['yardstick'])} Processor seconds "
        f"on {threads} ({subject['processor']}, torch {subject['torch']}); evaluations are images computed, a Jacobian column counting as "
        f"one. SHA-256 of the network: `{subject['sha256'][:12]}…`.*"
    )
    return f"{table(world.TITLE, world.COLUMNS, measured)}\n\n{textwrap.fill(sentence, 140)}\n"


def replaced(page: str, name: str, text: str) -> str:
    """`page` with `text` between `<!-- benchmark: name -->` and the next `<!-- /benchmark -->`.

    Raises InputFileError when they are not there once.
    """
    start, end = f"<!-- benchmark: {name} -->", "<!-- /benchmark -->"
    pattern = re.compile(rf"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
    if len(pattern.findall(page)) != 1:
        raise InputFileError(f"the page has no place for the table of {name}: put the lines {start} and {end} into it, once")
    return pattern.sub(lambda _: f"{start}\n{text}{end}", page)
