"""Sets of Gram matrices: a tensor [N, d, d], or factors F_n [k, d] of M_n = F_n^T F_n, so that low ranks are never multiplied out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar, overload

import torch
from torch import Tensor

from orojar_cli.errors import NumericalError

# Numbers worked on at once: they stay in the processor's cache, and the Gram matrices are never copied as a whole.
_CHUNK = {"cpu": 1 << 20}
_CHUNK_ELSEWHERE = 1 << 26
_ASYMMETRY = 1e-5
_ALL_ZERO = "the Gram matrices are zero: the image does not change along any direction"


@dataclass(frozen=True)
class FactoredGrams:
    """The Gram matrices M_n = F_n^T F_n, n < N, of `factors` [N, k, d] (any float type; rows of zeros count for nothing).

    Stands for a tensor [N, d, d] wherever matrices are diagonalised or judged, with k/d of its numbers.
    Raises NumericalError for factors of another shape.
    """

    factors: Tensor

    def __post_init__(self) -> None:
        if self.factors.ndim != 3 or 0 in self.factors.shape:
            raise NumericalError(f"factors of Gram matrices must be [N, k, d], not {list(self.factors.shape)}")

    def __len__(self) -> int:
        return len(self.factors)

    def __getitem__(self, which: slice | Tensor) -> FactoredGrams:
        """Some of the matrices."""
        return FactoredGrams(self.factors[which])

    @property
    def rank(self) -> int:
        """k: no matrix has a higher rank."""
        return self.factors.shape[1]

    @property
    def device(self) -> torch.device:
        return self.factors.device

    @property
    def dtype(self) -> torch.dtype:
        return self.factors.dtype

    def to(self, device: torch.device) -> FactoredGrams:
        return FactoredGrams(self.factors.to(device))

    def scaled(self, weights: Tensor) -> FactoredGrams:
        """weights_n M_n; weights [N] are not negative."""
        return FactoredGrams(self.factors * weights.to(self.factors).sqrt()[:, None, None])

    def along(self, rows: Tensor) -> FactoredGrams:
        """R M_n R^T for rows R [K, d]: the Gram matrices of other coordinates."""
        return FactoredGrams(self.factors @ rows.to(self.factors).T)

    def dense(self) -> Tensor:
        """The matrices themselves [N, d, d], in the factors' type."""
        return self.factors.transpose(1, 2) @ self.factors


Grams: TypeAlias = Tensor | FactoredGrams
GramsT = TypeVar("GramsT", Tensor, FactoredGrams)


def dimension(grams: Grams) -> int:
    """d of d x d matrices."""
    return grams.shape[2] if isinstance(grams, Tensor) else grams.factors.shape[2]


@overload
def chunks(grams: Tensor) -> list[Tensor]: ...
@overload
def chunks(grams: FactoredGrams) -> list[FactoredGrams]: ...
@overload
def chunks(grams: Grams) -> Sequence[Grams]: ...
def chunks(grams: Grams) -> Sequence[Grams]:
    """Views of the matrices, a few each."""
    if isinstance(grams, Tensor):
        return list(grams.split(_at_once(grams.device, grams[0].numel())))
    return [FactoredGrams(factors) for factors in grams.factors.split(_at_once(grams.device, grams.factors[0].numel()))]


def along(grams: Grams, rows: Tensor) -> Grams:
    """R M_n R^T for rows R [K, d], both made float64: the Gram matrices of other coordinates."""
    if isinstance(grams, FactoredGrams):
        return FactoredGrams(grams.factors.double()).along(rows)
    return torch.cat([rows @ part.double() @ rows.T for part in chunks(grams)])


def turned(grams: Grams, rotation: Tensor | None = None) -> Iterator[Tensor]:
    """V M_n V^T [n, d, d] in float64, a few new matrices at a time, for a rotation V [d, d] (None: the identity)."""
    rows = None if rotation is None else rotation.to(grams.device, torch.float64)
    if isinstance(grams, Tensor):
        for chunk in chunks(grams):
            yield chunk.double().clone() if rows is None else rows @ chunk.double() @ rows.T
    else:
        for factors in grams.factors.split(_at_once(grams.device, dimension(grams) ** 2)):
            columns = factors.double() if rows is None else factors.double() @ rows.T
            yield columns.transpose(1, 2) @ columns


