"""The page of a fine-tuning run: before and after, losses, dimensions by activeness, how it was made."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from orojar_cli.directions import DirectionSet
from orojar_cli.files import write_text
from orojar_cli.media import data_uri, file_uri
from orojar_cli.report.charts import bars, line
from orojar_cli.report.numbers import duration, number
from orojar_cli.report.page import rendered
from orojar_cli.report.settings_text import settings_text
from orojar_cli.report.sharing import shown_command, shown_path, without_paths
from orojar_cli.runs.run import Run

SUMMARY = "summary.html"
# Beyond this a PNG inside the page becomes a JPEG.
_LARGEST_PNG = 1_500_000
_CURVES = 6
# The table shows so many dimensions at first, the others on demand.
_FIRST = 16
_TITLES = {"loss": "OroJaR loss, normalised", "share": "Off-diagonal share", "critic": "Mean critic score of the images"}
_ALT = "Grid of images: one row per dimension, left along the z axes of the original network, right along those of the tuned one"
_CAPTION = (
    "One row per dimension, most active first, both from the same image: left along the z axes of the original network, right along "
    "those of the tuned one, from −2 to +2 sigmas."
)


def write_run_summary(run: Run, axes: DirectionSet, numbers: Mapping[str, Any], history: Sequence[Mapping[str, Any]] = ()) -> Path:
    """Write `summary.html` into the folder of a finished run, whole or not at all, and return its path.

    `run` has the pictures "before_after" or "grid" among its artefacts; `axes` are the tuned network's dimensions; `numbers` what was
    measured, where pairs such as loss_before and loss_after, or dictionaries `before` and `after`, become one row; `history` the records
    of training, whose finite numbers are drawn as curves.
    """
    manifest = run.manifest
    pairs, others = _rows(numbers)
    artefacts = manifest["artefacts"]
    picture = next((run.path / artefacts[name] for name in ("before_after", "grid") if name in artefacts), None)
    active = axes.activeness.tolist()
    order = sorted(range(len(active)), key=lambda index: -active[index])
    total = sum(active)
    context = {
        "title": f"Fine-tuned: {Path(manifest['checkpoint']['path']).name}",
        "lede": _lede(pairs),
        "picture": None if picture is None else {"uri": _picture_uri(picture), "alt": _ALT, "caption": _CAPTION},
        "pairs": pairs,
        "others": others,
        "curves": _curves(history),
        "records": len(history),
        "spectrum": bars(
            "Activeness of the dimensions, sorted", list(map(str, order)), [active[index] for index in order], [None] * len(order)
        ),
        "dimensions": [
            {
                "name": axes.name(index).replace("  ", " · "),
                "activeness": active[index],
                "share": active[index] / total if total > 0 else math.nan,
                "note": axes.note(index),
            }
            for index in order
        ],
        "first": _FIRST,
        "command": shown_command(["orojar", *manifest["argv"]]),
        "facts": [
            ("Network", shown_path(manifest["checkpoint"]["path"])),
            ("SHA-256", manifest["checkpoint"]["sha256"]),
            ("Settings", settings_text(without_paths(manifest["options"]))),
            ("Versions", settings_text(manifest["versions"])),
            ("Device", manifest["device"]),
            ("Time", f"{duration(manifest['seconds'])}, finished {manifest['finished']}"),
            ("Files", ", ".join(artefacts.values())),
        ],
    }
    path = run.path / SUMMARY
    write_text(path, rendered("summary.html.j2", **context))
    return path


def _lede(pairs: Sequence[Mapping[str, Any]]) -> str:
    loss = next((pair for pair in pairs if pair["name"] == "loss"), None)
    if loss is None or not loss["before"] > 0:
        return "What fine-tuning did to this network."
    change = 100 * (1 - loss["after"] / loss["before"])
    return (
        f"The held-out OroJaR loss of the z axes went from {number(loss['before'])} to {number(loss['after'])}, "
        f"{number(abs(change), 3)} % {'less' if change >= 0 else 'more'}."
    )


def _rows(numbers: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    """(rows with a number before and after, the other numbers)."""
    before, after = ({**numbers.get(side, {})} for side in ("before", "after"))
    for name, value in numbers.items():
        for side, found in (("_before", before), ("_after", after)):
            if name.endswith(side):
                found[name.removesuffix(side)] = value
    paired = [name for name in before if _is_number(before[name]) and _is_number(after.get(name))]
    pairs = [
        {"name": name, "title": _TITLES.get(name, name.replace("_", " ")), "before": before[name], "after": after[name]} for name in paired
    ]
    others = [
        (name.replace("_", " "), number(float(value)) if isinstance(value, float) else settings_text({"": value}).strip())
        for name, value in numbers.items()
        if name not in ("before", "after") and not name.endswith(("_before", "_after")) and value is not None
    ]
    return pairs, others


def _curves(history: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Charts of the numbers that training recorded at least three times."""
    series: dict[str, list[tuple[float, float]]] = {}
    for place, record in enumerate(history):
        flat = {name: value for name, value in record.items() if name not in ("stage", "step")}
        for name, value in list(flat.items()):
            if isinstance(value, Mapping):
                flat |= {f"{name} {inner}": part for inner, part in value.items()}
        for name, value in flat.items():
            if _is_number(value):
                series.setdefault(name.replace("_", " "), []).append((float(place), float(value)))
    kept = [(name, points) for name, points in series.items() if len(points) > 2][:_CURVES]
    return [{"title": name, "svg": line(f"{name} over training", *map(list, zip(*points, strict=True)))} for name, points in kept]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _picture_uri(path: Path) -> str:
    if path.stat().st_size <= _LARGEST_PNG:
        return file_uri(path)
    with Image.open(path) as picture:
        return data_uri(picture.convert("RGB"))
