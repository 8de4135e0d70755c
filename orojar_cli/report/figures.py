"""The page's figures: activeness, cosines, factors, agreement, networks."""

from __future__ import annotations

import math
from typing import Any

from markupsafe import Markup

from orojar_cli.measures import Measurement
from orojar_cli.report.charts import bars, heat_map
from orojar_cli.report.collect import Comparison
from orojar_cli.report.metric_names import title_of
from orojar_cli.report.numbers import interval, number
from orojar_cli.report.tables import Cell, Number, Table


def figures(comparison: Comparison) -> list[dict[str, Any]]:
    """Those that this comparison has numbers for: anchor, titles, text, panels of charts, caption and table."""
    made = (figure(comparison) for figure in (_factors, _activeness, _cosines, _agreements, _networks))
    return [figure for figure in made if figure]


def _figure(
    anchor: str,
    short: str,
    title: str,
    text: list[str],
    panels: list[dict[str, Any]],
    caption: str,
    table: Table | None = None,
    in_page: bool = True,
) -> dict[str, Any]:
    return {"anchor": anchor, "short": short, "title": title, "text": text, "panels": panels, "caption": caption, "table": table} | {
        "in_page": in_page,
    }


def _panel(title: str, hint: str, svg: Markup) -> dict[str, Any]:
    return {"title": title, "hint": hint, "svg": svg}


def _activeness(comparison: Comparison) -> dict[str, Any] | None:
    found = [measurement for measurement in comparison.measurements.get("activeness", []) if "dimensions" in measurement.details]
    if not found:
        return None
    highest = max((bound for measurement in found for bounds in _dimension_intervals(measurement) for bound in bounds or ()), default=None)
    panels: list[dict[str, Any]] = []
    rows: list[list[Cell]] = []
    for measurement in found:
        values, intervals = measurement.details["dimensions"], _dimension_intervals(measurement)
        order = sorted(range(len(values)), key=lambda index: -values[index])
        numbers = _numbers(comparison, measurement)
        title = f"Activeness of the dimensions of {measurement.subject}, sorted, with 95 % intervals"
        svg = bars(
            title, [numbers[index] for index in order], [values[index] for index in order], [intervals[index] for index in order], highest
        )
        panels.append(_panel(measurement.subject, f"mean {number(measurement.value)} {interval(measurement.interval)}", svg))
        rows += [
            [measurement.subject, numbers[index], Number(value, bounds)]
            for index, (value, bounds) in enumerate(zip(values, intervals, strict=True))
        ]
    return _figure(
        "activeness",
        "Activeness",
        "How much does each dimension do?",
        [
            "The variance of the image when one dimension takes the values −2, 0 and 2 sigmas, averaged over pixels and latents (OroJaR, "
            "section 4.1). More is not better, but a dimension that does nothing is orthogonal to everything at no cost."
        ],
        panels,
        "One bar per dimension, sorted, on a common scale; the number below is the dimension, the thin line its 95 % interval. "
        "In sigmas of the latent, not in calibrated steps.",
        Table("activeness", "Activeness of every dimension", ["Set", "Dimension", "Activeness"], rows),
    )


def _dimension_intervals(measurement: Measurement) -> list[Any]:
    return measurement.details.get("dimension_intervals") or [None] * len(measurement.details["dimensions"])


def _numbers(comparison: Comparison, measurement: Measurement) -> list[str]:
    """What the dimensions of a measurement's subject are called in its file."""
    subject = next(subject for subject in comparison.subjects if subject.name == measurement.subject)
    return [str(subject.number(index)) for index in range(len(subject.directions))]


def _cosines(comparison: Comparison) -> dict[str, Any] | None:
    found = [measurement for measurement in comparison.measurements.get("mean_cosine", []) if "cosine_matrix" in measurement.details]
    if not found:
        return None
    panels: list[dict[str, Any]] = []
    pairs: list[list[Cell]] = []
    for measurement in found:
        matrix = measurement.details["cosine_matrix"]
        numbers = _numbers(comparison, measurement)
        pairs += [
            [measurement.subject, numbers[row], numbers[column], Number(value)]
            for row, values in enumerate(matrix)
            for column, value in enumerate(values)
            if column > row
        ]
        svg = heat_map(f"Mean |cosine| of every two dimensions of {measurement.subject}", numbers, numbers, matrix, full=1.0)
        panels.append(
            _panel(measurement.subject, f"mean off the diagonal {number(measurement.value)} {interval(measurement.interval)}", svg)
        )
    return _figure(
        "cosines",
        "Cosines",
        "Do two dimensions change the image alike?",
        [
            "Each cell is the mean |cosine| between the image changes (Jacobian columns) of two dimensions at held-out latents: empty for "
            "changes that have nothing in common, full colour for the same change. OroJaR asks for emptiness off the diagonal."
        ],
        panels,
        "Rows and columns are dimensions. Point at a cell for its number.",
        Table("cosines", "Mean absolute cosine of two dimensions", ["Set", "Dimension", "Other", "Cosine"], pairs),
        in_page=False,
    )


