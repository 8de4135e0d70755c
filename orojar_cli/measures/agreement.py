"""Agreement of two direction sets: do they span the same space, and does every direction of one have its like in the other?"""

from __future__ import annotations

import numpy as np
import torch
from scipy.linalg import subspace_angles
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from orojar_cli.directions.direction_set import DirectionSet
from orojar_cli.errors import DirectionSetError
from orojar_cli.latents.spaces import LAYERED
from orojar_cli.measures.measurement import Measurement
from orojar_cli.measures.settings import MetricSettings


def agreement(directions: DirectionSet, other: DirectionSet, settings: MetricSettings) -> list[Measurement]:
    """Numbers between 0 and 1 that say how far two direction sets of one network agree.

    "subspace_agreement" is the mean squared cosine of the principal angles of their spans, "direction_agreement" the mean |cosine| of the
    best one-to-one match; what random sets of the same sizes would give is in the details.  There are no latents here, so there is no
    interval.  w and w+ compare in w+.  Raises DirectionSetError for sets of different networks or in spaces that cannot be compared.
    """
    if directions.checkpoint != other.checkpoint:
        raise DirectionSetError("the two direction sets belong to different networks and cannot agree or disagree")
    first, second = settings.chosen(directions), settings.chosen(other)
    a, b = _comparable(first, second)
    angles = subspace_angles(a.T.numpy(), b.T.numpy())
    cosines = torch.nn.functional.normalize(a) @ torch.nn.functional.normalize(b).T
    rows, columns = linear_sum_assignment(-cosines.abs().numpy())
    matched = cosines[rows, columns]
    dim = a.shape[1]
    record = {"dimensions": [len(a), len(b)], "space": [first.space, second.space]}
    subject = f"{settings.name(directions)} and {other.method}"
    return [
        Measurement(
            metric="subspace_agreement",
            subject=subject,
            value=float(np.square(np.cos(angles)).mean()),
            interval=None,
            better=None,
            source="principal angles (Björck & Golub 1973)",
            settings=record,
            details={"angles_in_degrees": np.degrees(np.sort(angles)).tolist(), "by_chance": max(len(a), len(b)) / dim},
        ),
        Measurement(
            metric="direction_agreement",
            subject=subject,
            value=float(matched.abs().mean()),
            interval=None,
            better=None,
            source="optimal assignment (Kuhn 1955) of |cosines|",
            settings=record,
            details={
                "cosines": cosines.tolist(),
                "match": [[int(row), int(column)] for row, column in zip(rows, columns, strict=True)],
                "by_chance": _matched_by_chance(len(a), len(b), dim, settings.seed),
            },
        ),
    ]


def _comparable(first: DirectionSet, second: DirectionSet) -> tuple[Tensor, Tensor]:
    """The directions [K, D] of both, float64, in one space."""
    a, b = first.directions.double(), second.directions.double()
    if first.space == second.space and (first.space not in LAYERED or first.layers == second.layers):
        if first.space == "w" and first.layers != second.layers:
            return tuple(_spread(found, max(*first.layers, *second.layers) + 1) for found in (first, second))  # type: ignore[return-value]
        return a, b
    if {first.space, second.space} <= {"w", "w+"}:
        return tuple(_spread(found, max(*first.layers, *second.layers) + 1) for found in (first, second))  # type: ignore[return-value]
    raise DirectionSetError(f"directions in {first.space} and in {second.space} cannot be compared; make both in one space")


def _spread(found: DirectionSet, layers: int) -> Tensor:
    """[K, layers * w_dim] of directions in w or w+ at their layers, 0 elsewhere."""
    vectors = found.directions.double()
    parts = vectors.unflatten(1, (len(found.layers), -1)) if found.space == "w+" else vectors.unsqueeze(1).expand(-1, len(found.layers), -1)
    spread = torch.zeros(len(vectors), layers, parts.shape[2], dtype=vectors.dtype, device="cpu")
    spread[:, list(found.layers)] = parts
    return spread.flatten(1)


def _matched_by_chance(first: int, second: int, dim: int, seed: int, draws: int = 20) -> float:
    """Mean matched |cosine| of random orthonormal sets of these sizes."""
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        a, b = (np.linalg.qr(rng.standard_normal((dim, min(count, dim))))[0] for count in (first, second))
        cosines = np.abs(a.T @ b)
        values.append(float(cosines[linear_sum_assignment(-cosines)].mean()))
    return float(np.mean(values))
