"""Measure every method on the shapes world and (twice) on a face GAN, the paper's search on a BigGAN, and write the README's tables.

    python examples/benchmark/tables.py

The shapes network is the bundled one; the face GAN's weights are fetched (examples/faces/face_weights.py); the BigGAN is a reference of
the tests.  Figures are kept in
examples/benchmark/results/; an interrupted measurement goes on where it was.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import biggan
import face_attributes
import faces
import shapes_world
import torch
from record import Record, read, subject
from rendering import replaced, section

from orojar_cli import load_checkpoint
from orojar_cli.cli.process import keep_freed_memory
from orojar_cli.errors import DownloadError, InputFileError, OrojarError
from orojar_cli.files import write_text

sys.path.insert(0, str(Path(__file__).parent.parent / "faces"))
from face_weights import fetch

ROOT = Path(__file__).parent.parent.parent
WORLDS: dict[str, Any] = {"shapes": shapes_world, "faces": faces, "attributes": face_attributes, "biggan": biggan}
RESULTS, README = ROOT / "examples" / "benchmark" / "results", ROOT / "README.md"
SEEDS = (0, 1, 2)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def checkpoints(options: argparse.Namespace) -> dict[str, Path]:
    """The file of every chosen world; the face GAN's is fetched unless it was given.  Raises DownloadError."""
    found = {"shapes": options.checkpoint, "biggan": ROOT / "tests" / "references" / "biggan_pt_noshared_32.pth"}
    if {"faces", "attributes"} & set(options.only):
        try:
            found["faces"] = found["attributes"] = options.faces or fetch()
        except DownloadError as error:
            raise DownloadError(f"{error}, or measure --only shapes") from error
    return {name: found[name] for name in options.only}


def measure(name: str, file: Path, options: argparse.Namespace) -> None:
    """Measure what the world's record lacks, one row and seed at a time."""
    world, loaded = WORLDS[name], load_checkpoint(file)
    about = subject(loaded.sha256, world.QUICK_YARDSTICK if options.quick else world.YARDSTICK)
    record = Record(options.results / f"{name}.json", about)
    if record.other:
        say(f"{record.path.name} is of another {', '.join(record.other)}: all is measured anew")
    for row in (row.quick() if options.quick else row for row in world.ROWS if options.rows in row.name):
        for seed in SEEDS[:1] if options.quick else SEEDS:
            if record.has(row, seed) and not options.again:
                say(f"{name}: {row.name}, seed {seed}: measured before")
                continue
            figures = world.measure(loaded.generator, row, seed, about["yardstick"])
            record.add(row, seed, figures)
            say(f"{name}: {row.name}, seed {seed}: " + ", ".join(f"{key} {value:.4g}" for key, value in figures.items()))


def page(options: argparse.Namespace) -> str:
    """The text of the page that the tables are put into.  Raises InputFileError when there is none."""
    try:
        return options.readme.read_text(encoding="utf-8")
    except OSError as error:
        raise InputFileError(f"cannot read {options.readme}, which the tables are put into: {error.strerror}") from error


def write(name: str, options: argparse.Namespace) -> None:
    """Print the world's table, and put it into the page."""
    text = section(WORLDS[name], read(options.results / f"{name}.json"))
    print(text)
    write_text(options.readme, replaced(page(options), name, text))


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=list(WORLDS), action="append", help="one of the tables")
    parser.add_argument("--rows", default="", metavar="TEXT", help="measure only rows whose name contains this")
    parser.add_argument("--again", action="store_true", help="measure also what was measured before")
    parser.add_argument("--write-only", action="store_true", help="measure nothing, write the tables from the figures that are there")
    parser.add_argument("--checkpoint", type=Path, default=ROOT / "checkpoints" / "shapes32.pkl", metavar="FILE", help="the shapes network")
    parser.add_argument("--faces", type=Path, metavar="FILE", help="the face GAN, instead of fetching it")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER", help="where the figures are kept")
    parser.add_argument("--readme", type=Path, default=README, metavar="FILE", help="the page that the tables are put into")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="next to nothing on one seed, to see that all runs; not into the real page")
    options = parser.parse_args(argv)
    options.only = options.only or list(WORLDS)
    if options.quick and (options.results == RESULTS or options.readme == README):
        parser.error("--quick is no measurement: name another --results and another --readme")
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    for name in options.only:
        replaced(page(options), name, "")  # a page without a place for the table is better refused before the measuring
    measured = {} if options.write_only else checkpoints(options)
    for name in options.only:
        if name in measured:
            measure(name, measured[name], options)
        write(name, options)


if __name__ == "__main__":
    try:
        main()
    except OrojarError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
