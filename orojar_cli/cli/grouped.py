"""Help with the options under headings, for commands that have many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click


class GroupedCommand(click.Command):
    """A command whose help shows its options in `groups`: heading -> names of parameters; what is in none comes last."""

    def __init__(self, *args: Any, groups: Mapping[str, Sequence[str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.groups = groups

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, group by group."""
        left = {str(parameter.name): record for parameter in self.get_params(ctx) if (record := parameter.get_help_record(ctx))}
        for heading, names in self.groups.items():
            with formatter.section(heading):
                formatter.write_dl([left.pop(name) for name in names if name in left])
        if left:
            with formatter.section("Options"):
                formatter.write_dl(list(left.values()))
