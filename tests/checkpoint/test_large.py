"""A full-size checkpoint is read in less time and memory than Python's own unpickler needs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("large_checkpoint.py")


def run(how: str, path: Path) -> dict[str, float]:
    command = [sys.executable, str(PROGRAM), how, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout) if done.stdout else {}


@pytest.mark.slow
def test_reading_needs_half_the_time_and_two_fifths_of_the_memory_of_pickle(tmp_path: Path) -> None:
    path = tmp_path / "large.pkl"
    run("make", path)
    assert 370e6 < path.stat().st_size < 400e6
    ours, theirs = ([run(how, path) for _ in range(3)] for how in ("orojar", "pickle"))
    seconds, their_seconds = (min(row["cpu_seconds"] for row in rows) for rows in (ours, theirs))
    memory, their_memory = (min(row["above_imports_mib"] for row in rows) for rows in (ours, theirs))
    print(
        f"orojar {seconds:.2f} s, {memory:.0f} MiB; pickle {their_seconds:.2f} s, {their_memory:.0f} MiB (above the imports)", ours, theirs
    )
    assert seconds <= 0.5 * their_seconds
    assert memory <= 0.4 * their_memory