def _factors(comparison: Comparison) -> dict[str, Any] | None:
    found = [measurement for measurement in comparison.measurements.get("disentanglement", []) if "response" in measurement.details]
    if not found:
        return None
    full = max(max(map(max, measurement.details["response"])) for measurement in found)
    panels: list[dict[str, Any]] = []
    responses: list[list[Cell]] = []
    for measurement in found:
        factors = measurement.details["factors"]
        rows = [f"dim {number}" for number in _numbers(comparison, measurement)]
        responses += [
            [measurement.subject, name.removeprefix("dim "), *map(Number, values)]
            for name, values in zip(rows, measurement.details["response"], strict=True)
        ]
        title = f"Response of each factor to each dimension of {measurement.subject}"
        svg = heat_map(title, rows, factors, measurement.details["response"], full=full, written=True)
        panels.append(_panel(measurement.subject, f"disentanglement {number(measurement.value)} {interval(measurement.interval)}", svg))
    return _figure(
        "factors",
        "Factors",
        "Which factor does each dimension change?",
        [
            "The mean absolute change of each factor between −1 and +1 calibrated step, in standard deviations of the factor over "
            "generated images. The ideal is one full cell in a row (disentanglement) and one in a column (completeness)."
        ],
        panels,
        f"Rows are dimensions, columns factors; full colour is {number(full)} standard deviations, on one scale for all sets.",
        Table("factors", "Response of every factor to every dimension", ["Set", "Dimension", *found[0].details["factors"]], responses),
        in_page=False,
    )


def _agreements(comparison: Comparison) -> dict[str, Any] | None:
    if not comparison.agreements:
        return None
    names = [subject.name for subject in comparison.subjects if any(subject.name in pair[:2] for pair in comparison.agreements)]
    panels: list[dict[str, Any]] = []
    rows: list[list[Cell]] = []
    for metric, title, hint in (
        ("direction_agreement", "Directions", "mean |cosine| of the best one-to-one match"),
        ("subspace_agreement", "Subspaces", "mean squared cosine of the principal angles"),
    ):
        table = [[1.0 if first == second else math.nan for second in names] for first in names]
        for first, second, found in comparison.agreements:
            measurement = next(measurement for measurement in found if measurement.metric == metric)
            row, column = names.index(first), names.index(second)
            table[row][column] = table[column][row] = measurement.value
            rows.append([f"{first}, {second}", title.lower(), Number(measurement.value), Number(measurement.details["by_chance"])])
        panels.append(_panel(title, hint, heat_map(f"Agreement of {title.lower()}", names, names, table, full=1.0, written=True)))
    return _figure(
        "agreement",
        "Agreement",
        "Do the sets agree?",
        [
            "1 means that two sets are the same up to order and sign, or span the same subspace. These numbers involve no latents, so they "
            "have no interval."
        ],
        panels,
        "Sets in spaces without common coordinates cannot be compared and are left empty. What random sets of the same sizes would reach "
        "is in the table.",
        Table("agreement", "Agreement of the sets", ["Sets", "Of", "Agreement", "By chance"], rows),
    )


def _path_lengths(comparison: Comparison) -> list[str]:
    """What path lengths are and what they lack; nothing where there are none."""
    shares = [measured.value / measured.details["untrimmed"] for measured in comparison.networks if measured.details.get("untrimmed")]
    if not shares:
        return []
    less = f"{100 * (1 - max(shares)):.1f} to {100 * (1 - min(shares)):.1f}"
    return [
        "Path lengths are taken as their authors do: z on the sphere, noise anew for each pair of images, the lowest and highest hundredth "
        f"left out (here that makes them {less} % smaller). What is missing is the authors' distance, a VGG16 with LPIPS weights."
    ]


def _networks(comparison: Comparison) -> dict[str, Any] | None:
    if not comparison.networks:
        return None
    rows: list[list[Cell]] = [
        [
            measurement.details.get("title") or title_of(measurement.metric),
            measurement.subject + (f", from {measurement.settings['against']}" if "against" in measurement.settings else ""),
            Number(measurement.value, measurement.interval),
            Number(measurement.details["floor"]) if "floor" in measurement.details else "",
        ]
        for measurement in comparison.networks
    ]
    return _figure(
        "networks",
        "Networks",
        "Do the networks draw the same images?",
        [
            "Distances between the distributions of images of two networks, and how fast the images change between random latents. They "
            "compare only with numbers of the same detector, and are not FID, KID or PPL as published.",
            *_path_lengths(comparison),
        ],
        [],
        "Floor: the same distance between two samples of one network, which is as near as samples of this size come.",
        Table("networks", "Distances and path lengths of the networks", ["Metric", "Network", "Value", "Floor"], rows),
    )
