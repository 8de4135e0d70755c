"""How long the commands take on a network of the size that people have, by default: the table of docs/performance.md.

python examples/benchmark/structured.py --out structured1024.pkl
python examples/benchmark/real_sizes.py structured1024.pkl [--only sefa] [--threads 2]

Every command is a process of its own, measured by the wall clock; what is done is kept in results/real_sizes.json, so that an interrupted
measurement goes on where it was, and one command can be measured anew.  All of it takes about an hour.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rendering import replaced

from orojar_cli.files import write_bytes

ROOT = Path(__file__).parent.parent.parent
RESULTS = Path(__file__).parent / "results" / "real_sizes.json"
PAGE = ROOT / "docs" / "performance.md"
# Name -> (words of the command, seconds that it should take at most).
COMMANDS: dict[str, tuple[list[str], int]] = {
    "sefa": (["sefa", "NETWORK"], 30),
    "discover --method orojar": (["discover", "NETWORK", "--method", "orojar"], 180),
    "finetune": (["finetune", "NETWORK"], 180),
    "finetune --mode mapping": (["finetune", "NETWORK", "--mode", "mapping"], 1800),
    "compare": (["compare", "NETWORK"], 1200),
    "compare --quick": (["compare", "NETWORK", "--quick"], 180),
    "traverse --dim 3 --out walk.gif": (["traverse", "NETWORK", "--dim", "3", "--out", "walk.gif"], 90),
}


def measured(network: Path, words: list[str], threads: int) -> dict[str, Any]:
    """Seconds by the clock and of the processor, and the most memory in MiB, of one command in an empty folder.

    Raises CalledProcessError where it fails.
    """
    command = [sys.executable, "-m", "orojar_cli", *(str(network) if word == "NETWORK" else word for word in words)]
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": str(threads)})
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return {"seconds": seconds, "processor": usage.ru_utime + usage.ru_stime, "mib": usage.ru_maxrss / 1024, "threads": threads}


def table(results: dict[str, Any]) -> str:
    """The table of the page: what each command took and held, and what it should take at most."""
    lines = ["| command | took | of the processor | asked | most memory |", "|---|---|---|---|---|"]
    for name, (_, asked) in COMMANDS.items():
        found = results.get(name)
        cells = ["not measured", "", "", ""] if found is None else [*_cells(found, asked), f"{found['mib'] / 1024:.1f} GiB"]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cells(found: dict[str, Any], asked: int) -> list[str]:
    met = "" if found["seconds"] <= asked else ", missed"
    return [f"{found['seconds']:.0f} s", f"{found['processor']:.0f} s", f"{f'{asked} s' if asked < 60 else f'{asked / 60:g} min'}{met}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", type=Path, nargs="?", help="leave out to write the table anew from what is kept")
    parser.add_argument("--only", nargs="*", choices=list(COMMANDS), help="measure these, again where they are kept")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name, (words, _) in COMMANDS.items() if options.network is not None else ():
        if name in (options.only or ([] if name in results else [name])):
            print(name, flush=True)
            results[name] = measured(options.network.absolute(), words, options.threads)
            write_bytes(RESULTS, (json.dumps(results, indent=1) + "\n").encode())
    page = PAGE.read_text()
    write_bytes(PAGE, replaced(page, "real sizes", table(results)).encode())


if __name__ == "__main__":
    main()
