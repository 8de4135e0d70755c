"""How long the commands take on a network of the size that people have, by default: the table of docs/performance.md.

python examples/benchmark/structured.py --out structured1024.pkl
python examples/benchmark/real_sizes.py structured1024.pkl [--only sefa] [--threads 2]
python examples/benchmark/real_sizes.py --growth [--threads 1]

Every command is a process of its own, measured by the wall clock; what is done is kept in results/real_sizes.json, so that an interrupted
measurement goes on where it was, and one command can be measured anew.  All of it takes about an hour.

`--growth` measures the processor time of `finetune` against the resolution, with z and w of 512 dimensions, and against these, at 32x32:
about half an hour.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rendering import replaced
from structured import enlarged

import orojar_cli as orojar
from orojar_cli.bench.growing import exponent
from orojar_cli.checkpoint.emitter import write_pickle
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
    "finetune --mode mapping --start frame": (["finetune", "NETWORK", "--mode", "mapping", "--start", "frame"], 1800),
    "compare": (["compare", "NETWORK"], 1200),
    "compare --quick": (["compare", "NETWORK", "--quick"], 180),
    "traverse --dim 3 --out walk.gif": (["traverse", "NETWORK", "--dim", "3", "--out", "walk.gif"], 90),
}


# What `finetune` is measured against: (resolution, dimensions of z and w).
GROWTH = {
    "finetune against the resolution": [(size, 512) for size in (32, 64, 128, 256, 512, 1024)],
    "finetune against the dimensions of z and w": [(32, dims) for dims in (64, 128, 256, 512, 1024)],
}


def growth(results: dict[str, Any], threads: int) -> Iterator[str]:
    """Measure what is missing of `GROWTH`, and say what was measured, which is in `results` then."""
    small = orojar.load(ROOT / "checkpoints" / "shapes32.pkl").generator
    for resolution, dims in dict.fromkeys(size for sizes in GROWTH.values() for size in sizes):
        name = f"finetune {resolution} {dims}"
        if name not in results:
            with tempfile.TemporaryDirectory() as folder:
                network = Path(folder) / "network.pkl"
                write_pickle(SimpleNamespace(generator=enlarged(small, resolution, dims), critic=None), network)
                results[name] = measured(network, ["finetune", "NETWORK"], threads)
            yield name


def growth_table(results: dict[str, Any]) -> str:
    """Markdown: processor time at every size, and the slope of its logarithm over that of the size."""
    lines = ["| | sizes | first | last | exponent |", "|---|---|---|---|---|"]
    for name, sizes in GROWTH.items():
        changing = 0 if len({resolution for resolution, _ in sizes}) > 1 else 1
        known = [
            (size[changing], results[f"finetune {size[0]} {size[1]}"]["processor"])
            for size in sizes
            if f"finetune {size[0]} {size[1]}" in results
        ]
        if len(known) > 1:
            across, up = map(list, zip(*known, strict=True))
            cells = [name, f"{across[0]} to {across[-1]}", f"{up[0]:.0f} s", f"{up[-1]:.0f} s", f"{exponent(across, up):.2f}"]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


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
    parser.add_argument("--growth", action="store_true", help="measure how finetune grows instead")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in growth(results, options.threads) if options.growth else ():
        print(name, flush=True)
        write_bytes(RESULTS, (json.dumps(results, indent=1) + "\n").encode())
    for name, (words, _) in COMMANDS.items() if options.network is not None else ():
        if name in (options.only or ([] if name in results else [name])):
            print(name, flush=True)
            results[name] = measured(options.network.absolute(), words, options.threads)
            write_bytes(RESULTS, (json.dumps(results, indent=1) + "\n").encode())
    page = replaced(PAGE.read_text(), "real sizes", table(results))
    write_bytes(PAGE, replaced(page, "growth of finetune", growth_table(results)).encode())


if __name__ == "__main__":
    main()
