"""From the numbers to what the page says about them: titles, captions, charts and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orojar_cli.measures import Measurement
from orojar_cli.media.pixels import PIXEL_ART
from orojar_cli.pictures.walk import strengths
from orojar_cli.report.calibration import LEAST_ACTIVE, LIMIT
from orojar_cli.report.charts import whiskers
from orojar_cli.report.collect import Comparison, network_names
from orojar_cli.report.contender import Contender
from orojar_cli.report.drawings import EXTENT, STEPS, Drawings
from orojar_cli.report.exports import Exports, shared
from orojar_cli.report.figures import figures
from orojar_cli.report.grid_files import GridFile
from orojar_cli.report.methods import methods
from orojar_cli.report.metric_names import BETTER, about, grouped, hint_of, title_of
from orojar_cli.report.numbers import duration, number
from orojar_cli.report.settings_text import settings_text
from orojar_cli.report.sharing import shown_path
from orojar_cli.report.tables import Cell, Number, Table
from orojar_cli.report.verdict import RULE, TEST, model


@dataclass(frozen=True)
class Making:
    """How a comparison came about: the command line, `facts` as pairs of a name and a text, the settings, the versions."""

    command: str
    facts: list[tuple[str, str]]
    options: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


def context(comparison: Comparison, pictures: Drawings, making: Making, exports: Exports) -> dict[str, Any]:
    """Everything the template asks for but the JSON document; what can be taken out of the page is added to `exports`."""
    names = [subject.name for subject in comparison.subjects]
    shown = [_linked(figure, exports) for figure in figures(comparison)]
    text, references = methods(comparison, making.options, making.versions)
    listed = [f"[{place}] {reference.text()}" for place, reference in enumerate(references, 1)]
    crisp = pictures.resolution <= PIXEL_ART
    capped = any(any(calibration.capped) for calibration in comparison.calibrations)
    sections = [("summary", "Summary"), ("intervals", "Intervals"), ("grids", "Grids"), ("films", "Films")]
    sections += [(figure["anchor"], figure["short"]) for figure in shown]
    steps = [number(value, 1) if value <= 0 else f"+{number(value, 1)}" for value in strengths(EXTENT, STEPS)]
    return {
        "title": f"{_numeral(len(names))} direction sets of {' and '.join(network_names(comparison.subjects).values())}",
        "lede": _lede(comparison),
        "setup": _setup(comparison, pictures),
        "sections": [*sections, ("tests", "Tests"), ("methods", "Methods"), ("made", "How it was made")],
        "subjects": [_subject(comparison, pictures, index) for index in range(len(names))],
        "groups": [
            {"heading": heading, "rows": [_row(comparison, found, names) for found in group]}
            for heading, group in grouped(comparison.measurements)
        ],
        "tests_text": [model(), TEST],
        "rule": RULE,
        "untested": [
            title_of(metric)
            for metric, found in comparison.measurements.items()
            if found[0].better is not None and any(measurement.per_latent is None for measurement in found)
        ],
        "notes": [
            *_inactive(comparison),
            *_short_of_the_step(comparison),
            *(f"Not measured: {name} ({reason})." for name, reason in comparison.skipped.items()),
        ],
        "summary_links": exports.table(_summary(comparison)),
        "whiskers": [
            chart | {"links": exports.chart(f"intervals-{metric}", str(chart["svg"]))} for metric, chart in _all_whiskers(comparison)
        ],
        "grids": [
            grid
            | {
                "links": exports.grid(
                    f"grid-seed-{grid['seed']}",
                    GridFile(names, [f"dim {row}" for row in range(len(grid["rows"]))], grid["rows"], crisp),
                )
            }
            for grid in _grids(comparison, pictures)
        ],
        "grid_text": (
            "The same images, moved along each set's dimensions by the same amount: a calibrated step changes the image equally for every "
            f"dimension of every set, by {number(comparison.calibrations[0].target)} (root mean square over the pixels, whose values run "
            f"from −1 to 1), up to a limit of {number(LIMIT, 2)} sigmas. So what differs between the columns is what changes, not how much."
        ),
        "pixels": crisp,
        "step_text": ", ".join(steps),
        "extent": number(EXTENT, 1),
        "film_seeds": f"seed {pictures.look.seeds[0]}"
        if len(pictures.look.seeds) == 1
        else f"the {len(pictures.look.seeds)} seeds {_listed(pictures.look.seeds)}",
        "any_capped": capped,
        "limit": number(LIMIT, 2),
        "figures": shown,
        "differences": [{**difference.to_dict(), "title": title_of(difference.metric)} for difference in comparison.differences],
        "differences_links": exports.table(_differences(comparison)),
        "sets_links": exports.table(_sets(comparison)),
        "methods_text": text,
        "references": listed,
        "methods_links": [
            exports.file("Text", "methods.txt", "\n".join([text, "", *listed, ""]).encode()),
            exports.file("BibTeX", "references.bib", "\n".join(reference.bibtex() for reference in references).encode()),
        ],
        "command": making.command,
        "facts": [*making.facts, ("Time", _times(comparison.seconds))],
        "metrics": [
            {"title": title_of(found[0].metric), "source": found[0].source, "settings": settings_text(found[0].settings)}
            for found in (*comparison.measurements.values(), *_once(comparison.networks))
        ],
    }


def _once(measured: Sequence[Measurement]) -> list[list[Measurement]]:
    """One of each metric."""
    return [[measurement] for measurement in {measurement.metric: measurement for measurement in reversed(measured)}.values()][::-1]


def _numeral(count: int) -> str:
    words = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")
    return words[count] if count < len(words) else str(count)


def _lede(comparison: Comparison) -> str:
    tested = {difference.metric for difference in comparison.differences}
    won: dict[str, list[str]] = {}
    for metric, name in comparison.winners.items():
        won.setdefault(name, []).append(metric)
    count = len(comparison.subjects)
    if not won:
        return f"Of these {count} direction sets none is better than all others on any of {len(tested)} metrics."
    ranked = sorted(won.items(), key=lambda item: -len(item[1]))
    parts = [f"{name} is better than all others on {len(metrics)}{_own(comparison, name, metrics)}" for name, metrics in ranked]
    open_ones = len(tested) - len(comparison.winners)
    rest = f"; on {open_ones} no set stands out" if open_ones else ""
    return f"{count} direction sets, {len(tested)} metrics with a better side: {', '.join(parts)}{rest}."


def _own(comparison: Comparison, name: str, metrics: Sequence[str]) -> str:
    """How many of the metrics that a set is best on its method itself minimises."""
    own = sum(name in comparison.aims.get(metric, ()) for metric in metrics)
    return f" ({own} of them its method itself minimises)" if own else ""


def _inactive(comparison: Comparison) -> list[str]:
    """Which sets cannot be the best, and where one would have been."""
    notes = []
    for name, share in comparison.inactive.items():
        lost = [title_of(metric) for metric, names in comparison.passed_over.items() if name in names]
        passed = f" Passed over on: {', '.join(lost)}." if lost else ""
        notes.append(
            f"{name} moves the images {number(share, 2)} times as far as the most active set (root mean square of the change at one sigma; "
            f"the limit is {LEAST_ACTIVE}). Losses are low where little happens, so it cannot be marked best.{passed}"
        )
    return notes


def _short_of_the_step(comparison: Comparison) -> list[str]:
    """What a reader must know before believing a low loss: which sets hold dimensions that do little."""
    short = [
        f"{sum(calibration.capped)} of the {len(calibration.capped)} dimensions of {subject.name}"
        for subject, calibration in zip(comparison.subjects, comparison.calibrations, strict=True)
        if any(calibration.capped)
    ]
    if not short:
        return []
    return [
        f"Short of the calibrated step even at {number(LIMIT, 2)} sigmas: {', '.join(short)}. Losses and penalties are smaller where less "
        "happens, so read them beside the activeness."
    ]


def _setup(comparison: Comparison, pictures: Drawings) -> str:
    counts = sorted({len(subject.directions) for subject in comparison.subjects})
    several = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    settings = next(iter(comparison.measurements.values()))[0].settings if comparison.measurements else {}
    measured = f" measured at {settings['samples']} held-out latents," if "samples" in settings else ""
    return f"{several} directions each,{measured} shown on seeds {_listed(pictures.look.seeds)}; every number with its 95 % interval."


def _listed(seeds: Sequence[int]) -> str:
    whole = len(seeds) > 2 and list(seeds) == list(range(seeds[0], seeds[-1] + 1))
    return f"{seeds[0]}–{seeds[-1]}" if whole else ", ".join(map(str, seeds))


def _subject(comparison: Comparison, pictures: Drawings, index: int) -> dict[str, Any]:
    subject, calibration = comparison.subjects[index], comparison.calibrations[index]
    found = subject.directions
    several = len({other.checkpoint.sha256 for other in comparison.subjects}) > 1
    films = [
        {
            "name": subject.dimension(row),
            "still": drawn.still.uri,
            "uri": drawn.film,
            "width": drawn.still.width,
            "height": drawn.still.height,
            "alt": f"{subject.name}, {subject.dimension(row)}: {len(pictures.look.seeds)} images at +{number(EXTENT, 1)} calibrated steps",
            "note": found.note(row),
            "step": float(calibration.steps[row]),
            "capped": calibration.capped[row],
        }
        for row, drawn in enumerate(pictures.walks[index])
    ]
    return {
        "name": subject.name,
        "method": found.method,
        "space": found.space,
        "layers": _listed(found.layers),
        "origin": "made for this page" if subject.origin is None else shown_path(subject.origin),
        "budget": _budget(subject),
        "seconds": subject.seconds,
        "steps": subject.steps,
        "images": subject.images,
        "file": shown_path(subject.checkpoint.path),
        "network": Path(subject.checkpoint.path).name if several else "",
        "sha256": subject.checkpoint.sha256,
        "inactive": subject.name in comparison.inactive,
        "films": films,
    }


def _budget(subject: Contender) -> list[str]:
    """What finding the directions took: 12.3 s, 100 steps, ≈ 38,400 images."""
    parts = [
        "" if subject.seconds is None else duration(subject.seconds),
        f"{subject.steps:,} steps" if subject.steps else "",
        f"≈ {subject.images:,} images" if subject.images else "",
    ]
    return [part for part in parts if part]


def _row(comparison: Comparison, found: Sequence[Measurement], names: Sequence[str]) -> dict[str, Any]:
    metric, by_name = found[0].metric, {measurement.subject: measurement for measurement in found}
    cells = [
        None
        if name not in by_name
        else {
            "value": by_name[name].value,
            "interval": by_name[name].interval,
            "best": name == comparison.winners.get(metric),
            "own": name in comparison.aims.get(metric, ()),
            "passed": name in comparison.passed_over.get(metric, ()),
        }
        for name in names
    ]
    return {"title": title_of(found[0].metric), "about": about(found[0].metric), "better": BETTER[found[0].better], "cells": cells}


def _all_whiskers(comparison: Comparison) -> list[tuple[str, dict[str, Any]]]:
    return [
        (found[0].metric, _whiskers(found, comparison.winners.get(found[0].metric)))
        for _, group in grouped(comparison.measurements)
        for found in group
    ]


def _summary(comparison: Comparison) -> Table:
    """The numbers of the summary, a row for each metric."""
    names = [subject.name for subject in comparison.subjects]
    rows: list[list[Cell]] = []
    for _, group in grouped(comparison.measurements):
        for found in group:
            metric, by_name = found[0].metric, {measurement.subject: measurement for measurement in found}
            best, own = comparison.winners.get(metric), comparison.aims.get(metric, ())
            numbers = [
                Number(by_name[name].value, by_name[name].interval, name == best, name in own) if name in by_name else Number(None)
                for name in names
            ]
            rows.append([title_of(metric), found[0].better or "neither", *numbers])
    title = "Value with its 95 % interval, the best in bold; a dagger: what the method itself minimises"
    return Table("summary", title, ["Metric", "Better", *names], rows)


def _differences(comparison: Comparison) -> Table:
    """The paired differences."""
    rows: list[list[Cell]] = [
        [
            title_of(difference.metric),
            difference.first,
            difference.second,
            Number(difference.value, difference.interval, difference.significant),
            Number(difference.p),
            Number(difference.p_corrected),
        ]
        for difference in comparison.differences
    ]
    return Table("differences", "Paired differences", ["Metric", "First", "Second", "First - second", "p", "p, Holm"], rows)


def _sets(comparison: Comparison) -> Table:
    """The direction sets and what they cost."""
    rows: list[list[Cell]] = [
        [
            subject.name,
            subject.directions.method,
            f"{subject.directions.space}, layers {_listed(subject.directions.layers)}",
            Number(subject.seconds),
            Number(subject.steps),
            Number(subject.images),
            Path(subject.checkpoint.path).name,
            subject.checkpoint.sha256,
        ]
        for subject in comparison.subjects
    ]
    header = ["Set", "Method", "Space", "Seconds", "Steps", "Images, about", "Network", "SHA-256"]
    return Table("sets", "The direction sets", header, rows)


def _linked(figure: dict[str, Any], exports: Exports) -> dict[str, Any]:
    """A figure with the links to its charts and its table."""
    table = figure["table"]
    return figure | {
        "panels": shared(figure["panels"], exports, figure["anchor"]),
        "links": [] if table is None else exports.table(table),
    }


def _whiskers(found: Sequence[Measurement], best: str | None) -> dict[str, Any]:
    title = title_of(found[0].metric)
    svg = whiskers(
        f"{title} of each direction set, with 95 % intervals",
        [measurement.subject for measurement in found],
        [measurement.value for measurement in found],
        [measurement.interval for measurement in found],
        best,
    )
    return {"title": title, "hint": hint_of(found[0]), "svg": svg}


def _grids(comparison: Comparison, pictures: Drawings) -> list[dict[str, Any]]:
    grids = []
    for place in range(len(pictures.walks[0][0].strips)):
        rows = []
        for row in range(max(map(len, pictures.walks))):
            strips = [
                None
                if row >= len(walks)
                else {
                    **vars(walks[row].strips[place]),
                    "note": subject.dimension(row) if subject.number(row) != row else "",
                    "alt": f"{subject.name}, {subject.dimension(row)}, seed {pictures.look.seeds[place]}: {STEPS} images from "
                    f"−{number(EXTENT, 1)} to +{number(EXTENT, 1)} calibrated steps",
                }
                for subject, walks in zip(comparison.subjects, pictures.walks, strict=True)
            ]
            rows.append(strips)
        grids.append({"seed": pictures.look.seeds[place], "rows": rows})
    return grids


def _times(seconds: dict[str, float]) -> str:
    stages = ", ".join(f"{stage.replace('_', ' ')} {duration(part)}" for stage, part in seconds.items())
    return f"{duration(sum(seconds.values()))}: {stages}"
