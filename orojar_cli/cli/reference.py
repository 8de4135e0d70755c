"""The command reference, made from the program itself: `python -m orojar_cli.cli.reference > docs/commands.md`."""

from __future__ import annotations

import click

_INTRODUCTION = """# Commands

Made by `python -m orojar_cli.cli.reference` from the program's own help; a test keeps it true.

`orojar COMMAND --help` prints the same. `--debug` anywhere on the line shows the traceback of an error. Exit codes: 0 done, 1 failed,
2 usage, 3 refused as unsafe, 130 interrupted, 143 asked to end.
"""


def command_reference(group: click.Group) -> str:
    """Markdown with a section for each command of `group`, in the order of its own list."""
    context = click.Context(group, info_name="orojar", **group.context_settings)
    sections = [_INTRODUCTION]
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        sections.append(_section(command, click.Context(command, parent=context, info_name=name)))
    return "\n".join(sections)


def _section(command: click.Command, context: click.Context) -> str:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    help_text = "\n\n".join(" ".join(part.split()) for part in (command.help or "").replace("\b", "").split("\n\n"))
    lines = [f"## {context.command_path}", "", f"    {usage}", "", help_text, ""]
    # Arguments stand in the usage line; whether they have a record as well depends on click's version.
    shown = (parameter.get_help_record(context) for parameter in command.get_params(context) if isinstance(parameter, click.Option))
    records = [record for record in shown if record]
    if records:
        lines += ["| option | |", "|---|---|"]
        lines += [f"| `{_cell(option)}` | {_cell(text)} |" for option, text in records]
        lines.append("")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    from orojar_cli.cli import orojar

    print(command_reference(orojar), end="")
