"""The page: one HTML file that holds everything it shows."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from orojar_cli.errors import OptionError, OutputFileError
from orojar_cli.files import write_text
from orojar_cli.report import numbers
from orojar_cli.report.collect import Comparison
from orojar_cli.report.drawings import Drawings
from orojar_cli.report.exports import Exports, folder_of, relative
from orojar_cli.report.sharing import without_paths
from orojar_cli.report.view import Making, context


def write_report(out: Path, comparison: Comparison, pictures: Drawings, making: Making, document: dict[str, Any]) -> None:
    """Write the page to `out`, and beside it its twin, `document` as JSON, and a folder of its tables and charts; each whole or not at all.

    The page leaves out where files are on this machine.
    """
    exports = Exports(folder_of(out).name)
    shown = context(comparison, pictures, making, exports)
    twin = {"json": relative(out.with_suffix(".json").name), "folder": folder_of(out).name, "document": without_paths(document)}
    page = rendered("report.html.j2", **shown, **twin)
    exports.write(folder_of(out))
    write_text(out.with_suffix(".json"), json.dumps(document, indent=2) + "\n")
    write_text(out, page)


def check_out(out: Path) -> None:
    """Raise OptionError or OutputFileError now for a page that could not be written later."""
    if out.suffix.lower() not in (".html", ".htm"):
        raise OptionError(f"cannot write {out.name}: the page's name ends in .html")
    if out.is_dir() or not out.parent.is_dir():
        raise OutputFileError(
            f"cannot write {out}: {out if out.is_dir() else out.parent} is not a folder to write it in; choose another --out"
        )
    files = folder_of(out)
    if files.exists() and not files.is_dir():
        raise OutputFileError(f"cannot write the page's tables and charts: {files} is not a folder; choose another --out")


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("orojar_cli.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": numbers.number,
        "interval": numbers.interval,
        "probability": numbers.probability,
        "duration": numbers.duration,
    }
    return environment


def rendered(template: str, **context: Any) -> str:
    """A template of this package filled in; every value is escaped unless it is Markup."""
    style = (Path(__file__).parent / "templates" / "page.css").read_text(encoding="utf-8")
    return _environment().get_template(template).render(style=Markup(style), **context)
