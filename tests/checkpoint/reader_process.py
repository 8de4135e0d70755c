"""Run as a program: read files with orojar's torch-free reader and report what happened, one JSON line for each.

    python reader_process.py [--audit] FILE...

`--audit` adds every audited event of the kinds that running code, importing or opening something causes.
"""

from __future__ import annotations

import atexit  # noqa: F401  weakref.finalize imports it at its first use, which is not what is watched for
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from orojar_cli.checkpoint.contents import read_contents
from orojar_cli.checkpoint.info import describe
from orojar_cli.errors import CheckpointError

WATCHED = (
    "import",
    "exec",
    "compile",
    "open",
    "os.",
    "subprocess.",
    "socket.",
    "pickle.",
    "ctypes.",
    "marshal.",
    "code.",
    "shutil.",
    "urllib",
)
events: list[str] = []
recording = False


def peak_mib() -> float:
    """The largest resident size of this process so far (ru_maxrss would count its parent's)."""
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024


def record(event: str, arguments: Any) -> None:
    if recording and event.startswith(WATCHED):
        events.append(f"{event} {str(arguments[0])[:200] if arguments else ''}")


def main(paths: list[str], audit: bool) -> None:
    global recording
    if audit:
        sys.addaudithook(record)
    for path in paths:
        events.clear()
        began = time.monotonic()
        error: Exception | None = None
        recording = True
        try:
            describe(read_contents(path))
        except CheckpointError as caught:
            error = caught
        recording = False
        report = {
            "path": path,
            "error": type(error).__name__ if error else None,
            "message": str(error) if error else "",
            "seconds": time.monotonic() - began,
            "peak_mib": peak_mib(),
            "events": list(events),
            "heavy_modules": sorted({"torch", "numpy", "scipy"} & set(sys.modules)),
        }
        print(json.dumps(report), flush=True)


def run_reader(paths: list[Path], *flags: str) -> list[dict[str, Any]]:
    """The reports of this program on `paths`."""
    program = Path(__file__)
    command = [sys.executable, str(program), *flags, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


if __name__ == "__main__":
    main([argument for argument in sys.argv[1:] if argument != "--audit"], "--audit" in sys.argv)
