"""One thing without another on the shapes world: how much every factor moves along an axis, as it is and with others kept.

    python examples/benchmark/keep.py

Figures are kept in examples/benchmark/results/keep.json; an interrupted measurement goes on where it was.  The tables go into docs/keep.md.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from record import Record, subject
from rendering import replaced
from torch import Tensor

import orojar_cli as orojar
from orojar_cli.demonstration import demonstration
from orojar_cli.directions import DirectionSet, Settings, kept, load_directions
from orojar_cli.directions.kept import kept_path
from orojar_cli.directions.region import painted_region, region_text
from orojar_cli.errors import OrojarError
from orojar_cli.files import write_text
from orojar_cli.latents.points import Latents
from orojar_cli.measures.shapes_factors import FACTORS, changes, measure_factors
from orojar_cli.response.jacobian import Response
from orojar_cli.response.outputs import Output

ROOT = Path(__file__).parents[2]
RESULTS, PAGE = Path(__file__).parent / "results" / "keep.json", ROOT / "docs" / "keep.md"
NAMES = [factor.name for factor in FACTORS]
# The factors that the active axes of the bundled directions move, in their order.
OWN = ("ground", "hue", "y", "x", "size")
AXES = range(len(OWN))
SIGMAS = ("1", "2")
YARDSTICK = {"latents": 32, "reference": 512}
QUICK_YARDSTICK = {"latents": 2, "reference": 64}
_STREAM, _REFERENCE_STREAM = 60, 61


@dataclass(frozen=True)
class Row:
    """What the Gram matrices are measured of, and the share of the step's own change on their diagonal."""

    output: str
    ridge: float = kept.RIDGE

    @property
    def name(self) -> str:
        return f"{self.output}, {self.ridge:g}"


ROWS = (Row("image"), Row("image", 0.001), Row("image:16"), Row("image:8"), Row("b16"), Row("b8"))
# Painted parts of the picture: rows and columns of 32 x 32.
REGIONS = {"the left half": (slice(0, 32), slice(0, 16)), "the upper half": (slice(0, 16), slice(0, 32))}


@torch.no_grad()
def factors(generator: Any, at: Latents, displacement: Tensor) -> Tensor:
    """[N, 5] the factors of the images at points moved by displacements [N, D] (or [1, D]) in w."""
    ws = generator.mapping(at.z, at.label, at.psi, at.cutoff)
    return measure_factors(generator.synthesis(ws + displacement.unsqueeze(1)))


def measure(generator: Any, found: DirectionSet, row: Row, yardstick: dict[str, int]) -> dict[str, Any]:
    """For every length of a walk in sigmas: "moved" [axes, choices, factors], the mean absolute changes from the image to either end of
    the walk in standard deviations of the factor; "difference" and "error" [axes, axes]: by how much more the kept axis' own factor moves
    than where nothing is kept, and the standard error of that mean.  Choices are nothing, each axis, and all the others kept."""
    draw, none = Settings(seed=0), torch.zeros(1, found.directions.shape[1], device="cpu")
    reference = draw.latents(generator, yardstick["reference"], _REFERENCE_STREAM)
    at = draw.latents(generator, yardstick["latents"], _STREAM)
    deviation = torch.cat([factors(generator, reference[start : start + 256], none) for start in range(0, len(reference), 256)]).std(0)
    before = factors(generator, at, none)
    result: dict[str, Any] = {sigmas: {"moved": [], "difference": [], "error": []} for sigmas in SIGMAS}
    for axis in AXES:
        ways = [kept_path(generator, at, found, [(axis, 1.0)], keep, output=Output.parse(row.output))[0] for keep in choices(axis)]
        for sigmas, figures in result.items():
            ends = [[factors(generator, at, way(side * float(sigmas))) for side in (1, -1)] for way in ways]
            moved = torch.stack([torch.stack([(changes(end, before) / deviation).abs() for end in both]).mean(0) for both in ends]).double()
            more = [moved[1 + other, :, NAMES.index(OWN[other])] - moved[0, :, NAMES.index(OWN[other])] for other in AXES]
            figures["moved"].append(moved.mean(1).tolist())
            figures["difference"].append([float(values.mean()) for values in more])
            figures["error"].append([float(values.std()) / math.sqrt(len(at)) for values in more])
    return result


@dataclass(frozen=True)
class Painted:
    """The row of the painted parts."""

    name: str = "regions"


@torch.no_grad()
def measure_regions(generator: Any, found: DirectionSet, yardstick: dict[str, int]) -> dict[str, Any]:
    """For every painted part [axes, 5]: root mean squares over images of the change inside and outside after a sigma, plainly and with the
    part held still, and how much of the plain effect outside is then left (the projection on it)."""
    at, response = Settings(seed=0).latents(generator, yardstick["latents"], _STREAM), Response(generator, found.space, found.layers)
    still = response(at, torch.zeros(len(at), found.directions.shape[1], device=generator.device))[0].unflatten(1, generator.image_shape)
    result = {}
    for name, place in REGIONS.items():
        painted = np.zeros(generator.image_shape[1:], np.float32)
        painted[place] = 1
        region, inside = painted_region(generator, found, region_text(painted, generator.image_shape)), torch.from_numpy(painted)
        lines = []
        for axis in AXES:
            ends = [kept_path(generator, at, found, [(axis, 1.0)], [], region=chosen)[0](1.0) for chosen in (None, region)]
            plain, held = (response(at, end)[0].unflatten(1, generator.image_shape) - still for end in ends)
            shares = [(part * share).square().mean().sqrt() for share in (inside, 1 - inside) for part in (plain, held)]
            left = (plain * held * (1 - inside)).sum() / (plain.square() * (1 - inside)).sum()
            lines.append([float(figure) for figure in (*shares, left)])
        result[name] = lines
    return result