def products(grams: Grams, columns: Tensor) -> tuple[Tensor, Tensor]:
    """(M_n C [N, d, K], by factors F_n C [N, k, K]; the diagonals [N, K] of C^T M_n C) in float64, for columns C [d, K] float64."""
    rows = (grams if isinstance(grams, Tensor) else grams.factors).double()
    made = (rows.reshape(-1, len(columns)) @ columns).view(len(rows), -1, columns.shape[1])
    return made, (made * (columns if isinstance(grams, Tensor) else made)).sum(1)


def traces(grams: Grams) -> Tensor:
    """[N] tr M_n, in float64."""
    if isinstance(grams, Tensor):
        return grams.diagonal(dim1=1, dim2=2).double().sum(1)
    return grams.factors.double().square().sum((1, 2))


def energy(grams: Grams) -> float:
    """The sum over n, i, j of (M_n)_ij^2."""
    if isinstance(grams, Tensor):
        return float(grams.double().square().sum())
    factors = grams.factors.double()
    return float((factors @ factors.transpose(1, 2)).square().sum())


def mean_matrix(grams: Grams) -> Tensor:
    """[d, d] float64: the mean of the matrices."""
    if isinstance(grams, Tensor):
        return grams.mean(0, dtype=torch.float64)
    rows = grams.factors.double().flatten(0, 1)
    return rows.T @ rows / len(grams)


def normalise_by_trace(grams: GramsT) -> GramsT:
    """M_n / tr M_n, so that every sample counts the same; but M_n = 0, where the image does not change along any direction, stays 0.

    Raises NumericalError where a trace is not finite or belongs to no Gram matrix, and where all are zero.
    """
    sums = traces(grams)
    still = sums == 0
    if not bool((torch.isfinite(sums) & (sums >= 0)).all()) or (bool(still.any()) and bool((_largest(grams[still]) > 0).any())):
        raise NumericalError("a Gram matrix is not finite or has no positive trace")
    if bool(still.all()):
        raise NumericalError(_ALL_ZERO)
    weights = 1 / sums.masked_fill(still, 1.0)
    return grams * weights.to(grams)[:, None, None] if isinstance(grams, Tensor) else grams.scaled(weights)


def checked(grams: Grams) -> Grams:
    """The matrices that are not zero: where the image does not change along any direction, no rotation is better than another.

    Raises NumericalError for matrices that are not [N, d, d], finite, symmetric and not all zero.
    """
    if isinstance(grams, Tensor) and (grams.ndim != 3 or grams.shape[1] != grams.shape[2] or 0 in grams.shape):
        raise NumericalError(f"Gram matrices must be [N, d, d], not {list(grams.shape)}")
    largest = _largest(grams)
    if not bool(torch.isfinite(largest).all()):
        raise NumericalError("a Gram matrix holds numbers that are not finite")
    if isinstance(grams, Tensor):
        asymmetry = torch.cat([(chunk - chunk.transpose(1, 2)).abs().amax((1, 2)) for chunk in chunks(grams)])
        if bool((asymmetry > _ASYMMETRY * largest).any()):
            raise NumericalError("a Gram matrix is not symmetric")
    moving = traces(grams).square() > 0
    if not bool(moving.any()):
        raise NumericalError(_ALL_ZERO)
    return grams if bool(moving.all()) else grams[moving]


def _largest(grams: Grams) -> Tensor:
    """[N] the largest absolute number of each matrix, or of its factors."""
    parts = (chunk if isinstance(chunk, Tensor) else chunk.factors for chunk in chunks(grams))
    return torch.cat([part.abs().amax((1, 2)) for part in parts])


def chunk_numbers(device: torch.device) -> int:
    """Numbers that are worked on at once there."""
    return _CHUNK.get(device.type, _CHUNK_ELSEWHERE)


def _at_once(device: torch.device, numbers: int) -> int:
    return max(1, chunk_numbers(device) // numbers)
