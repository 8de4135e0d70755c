"""What a person sees on a small terminal while work goes on."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

pty = pytest.importorskip("pty")
HEIGHT = 8


def on_terminal(program: Path) -> list[str]:
    """The lines that a program leaves on a terminal of eight lines, those that scrolled away with them."""
    import fcntl
    import struct
    import termios

    process, terminal = pty.fork()
    if process == 0:
        fcntl.ioctl(2, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, 90, 0, 0))
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COLUMNS", "LINES"))}
        os.execve(sys.executable, [sys.executable, str(program)], environment | {"TERM": "xterm"})
    written = b""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # Linux says so at the end
            break
        if not part:
            break
        written += part
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0, written.decode()
    return shown(written.decode())


def shown(text: str) -> list[str]:
    """The lines after carriage returns, line feeds, cursors up and erased lines; the cursor goes no higher than the terminal is."""
    lines, row, column = [""], 0, 0
    for token in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", text):
        if token == "\r":
            column = 0
        elif token == "\n":
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        elif token.startswith("\x1b["):
            count, kind = re.match(r"\x1b\[\??(\d*)", token)[1], token[-1]
            if kind == "A":
                row = max(row - int(count or 1), len(lines) - HEIGHT, 0)
            elif kind == "K":
                lines[row] = "" if count == "2" else lines[row][:column]
        else:
            line = lines[row].ljust(column)
            lines[row], column = line[:column] + token + line[column + len(token) :], column + len(token)
    return lines


def test_every_stage_is_on_the_terminal_once_however_many_there_are() -> None:
    lines = on_terminal(Path(__file__).with_name("terminal_stages.py"))
    stages = [match[1] for line in lines if (match := re.match(r"(stage \d+) ", line))]
    assert stages == [f"stage {number}" for number in range(12)], lines
    assert all("3/3" in line for line in lines if line.startswith("stage"))
    assert sum("a word in between" in line for line in lines) == 1


def test_the_terminal_of_the_test_sees_what_is_written_twice() -> None:
    """Ten lines of which the upper two scrolled away, written again from as high as the cursor goes."""
    block = "".join(f"line {number}\r\n" for number in range(10))
    lines = shown(block + "\x1b[10A" + block)
    assert sum(line.startswith("line") for line in lines) > 10
