"""The run of a comparison: the page, its numbers, the directions found for it, and the table for people."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orojar_cli.cli.console import say, table
from orojar_cli.cli.downloads import shown_arguments

if TYPE_CHECKING:
    from orojar_cli.report.collect import Comparison
    from orojar_cli.report.drawings import Drawings

REPORT, TWIN = "report.html", "report.json"


def write_run(comparison: Comparison, pictures: Drawings, options: dict[str, Any], out: Path | None, outdir: Path) -> dict[str, Any]:
    """Write the run and the page; returns the JSON document."""
    from orojar_cli.cli.sources import recorded, run_name
    from orojar_cli.directions import save_directions
    from orojar_cli.report.contender import Z_AXES
    from orojar_cli.report.page import write_report
    from orojar_cli.report.settings_text import settings_text
    from orojar_cli.report.view import Making
    from orojar_cli.runs.run import RunWriter, versions

    first = comparison.subjects[0].checkpoint
    arguments = shown_arguments(sys.argv[1:])
    run = RunWriter(outdir, "compare", run_name(first), argv=arguments)
    page = out or run.path / REPORT
    artefacts = {"report": str(page.resolve()) if out else REPORT, "numbers": str(page.with_suffix(".json").resolve()) if out else TWIN}
    for subject in comparison.subjects:
        # Those that were made here are kept, for orojar traverse; z axes need no file.
        if subject.origin is None and subject.checkpoint is first and subject.directions.method != Z_AXES:
            name = re.sub(r"[^A-Za-z0-9._-]+", "-", subject.name) + ".safetensors"
            save_directions(subject.directions, run.path / name)
            artefacts[subject.name] = name
    for found in comparison.measurements.values():
        for measurement in found:
            run.metric(**{name: value for name, value in measurement.to_dict().items() if name not in ("details", "source")})
    command = shlex.join(["orojar", *arguments])
    used = versions()
    document = {"run": str(run.path), "report": str(page), "command": command, "versions": used, "options": options, **comparison.to_dict()}
    facts = [
        ("Versions", ", ".join(f"{name} {version}" for name, version in used.items())),
        ("Device", str(first.device)),
        ("Settings", settings_text(options)),
        ("Run", str(run.path)),
    ]
    write_report(page, comparison, pictures, Making(command, facts), document)
    run.finish(
        options=options,
        checkpoint=recorded(first),
        device=str(first.device),
        artefacts=artefacts,
    )
    say(f"wrote {page} and {page.with_suffix('.json').name}; the run is {run.path}")
    return document


def summary(comparison: Comparison, page: str) -> list[str]:
    """The table for people: a star where a set is better than all others by the paired tests."""
    names = [subject.name for subject in comparison.subjects]
    rows = []
    for metric, found in comparison.measurements.items():
        values = {measurement.subject: measurement.value for measurement in found}
        best = comparison.winners.get(metric)
        cells = ["" if name not in values else f"{values[name]:.4g}{'*' if name == best else ' '}" for name in names]
        rows.append([f"{metric} ({found[0].better or 'no'} {'is better' if found[0].better else 'better side'})", *cells])
    return [*table(["metric", *names], rows), "", "* better than every other set (paired tests, Holm-corrected)", f"open {page}"]
