"""Metrics of directions and of networks, one per file; each returns a list of Measurements.

Direction metrics are called metric(generator, directions, settings, progress), network metrics metric(generator, other, settings,
progress) with `other` another generator, or None for those of one network alone; `agreement` compares two direction sets.
"""

from __future__ import annotations

from collections.abc import Callable

from orojar_cli.measures.activeness import activeness
from orojar_cli.measures.agreement import agreement
from orojar_cli.measures.direction_length import direction_length
from orojar_cli.measures.distribution import distribution
from orojar_cli.measures.ground_truth import ground_truth
from orojar_cli.measures.hessian import hessian
from orojar_cli.measures.measurement import Measurement
from orojar_cli.measures.orthogonality import orthogonality
from orojar_cli.measures.path_length import path_length
from orojar_cli.measures.predictability import predictability
from orojar_cli.measures.settings import MetricSettings
from orojar_cli.measures.uncertainty import holm, paired_difference, winner

DIRECTION_METRICS: dict[str, Callable[..., list[Measurement]]] = {
    "orthogonality": orthogonality,
    "hessian": hessian,
    "activeness": activeness,
    "predictability": predictability,
    "direction_length": direction_length,
    "ground_truth": ground_truth,
}
NETWORK_METRICS: dict[str, Callable[..., list[Measurement]]] = {"path_length": path_length, "distribution": distribution}
METRICS = DIRECTION_METRICS | NETWORK_METRICS

__all__ = [
    "DIRECTION_METRICS",
    "METRICS",
    "NETWORK_METRICS",
    "Measurement",
    "MetricSettings",
    "agreement",
    "holm",
    "paired_difference",
    "winner",
]
