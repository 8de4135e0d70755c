"""What a page that is meant to be shared leaves out: where files are on this machine."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

_DRIVE = re.compile(r"[A-Za-z]:[\\/]|\\\\")


def shown_path(path: str) -> str:
    """A path as the page shows it: of an absolute one the name alone."""
    if _DRIVE.match(path):
        return PureWindowsPath(path).name or path
    return PurePosixPath(path).name or path if path.startswith(("/", "~")) else path


def shown_command(words: Sequence[str]) -> str:
    """A command line with absolute paths shortened, also behind an option's equals sign."""
    shown = []
    for word in words:
        option, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
        shown.append(option + equals + shown_path(value))
    return shlex.join(shown)


def without_paths(document: Any) -> Any:
    """The same JSON document with absolute paths shortened; command lines under "command" word by word."""
    if isinstance(document, dict):
        return {
            name: shown_command(_words(value)) if name == "command" and isinstance(value, str) else without_paths(value)
            for name, value in document.items()
        }
    if isinstance(document, list | tuple):
        return [without_paths(value) for value in document]
    return shown_path(document) if isinstance(document, str) else document


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return command.split()
