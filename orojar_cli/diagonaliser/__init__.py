"""The joint approximate diagonaliser: the rotation that makes all sampled Gram matrices as diagonal as they can be.

Among rotations the minimum of the OroJaR loss (Wei et al. 2021, eq. 4-6) is the orthogonal joint approximate diagonaliser of the
Gram matrices (Cardoso & Souloumiac 1996), so it is found from them alone, without touching the generator again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from orojar_cli.devices import is_out_of_memory, release_memory
from orojar_cli.diagonaliser.criteria import (
    CRITERIA,
    Criterion,
    log_likelihood_loss,
    off_diagonal_energy,
    orojar_loss,
)
from orojar_cli.diagonaliser.grams import FactoredGrams, Grams, checked, dimension, mean_matrix, normalise_by_trace
from orojar_cli.diagonaliser.place import working_place
from orojar_cli.diagonaliser.quasinewton import Diagonalisation, descend
from orojar_cli.diagonaliser.reduction import completion, economical, joint_range
from orojar_cli.errors import NumericalError, OptionError

__all__ = [
    "CRITERIA",
    "Diagonalisation",
    "FactoredGrams",
    "Grams",
    "joint_diagonalise",
    "joint_range",
    "log_likelihood_loss",
    "mean_eigenvectors",
    "normalise_by_trace",
    "off_diagonal_energy",
    "orojar_loss",
]
_ORTHOGONAL = 1e-5


def joint_diagonalise(
    grams: Grams,
    *,
    held_out: Grams | None = None,
    criterion: str = "orojar",
    initial: Tensor | None = None,
    restarts: int = 0,
    generator: torch.Generator | None = None,
    max_sweeps: int = 1000,
    tolerance: float = 1e-7,
    patience: int = 3,
    callback: Callable[[int, float, float | None], None] | None = None,
    device: torch.device | None = None,
) -> Diagonalisation:
    """The orthogonal V with the lowest criterion of V M_n V^T over grams [N, d, d] (any float type; the work is done in float64).

    `criterion` "orojar" is `orojar_loss` (Cardoso & Souloumiac 1996; weighs samples by their squared traces unless they were
    normalised), "loglik" is `log_likelihood_loss` (Pham 2001).  Starts from the eigenvectors of the mean, or from `initial`
    [d, d], and from `restarts` random rotations drawn with `generator` (on the CPU).  A sweep moves every pair of dimensions once;
    the loss on `grams` never rises from one sweep to the next; the search has converged when a sweep lowers it by less than
    `tolerance` of itself and no rotation of a single pair does better.

    Low ranks cost less.  `FactoredGrams` are worked on by their factors, and so are matrices whose rank is at most d / 4.  Unless there is
    an `initial`, only the joint range of all matrices is rotated: the first `rank` rows of V span it (`joint_range`), and the others,
    along which nothing happens, are a fixed completion.  From the mean's eigenvectors no gradient leads out of that range.

    Few samples over-fit.  With `held_out` matrices [H, d, d] the default start follows a path from the mean's eigenvectors to the
    minimum, along which M_n is shrunk less and less towards the mean, and the rotation with the lowest held-out loss met, the start
    included, is returned; a search ends after `patience` sweeps beyond the path without a lower one.
    `callback(sweep, loss, held_out_loss)` is called after every sweep of every start.

    The work is done where the matrices lie, or on `device` where that is large enough to pay (`place`); without float64 there, or where
    its memory does not hold it, on the processor.  Results differ by rounding.  V lies where the matrices do, or on the processor.

    Raises OptionError for an unknown criterion or settings out of range, NumericalError for matrices that are not [N, d, d],
    finite, symmetric and not all zero (those that are zero count for nothing), or (for "loglik") not positive semi-definite, and for an
    `initial` that is not orthogonal.
    """
    if criterion not in CRITERIA:
        raise OptionError(f"unknown criterion {criterion!r}; choose one of {', '.join(CRITERIA)}")
    if restarts < 0 or max_sweeps < 0 or patience < 1 or not tolerance >= 0:
        raise OptionError("restarts, max_sweeps and tolerance must not be negative, and patience must be at least 1")
    home, place = working_place(grams), working_place(grams, device)

    def search(where: torch.device) -> Diagonalisation:
        others = None if held_out is None else held_out.to(where)
        start = None if initial is None else initial.to(where)
        found = _search(grams.to(where), others, criterion, start, restarts, generator, max_sweeps, tolerance, patience, callback)
        return replace(found, rotation=found.rotation.to(home))

    try:
        return search(place)
    except (MemoryError, RuntimeError) as error:
        if place == home or not is_out_of_memory(error):
            raise
    release_memory()
    return search(home)


def _search(
    grams: Grams,
    held_out: Grams | None,
    criterion: str,
    initial: Tensor | None,
    restarts: int,
    generator: torch.Generator | None,
    max_sweeps: int,
    tolerance: float,
    patience: int,
    callback: Callable[[int, float, float | None], None] | None,
) -> Diagonalisation:
    """`joint_diagonalise` of matrices that all lie in one place."""
    grams = checked(grams)
    dim = dimension(grams)
    if held_out is not None:
        if (isinstance(held_out, Tensor) and held_out.shape[1:] != (dim, dim)) or dimension(held_out) != dim:
            raise NumericalError(f"held-out Gram matrices are not {[dim, dim]}, as the others are")
        held_out = checked(held_out)
    inside = outside = None
    if initial is None:
        start = joint_range(grams)
        if len(start) < dim:
            inside, outside = start, completion(start)
            start = torch.eye(len(inside), dtype=inside.dtype, device=inside.device)
    else:
        start = _orthogonal(initial, dim)
    training = Criterion(economical(grams), criterion, inside, outside)
    stopping = None if held_out is None else Criterion(economical(held_out), criterion, inside, outside)
    starts = [start]
    for _ in range(restarts):
        normal = torch.randn(training.dim, training.dim, dtype=torch.float64, generator=generator)
        starts.append(torch.linalg.qr(normal).Q.to(grams.device))
    found = []
    for number, start in enumerate(starts):
        # The path begins where shrinkage is complete, at the mean's eigenvectors; from elsewhere it would lead back there.
        path = stopping is not None and initial is None and number == 0
        found.append(descend(training, stopping, start, path, max_sweeps, tolerance, patience, callback))
    best = min(found, key=lambda result: result.loss if result.held_out_loss is None else result.held_out_loss)
    if inside is None or outside is None:
        return best
    return replace(best, rotation=torch.cat([best.rotation @ inside, outside]), rank=len(inside))


def mean_eigenvectors(grams: Grams) -> Tensor:
    """[d, d] float64 rows: eigenvectors of the mean of grams [N, d, d], largest eigenvalue first."""
    return torch.linalg.eigh(mean_matrix(grams)).eigenvectors.flip(1).T.contiguous()


def _orthogonal(initial: Tensor, dim: int) -> Tensor:
    rotation = initial.detach().double()
    if rotation.shape != (dim, dim):
        raise NumericalError(f"the initial rotation is {list(initial.shape)}; the Gram matrices need {[dim, dim]}")
    identity = torch.eye(dim, dtype=torch.float64, device=rotation.device)
    # Written so that NaN fails too.
    if not float((rotation @ rotation.T - identity).abs().max()) <= _ORTHOGONAL:
        raise NumericalError("the initial rotation is not orthogonal")
    left, _, right = torch.linalg.svd(rotation)
    return left @ right