def painted_table(figures: dict[str, Any]) -> str:
    """Markdown: a line for every part and axis."""
    lines = ["| held still | along | change inside | change outside | left of the effect outside |", "|---|---|---|---|---|"]
    for name in REGIONS:
        for axis, (plain, held, outside, after, left) in zip(OWN, figures[name], strict=True):
            lines.append(f"| {name} | {axis} | {plain:.3f} → {held:.3f} | {outside:.3f} → {after:.3f} | {left:.2f} |")
    return "\n".join(lines)


def choices(axis: int) -> list[list[int]]:
    """What is kept: nothing, each axis (itself: nothing), all the others."""
    return [[], *([other] if other != axis else [] for other in AXES), [other for other in AXES if other != axis]]


def detail(figures: dict[str, Any]) -> str:
    """Markdown: how much every factor moves along every axis, with each other kept."""
    lines = ["| along | kept | " + " | ".join(NAMES) + " |", "|---" * (2 + len(NAMES)) + "|"]
    for axis in AXES:
        for choice, keep in enumerate(choices(axis)):
            if choice and not keep:
                continue
            told = "nothing" if not keep else ", ".join(OWN[other] for other in keep) if len(keep) == 1 else "all others"
            cells = []
            for number, factor in enumerate(NAMES):
                text = f"{figures['moved'][axis][choice][number]:.2f}"
                if len(keep) == 1 and factor == OWN[keep[0]]:
                    difference, error = figures["difference"][axis][keep[0]], figures["error"][axis][keep[0]]
                    text = f"**{text}**" if difference < -2 * error else f"{text} ↑" if difference > 2 * error else text
                cells.append(text)
            lines.append(f"| {OWN[axis]} | {told} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def pairs(figures: dict[str, Any]) -> Iterator[tuple[int, int, float, float]]:
    """(axis, kept axis, what the kept factor moves without keeping it, with)."""
    for axis in AXES:
        for other in AXES:
            if other != axis:
                plain = figures["moved"][axis][0][NAMES.index(OWN[other])]
                yield axis, other, plain, plain + figures["difference"][axis][other]


def summary(rows: dict[str, dict[str, Any]]) -> str:
    """Markdown: a line for each response and length of walk, over all twenty pairs of axes."""
    head = ("response", "share", "sigmas", "kept factor", "less", "more", "own factor", "all others: the rest")
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for known in rows.values():
        for sigmas in SIGMAS:
            figures = known["runs"][0][sigmas]
            found = list(pairs(figures))
            significant = [(figures["difference"][a][b], figures["error"][a][b]) for a, b, _, _ in found]
            less = sum(difference < -2 * error for difference, error in significant)
            more = sum(difference > 2 * error for difference, error in significant)
            own = [[figures["moved"][axis][choice][NAMES.index(OWN[axis])] for axis in AXES] for choice in (0, 6)]
            single = [figures["moved"][a][1 + b][NAMES.index(OWN[a])] for a, b, _, _ in found]
            rest = [
                statistics.mean(sum(figures["moved"][axis][choice]) - own[number][axis] for axis in AXES)
                for number, choice in enumerate((0, 6))
            ]
            cells = (
                known["settings"]["output"],
                f"{known['settings']['ridge']:g}",
                sigmas,
                f"{statistics.mean(pair[2] for pair in found):.3f} → {statistics.mean(pair[3] for pair in found):.3f}",
                f"{less} of {len(found)}",
                f"{more} of {len(found)}",
                f"{statistics.mean(own[0]):.2f} → {statistics.mean(single):.2f}",
                f"{rest[0]:.2f} → {rest[1]:.2f}",
            )
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def written(page: str, content: dict[str, Any]) -> str:
    """The page with its tables."""
    rows = {row.name: content["rows"][row.name] for row in ROWS if row.name in content["rows"]}
    default = rows[ROWS[0].name]["runs"][0]
    texts = {"one sigma": detail(default["1"]), "two sigmas": detail(default["2"]), "responses": summary(rows)}
    if Painted().name in content["rows"]:
        texts["regions"] = painted_table(content["rows"][Painted().name]["runs"][0])
    for name, text in texts.items():
        page = replaced(page, name, text + "\n")
    return page


def main() -> None:
    """Measure what is missing, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--quick", action="store_true", help="two latents, one response")
    parser.add_argument("--write-only", action="store_true", help="measure nothing")
    options = parser.parse_args()
    network, directions = demonstration()
    loaded, found = orojar.load(network), load_directions(directions)
    yardstick = QUICK_YARDSTICK if options.quick else YARDSTICK
    record = Record(options.results, subject(loaded.sha256, yardstick))
    for row in ROWS[: 1 if options.quick else None]:
        if options.write_only or record.has(row, 0):
            continue
        default, kept.RIDGE = kept.RIDGE, row.ridge
        record.add(row, 0, measure(loaded.generator, found, row, yardstick))
        kept.RIDGE = default
        print(f"measured {row.name}", file=sys.stderr, flush=True)
    if not options.write_only and not record.has(Painted(), 0):
        record.add(Painted(), 0, measure_regions(loaded.generator, found, yardstick))
        print("measured regions", file=sys.stderr, flush=True)
    write_text(options.page, written(options.page.read_text(encoding="utf-8"), record.content))


if __name__ == "__main__":
    try:
        main()
    except OrojarError as error:
        sys.exit(f"Error: {error}")
